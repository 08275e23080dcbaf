"""Sources of audio: files, folders and stdin (the microphone has its own module).

A source fills a bounded queue from a daemon thread: a read from a pipe that never returns delays neither the event loop
nor the exit.
"""

from __future__ import annotations

import asyncio
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from stt_client.audio.decode import DecodedAudio, Readable, Warn, open_file, open_raw
from stt_client.audio.pipes import closing_with, open_pipe
from stt_client.errors import ClientError, SourceError
from stt_client.events import AudioFormat

QUEUED_CHUNKS = 8  # enough that decoding and sending overlap
STDIN = "-"
FIFO_WARNING_S = 2.0  # then a warning is printed that a FIFO has no writer


class SourceListener(Protocol):
    """Receives the warnings and audio of a source, on the event loop."""

    def warn(self, sentence: str) -> None: ...
    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...


class Source(Protocol):
    @property
    def name(self) -> str:
        """The name of the source in messages."""

    @property
    def is_real_time(self) -> bool:
        """Whether audio arrives in real time."""

    @property
    def duration_ms(self) -> float | None:
        """The stated duration of the open source; None if unknown."""

    async def open(self, listener: SourceListener) -> AudioFormat:
        """Open the source and return its format; audio from now on is not lost.

        Raises:
            SourceError: The source cannot be opened.
        """

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the audio; after `stop`, only the audio received so far."""

    def stop(self) -> None:
        """End the audio soon, at the request of the user."""

    def close(self) -> None:
        """Close the source immediately; may be called more than once."""


class Reader:
    """A recording read by a daemon thread.

    A thread pool would delay the exit.
    """

    def __init__(self, name: str, open_recording: Callable[[Warn], DecodedAudio], real_time: bool = False) -> None:
        self.name = name
        self.is_real_time = real_time  # yield chunks in real time
        self.duration_ms: float | None = None
        self._open_recording = open_recording
        self._arrived: asyncio.Queue[AudioFormat | bytes | Exception | None] = asyncio.Queue()
        self._free_slots = threading.Semaphore(QUEUED_CHUNKS)  # bounds the queue
        self._stopped = threading.Event()

    async def open(self, listener: SourceListener) -> AudioFormat:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop, listener), daemon=True, name="source").start()
        match await self._arrived.get():
            case AudioFormat() as audio_format:
                return audio_format
            case Exception() as error:
                raise self._source_error(error)
            case other:
                raise SourceError(f"{self.name} was closed before it opened ({other!r}).")

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            match await self._arrived.get():
                case bytes() as chunk:
                    self._free_slots.release()
                    yield chunk
                case Exception() as error:
                    raise self._source_error(error)
                case _:
                    return

    def _source_error(self, error: Exception) -> ClientError:
        """Return an error that ends this source alone, whatever went wrong in its thread."""
        if isinstance(error, ClientError):
            return error
        reason = (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__}: {error}"
        failure = SourceError(f"{self.name} cannot be read: {reason}.")
        failure.__cause__ = error
        return failure

    def stop(self) -> None:
        self._stopped.set()
        self._free_slots.release()
        self._arrived.put_nowait(None)

    def close(self) -> None:
        self.stop()

    def _read(self, loop: asyncio.AbstractEventLoop, listener: SourceListener) -> None:
        def post(callback: Callable[..., None], *arguments: object) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(callback, *arguments)

        def arrive(chunk: bytes, audio_format: AudioFormat) -> None:
            listener.on_audio(chunk, audio_format)
            self._arrived.put_nowait(chunk)

        try:
            recording = self._open_recording(lambda sentence: post(listener.warn, sentence))
            self.duration_ms = recording.duration_ms
            post(self._arrived.put_nowait, recording.format)
            for chunk in self._paced_chunks(recording):
                self._free_slots.acquire()
                if self._stopped.is_set():
                    break
                post(arrive, chunk, recording.format)
            post(self._arrived.put_nowait, None)
        except Exception as error:  # raised by the reader of the audio
            post(self._arrived.put_nowait, error)

    def _paced_chunks(self, recording: DecodedAudio) -> Iterator[bytes]:
        return in_real_time(recording, self._stopped.wait, time.monotonic) if self.is_real_time else recording.chunks


def in_real_time(recording: DecodedAudio, wait: Callable[[float], object], now: Callable[[], float]) -> Iterator[bytes]:
    """Yield each chunk in real time, when its end would have been recorded; `wait` takes seconds."""
    started, spoken_ms = now(), 0.0
    for chunk in recording.chunks:
        spoken_ms += recording.format.duration_ms(len(chunk))
        delay = started + spoken_ms / 1000 - now()
        if delay > 0:
            wait(delay)
        yield chunk


def file_source(
    path: Path, raw: AudioFormat | None = None, real_time: bool = False, track: int | None = None
) -> Reader:
    """Return a source for a path: a file, FIFO, <(…), /dev/stdin or a device."""

    name = str(path)

    def opened(warn: Warn) -> DecodedAudio:
        if raw is None and _is_regular(path):
            return open_file(path, warn, track)
        return closing_with(
            _open_unbuffered(path, warn),
            lambda pipe: open_raw(pipe, name, raw, warn) if raw else open_pipe(pipe, name, warn, track),
        )

    return Reader(name, opened, real_time)


def failed_source(name: str, error: SourceError) -> Reader:
    """Return a source whose `open` raises the error."""

    def opened(_: Warn) -> DecodedAudio:
        raise error

    return Reader(name, opened)


def pipe_source(
    pipe: Readable, raw: AudioFormat | None = None, real_time: bool = False, track: int | None = None
) -> Reader:
    """Return a source for stdin. `pipe` must be unbuffered: Python crashes at exit while a buffered one is read."""
    name = "standard input"
    if raw is None:
        return Reader(name, lambda warn: open_pipe(pipe, name, warn, track), real_time)
    return Reader(name, lambda warn: open_raw(pipe, name, raw, warn), real_time)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def _open_unbuffered(path: Path, warn: Warn) -> FileIO:
    """Open the file; a FIFO waits for its writer, with a warning after FIFO_WARNING_S."""
    waiting = threading.Timer(FIFO_WARNING_S, warn, [f"Waiting for {path}: no program writes to it yet."])
    waiting.daemon = True
    waiting.start()
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    finally:
        waiting.cancel()


def files_in(folder: Path) -> list[Path]:
    """Return the files in the folder and below it, in order; hidden ones are omitted.

    Raises:
        SourceError: There is none.
    """
    files = sorted(path for path in folder.rglob("[!.]*") if path.is_file() and not _is_hidden(path, folder))
    if not files:
        raise SourceError(f"{folder} contains no files.")
    return files


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
