"""Starts a server for a demo or a measurement, and stops it, also after a failure."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import IO, Self

START_TIMEOUT_S = 120.0  # loading, and the self-test, on a slow machine
STOP_TIMEOUT_S = 30.0
ANY_PORTS = {"DATA_PORT": "0", "CONTROL_PORT": "0", "HTTP_PORT": "0"}
LISTENING = re.compile(r"Listening on (\S+:\d+)")
WYOMING = re.compile(r"Wyoming on (\S+:\d+)")  # the same
HTTP = re.compile(r"HTTP on (\S+:\d+)")  # printed before the line LISTENING


class ServiceError(Exception):
    """The server did not start, or did not stop cleanly; the message has its last lines."""


class Service:
    """A server on a free loopback port, for the length of a `with`.

    It starts on entering; leaving stops it and raises ServiceError if it did not stop cleanly.
    """

    own_session = True  # Ctrl-C is for the client; the server is stopped after it
    module = "stt_service"

    def __init__(self, settings: Mapping[str, str], checkout: Path | None = None, inside: Sequence[str] = ()) -> None:
        """Take additional environment variables, and the checkout that contains the server; this one if None.

        `inside` is a command that runs it elsewhere, such as on another host.
        """
        self._settings, self._checkout, self._inside = settings, checkout, inside
        self._arriving: Queue[str | None] = Queue()  # bounded by the output of a server
        self.lines: list[str] = []  # of stderr
        self.address = ""
        self.http_address = ""
        self.wyoming_address = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._inside, sys.executable, "-m", self.module],
            cwd=self._checkout,  # first place in which -m looks for modules
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "SERVER_BIND": "127.0.0.1", **ANY_PORTS, **self._settings},
            start_new_session=self.own_session,
        )
        assert self._process.stderr is not None
        self._reader = Thread(target=self._read, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._stop()
            else:
                self.kill()
        finally:
            self._reader.join()

    def wait_until_listening(self) -> None:
        """Return when the server has printed its address.

        Raises:
            ServiceError: it exited, or took longer than START_TIMEOUT_S.
        """
        deadline = monotonic() + START_TIMEOUT_S
        while not self.address:
            try:
                line = self._arriving.get(timeout=max(0.0, deadline - monotonic()))
            except Empty:
                raise ServiceError(self._describe(f"is not ready after {START_TIMEOUT_S:.0f} s")) from None
            if line is None:
                raise ServiceError(self._describe(f"ended with exit code {self._process.wait()}"))
            if match := WYOMING.search(line):
                self.wyoming_address = match[1]
            if match := HTTP.search(line):
                self.http_address = match[1]
            if match := LISTENING.search(line):
                self.address = match[1]

    def _stop(self) -> None:
        self.terminate()
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceError(self._describe(f"did not stop in {STOP_TIMEOUT_S:.0f} s")) from None
        if code != 0:
            raise ServiceError(self._describe(f"ended with exit code {code}"))

    def terminate(self) -> None:
        """Send SIGTERM, as an operator does."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its exit; return the exit code."""
        return self._process.wait()

    def kill(self) -> None:
        """Kill it at once, as in a power failure, and wait for its exit."""
        self._process.kill()
        self._process.wait()

    def _read(self, stderr: IO[str]) -> None:
        with stderr:
            for line in stderr:
                self.lines.append(line.rstrip())
                self._arriving.put(line)
        self._arriving.put(None)

    def _describe(self, event: str) -> str:
        return "\n".join([f"The server {event}. Last output:", *self.lines[-15:]])
