"""A log handler that writes from a thread, so that logging never blocks, even when the log is not read.

An unread pipe or a full disk costs log lines and nothing else. The number of dropped lines is logged as soon as lines
can be written again.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from queue import Full, Queue
from threading import Thread

QUEUED_LINES = 4096
FLUSH_TIMEOUT_S = 1.0  # for queued lines when the process exits
DROPPED = "log lines dropped count=%d reason=slow_output"


class LogWriter:
    """A bounded queue of log lines with a thread that writes them."""

    def __init__(self, write: Callable[[bytes], int], lines: int = QUEUED_LINES) -> None:
        """Start the thread. `write` is a function like os.write: it may block and may raise OSError."""
        self._write = write
        self._queue: Queue[tuple[str, Callable[[int], str]]] = Queue(lines)
        self._dropped = 0
        Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: str, report: Callable[[int], str]) -> None:
        """Queue a line. `report` returns the line to write about a number of dropped lines."""
        try:
            self._queue.put_nowait((line, report))
        except Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait up to FLUSH_TIMEOUT_S until all lines are written."""
        with self._queue.all_tasks_done:
            self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, FLUSH_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            line, report = self._queue.get()
            self._write_line(line)
            if self._dropped and self._queue.empty():
                dropped, self._dropped = self._dropped, 0
                self._write_line(report(dropped))
            self._queue.task_done()

    def _write_line(self, line: str) -> None:
        remaining = f"{line}\n".encode(errors="backslashreplace")
        try:
            while remaining:
                remaining = remaining[self._write(remaining) :]
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._dropped += 1


class QueuedHandler(logging.Handler):
    """Formats records in the logging thread and queues them for the writer."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.put(self.format(record), self._report)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self._writer.flush()

    def _report(self, dropped: int) -> str:
        return self.format(logging.LogRecord(__name__, logging.WARNING, "", 0, DROPPED, (dropped,), None))


class LineLimiter:
    """Limits the log lines of one kind to a number per interval."""

    def __init__(self, lines: int = 10, interval_s: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        self._max_lines, self._interval_s, self._now = lines, interval_s, now
        self._start_s, self._lines, self._dropped = now(), 0, 0

    def next_line(self) -> int | None:
        """Return the number of lines dropped before this one, or None if this one must be dropped as well."""
        now_s = self._now()
        if now_s - self._start_s >= self._interval_s:
            self._start_s, self._lines = now_s, 0
        if self._lines >= self._max_lines:
            self._dropped += 1
            return None
        self._lines += 1
        dropped, self._dropped = self._dropped, 0
        return dropped


def stderr_writer() -> Callable[[bytes], int]:
    """Return a function that writes bytes to stderr, or to the stream that replaces it and is not a file.

    It bypasses the buffer of sys.stderr: a blocked thread then holds no lock that the exit of the process needs.
    """
    stream = sys.stderr
    if stream is None:  # the process was started without stderr
        return len
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return lambda line: stream.write(line.decode()) and len(line)
    return lambda line: os.write(descriptor, line)
