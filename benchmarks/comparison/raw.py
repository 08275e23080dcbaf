"""Raw faster-whisper as a system of the comparison: the difference shows the effect of this project's server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from benchmarks.comparison.raw_server import ENDPOINT_S, MODEL
from benchmarks.comparison.systems import Connection, Message, MessageKind, System

ROOT = Path(__file__).parents[2]
STOP_S = 10.0


class Raw(System):
    """A process that transcribes the audio of a stream since its last final, again and again."""

    name = "raw"
    endpoint_s = ENDPOINT_S

    def __init__(self, language: str) -> None:
        self._language = language
        self.about = f"faster-whisper {version('faster-whisper')}: {MODEL}, int8, beam 5, silence {ENDPOINT_S:g} s"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.comparison.raw_server", self._language]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
        )
        try:
            assert self._process.stdout is not None
            self._port = int(self._process.stdout.readline().rpartition(" ")[2] or 0)
        except BaseException:
            self._stop()
            raise
        if not self._port:
            self._stop()
            raise RuntimeError(f"The process ended with exit code {self._process.returncode}.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def connect(self) -> Connection:
        return _Stream(self._port)

    def _stop(self) -> None:
        with self._process:  # closes the pipe and waits
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()


class _Stream(Connection):
    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def send(self, pcm: bytes) -> None:
        self._writer.write(pcm)
        await self._writer.drain()

    async def finish(self) -> None:
        self._writer.write_eof()

    async def messages(self) -> AsyncIterator[Message]:
        async for line in self._reader:
            received = json.loads(line)
            yield Message(monotonic(), MessageKind[received["kind"].upper()], received["text"])

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
