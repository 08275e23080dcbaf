"""The processes of a peer: started on free ports, stopped to the last one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import IO

import psutil

from benchmarks.service import ServiceError

START_TIMEOUT_S = 180.0  # imports of torch and loading, on a slow machine
STOPS = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))  # with the seconds that each gets
LAST_LINES = 25

Stops = Sequence[tuple[signal.Signals, float]]


class PeerProcess:
    """A server in its own process session, so that its children are found when it is stopped."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        ready: str,
        settings: Mapping[str, str],
        folder: Path,
        stops: Stops = STOPS,
    ) -> None:
        """Take the command, a pattern of the output line that shows readiness, the environment, and the folder."""
        self._command = command
        self._ready = ready
        self._settings = settings
        self._folder = folder
        self._stops = stops
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._arrived: Queue[bool] = Queue()  # set once: whether the server became ready before its output ended

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Return when the server is ready.

        Raises:
            ServiceError: it exited, or took longer than START_TIMEOUT_S. It has been stopped.
        """
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._settings},
            cwd=self._folder,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and its children.

        Raises:
            ServiceError: a process is left.
        """
        left = self._tree()
        for number, patience_s in self._stops:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            psutil.wait_procs(left, timeout=patience_s)
            left = self._tree()
            if not left:
                break
        if left:
            raise ServiceError(f"{self._command[0]} left processes: {', '.join(str(each.pid) for each in left)}")
        self._process.wait()
        self._reader.join()

    def _wait_until_ready(self) -> None:
        started = monotonic()
        try:
            if self._arrived.get(timeout=START_TIMEOUT_S):
                return
        except Empty:
            raise ServiceError(self._failure_message(f"is not ready after {monotonic() - started:.0f} s")) from None
        raise ServiceError(self._failure_message("ended"))

    def _read(self, output: IO[str]) -> None:
        parse = False
        with output:
            for line in output:
                self._lines.append(line.rstrip())
                if not parse and self._ready in line:
                    parse = True
                    self._arrived.put(True)
        if not parse:
            self._arrived.put(False)

    def _tree(self) -> list[psutil.Process]:
        """Return the processes of its session, including children whose parent has exited."""
        return [each for each in psutil.process_iter() if _session_of(each) == self.pid]

    def _failure_message(self, event: str) -> str:
        return "\n".join([f"{self._command[0]} {event}. Last output:", *self._lines])


def _session_of(process: psutil.Process) -> int | None:
    """Return its session, if it is alive and access is permitted."""
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.Error, OSError):
        return None
