"""Decodes uploaded recordings, each in a process of its own that can be killed (`stt_media.worker`).

A process is killed when its call ends or is canceled, when it takes too long, and when the server shuts down: nothing
waits for a decoder. If it crashes, only its own call fails, with INVALID_ARGUMENT. It runs at the speed of the
recognition: it blocks while its samples are not read.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO, TypeVar

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.audio.recordings import LengthLimit, to_service_error
from stt_service.errors import InferenceError, ResourceExhaustedError

MAX_PROCESSES = 16  # each uses about 60 MiB plus the recording, up to 32 MiB
TIMEOUT_S = 120.0  # total wait for one decoder: an hour of audio takes 12 s, or 30 s niced on two busy cores
KILL_TIMEOUT_S = 5.0  # a killed process ends at once; its pipes close with the last process that holds them
RETRY_AFTER_S = 1.0
CHUNK_BYTES = 10 * SAMPLE_RATE_HZ * 2  # 10 s
FEED_BYTES = 2**16
MAX_REPORT_BYTES = 2**14
MAX_WARNINGS = 8
COMMAND = (sys.executable, "-m", "stt_media.worker")
INHERITED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # no tokens, no settings

Warn = Callable[[str], None]
T = TypeVar("T")


class RecordingDecoders:
    """Decodes recordings, at most MAX_PROCESSES at the same time."""

    def __init__(self, command: tuple[str, ...] = COMMAND, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = command, timeout_s
        self.running = 0

    async def decode(self, recording: bytes | BinaryIO, warn: Warn) -> AsyncGenerator[bytes]:
        """Yield the recording as 16-bit samples; close the iterator to stop it.

        Raises:
            InvalidRequestError: it is not a recording, cannot be decoded in time, or is longer than an hour.
            ResourceExhaustedError: MAX_PROCESSES recordings are being decoded.
        """
        length = LengthLimit()
        file = None if isinstance(recording, bytes) else recording.fileno()
        size_bytes = len(recording) if isinstance(recording, bytes) else os.fstat(recording.fileno()).st_size
        async with self._process(file) as process:
            decoder = _Decoder(process, size_bytes, self._timeout_s)
            if isinstance(recording, bytes):
                await decoder.feed(recording)
            while chunk := await decoder.read():
                length.add(chunk)
                yield chunk
            for warning in await decoder.finish():
                warn(warning)

    @asynccontextmanager
    async def _process(self, file: int | None) -> AsyncIterator[Process]:
        if self.running >= MAX_PROCESSES:
            raise ResourceExhaustedError(
                f"{self.running} recordings are being decoded: try again later.", RETRY_AFTER_S
            )
        self.running += 1
        try:
            process = await self._start_process(PIPE if file is None else file)
            try:
                yield process
            finally:
                await _kill(process)
        finally:
            self.running -= 1

    async def _start_process(self, stdin: int) -> Process:
        arguments = (*self._command, str(SAMPLE_RATE_HZ))
        try:
            return await asyncio.create_subprocess_exec(
                *arguments, stdin=stdin, stdout=PIPE, stderr=PIPE, env=environment(), start_new_session=True
            )
        except OSError as error:
            raise InferenceError(f"Cannot start the recording decoder: {error}") from error


class _Decoder:
    """One decoder process and the time left to wait for it."""

    def __init__(self, process: Process, size_bytes: int, timeout_s: float) -> None:
        self._process, self._size_bytes, self._left_s = process, size_bytes, timeout_s

    async def feed(self, recording: bytes) -> None:
        """Send the recording. `finish` reports a process that exits before it has received everything."""
        with suppress(BrokenPipeError, ConnectionResetError):
            await self._within_time(self._feed(recording))

    async def _feed(self, recording: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(recording)
        for start in range(0, len(view), FEED_BYTES):
            self._process.stdin.write(view[start : start + FEED_BYTES])
            await self._process.stdin.drain()
        self._process.stdin.close()

    async def read(self) -> bytes:
        """Return the next samples; empty at the end."""
        assert self._process.stdout is not None
        try:
            return await self._within_time(self._process.stdout.readexactly(CHUNK_BYTES))
        except asyncio.IncompleteReadError as error:
            return error.partial

    async def finish(self) -> list[str]:
        """Return the warnings.

        Raises:
            InvalidRequestError: the recording was rejected, or its decoder crashed.
        """
        assert self._process.stderr is not None
        report = _parse_report(await self._within_time(self._process.stderr.read(MAX_REPORT_BYTES)))
        code = await self._within_time(self._process.wait())
        for line in report:
            if "error" in line:
                raise to_service_error(line["error"], line.get("detail", ""), self._size_bytes)
        if code != 0:
            raise to_service_error("", f"the decoder ended with status {code}", self._size_bytes)
        return [line["warning"] for line in report if "warning" in line][:MAX_WARNINGS]

    async def _within_time(self, work: Awaitable[T]) -> T:
        """Await an operation of the process within its remaining time.

        Raises:
            InvalidRequestError: the time is used up.
        """
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                return await work
        except TimeoutError as error:
            raise to_service_error("", "it takes too long", self._size_bytes) from error
        finally:
            self._left_s -= loop.time() - start_s


async def _kill(process: Process) -> None:
    """Kill the process if it still runs, and reap it.

    The pipes are read to the end: until then wait() does not return (python/cpython#119710).
    """
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
        async with asyncio.timeout(KILL_TIMEOUT_S):
            await process.communicate()


def environment() -> dict[str, str]:
    """Return the environment of a decoder: the same import path as this process, without its secrets."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    path = os.pathsep.join(folder for folder in sys.path if folder)
    return inherited | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


def _parse_report(report: bytes) -> list[dict[str, str]]:
    """Return the lines that are JSON objects, their values as strings. A crashing process may write anything."""
    lines: list[dict[str, str]] = []
    for line in report.decode(errors="replace").splitlines():
        with suppress(ValueError):
            fields = json.loads(line)
            if isinstance(fields, dict):
                lines.append({str(name): str(value) for name, value in fields.items()})
    return lines
