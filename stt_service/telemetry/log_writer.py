"""Writes log lines from a thread: whoever logs never waits, even where nobody reads the log.

A pipe that is not read, or a disk that is full, costs lines and no more. How many were dropped is written as soon as
lines can be written again.
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
FLUSH_S = 1.0  # at the exit of the process, for what is still queued
DROPPED = "%d lines of the log were dropped: they could not be written fast enough"


class LogWriter:
    """A bounded queue of lines, and the thread that writes them."""

    def __init__(self, write: Callable[[bytes], int], lines: int = QUEUED_LINES) -> None:
        """Take what writes bytes and returns how many, as os.write does; it may block and may raise OSError."""
        self._write = write
        self._queue: Queue[tuple[str, Callable[[int], str]]] = Queue(lines)
        self._dropped = 0
        Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: str, report: Callable[[int], str]) -> None:
        """Have the line written. `report` returns the line about those that were dropped before it."""
        try:
            self._queue.put_nowait((line, report))
        except Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until all is written, but not for long."""
        with self._queue.all_tasks_done:
            self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, FLUSH_S)

    def _run(self) -> None:
        while True:
            line, report = self._queue.get()
            self._write_line(line)
            if self._dropped and self._queue.empty():
                dropped, self._dropped = self._dropped, 0
                self._write_line(report(dropped))
            self._queue.task_done()

    def _write_line(self, line: str) -> None:
        left = f"{line}\n".encode(errors="backslashreplace")
        try:
            while left:
                left = left[self._write(left) :]
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._dropped += 1


class QueuedHandler(logging.Handler):
    """Formats records where they are logged, and has them written by the thread."""

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


class Limited:
    """Limits how many lines of one kind are logged in a while."""

    def __init__(self, lines: int = 10, every_s: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._every_s, self._now = lines, every_s, now
        self._since_s, self._lines, self._dropped = now(), 0, 0

    def dropped(self) -> int | None:
        """Return how many lines were dropped since the last one that was not; None where this one has to be."""
        now_s = self._now()
        if now_s - self._since_s >= self._every_s:
            self._since_s, self._lines = now_s, 0
        if self._lines >= self._most:
            self._dropped += 1
            return None
        self._lines += 1
        dropped, self._dropped = self._dropped, 0
        return dropped


def stderr_writer() -> Callable[[bytes], int]:
    """Return what writes to stderr, or to the stream that stands in for it and is no file.

    It writes past the buffer of sys.stderr: a thread that is blocked holds no lock that the exit of the process needs.
    """
    stream = sys.stderr
    if stream is None:  # the process began without one
        return len
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return lambda line: stream.write(line.decode()) and len(line)
    return lambda line: os.write(descriptor, line)
