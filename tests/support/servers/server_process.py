"""Servers as processes: their log lines, signals and exit codes."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from queue import Empty
from signal import Signals
from time import monotonic

from benchmarks.service import ANY_PORTS, Service

TIMEOUT_S = 60.0
HTTP = re.compile(r"HTTP on (\S+:\d+)")
STT_SERVER = str(Path(sys.executable).with_name("stt-server"))
# Overrides the machine's environment and a developer's .env.
COMMON = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "base", "REALTIME_MODEL": "base"}


class Server(Service):
    """A server process observed from outside."""

    async def wait_for_line(self, pattern: str) -> str:
        """Wait for a line on stderr that matches the pattern; return it."""
        wanted = re.compile(pattern)
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                for line in self.lines:
                    if wanted.search(line):
                        return line
                await asyncio.to_thread(self._wait_for_a_line)

    def signal(self, number: Signals) -> None:
        self._process.send_signal(number)

    async def wait_for_exit(self) -> int:
        """Wait for the end; return the exit code."""
        return await asyncio.to_thread(self._process.wait, TIMEOUT_S)

    def _wait_for_a_line(self) -> None:
        deadline = monotonic() + 0.5  # then check again: another waiter may have taken the line
        try:
            self._arriving.get(timeout=max(0.0, deadline - monotonic()))
        except Empty:
            return


def run_server(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run stt-server until it exits, in a folder without `.env`."""
    inherited = {name: value for name, value in os.environ.items() if name not in COMMON}
    return subprocess.run(
        [STT_SERVER, *arguments],
        cwd=folder,
        env={**inherited, **ANY_PORTS, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
    )


def http_address(service: Service) -> str:
    """Return the address of the HTTP port of a listening server."""
    (address,) = (match[1] for line in service.lines if (match := HTTP.search(line)))
    return address
