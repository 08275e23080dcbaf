"""Recordings through pipes: complete to the byte, also if the container needs seeking."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stt_client.audio.pipes import open_pipe
from stt_client.audio.sources import Reader, failed_source, file_source
from stt_client.errors import SourceError, UnsupportedAudioError
from stt_client.events import AudioFormat
from tests.support.audio.audio_files import FakeListener, encode

CONTAINERS = [
    ("a.wav", "pcm_s16le", 16_000),
    ("a.flac", "flac", 16_000),
    ("a.mp3", "mp3", 16_000),
    ("a.ogg", "libopus", 48_000),
    ("a.mka", "libopus", 48_000),
    ("a.m4a", "aac", 16_000),  # with the index at the end
]


class Pipe:
    """Returns at max_bytes `max_bytes` per read, as a pipe does."""

    def __init__(self, content: bytes, max_bytes: int = 4096) -> None:
        self._file = io.BytesIO(content)
        self._max_bytes = max_bytes

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._max_bytes))


def content(folder: Path, name: str, codec: str, rate_hz: int) -> bytes:
    return encode(folder / name, codec, rate_hz).read_bytes()


@pytest.mark.parametrize(("name", "codec", "rate_hz"), CONTAINERS)
def test_container_from_a_pipe_is_complete(tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    listener = FakeListener()
    recording = open_pipe(Pipe(content(tmp_path, name, codec, rate_hz)), "pipe", listener.warn)
    size = sum(map(len, recording.chunks))
    assert recording.format.duration_ms(size) == pytest.approx(2000, abs=150)
    assert listener.warnings == []


def test_index_at_the_end_beyond_the_limit_raises_with_a_hint(tmp_path: Path) -> None:
    pipe = Pipe(content(tmp_path, *CONTAINERS[-1]))
    with pytest.raises(SourceError, match=r"^pipe is longer than 0 MiB and its index is at its end: save it to a file"):
        open_pipe(pipe, "pipe", FakeListener().warn, max_copy_bytes=2_000)


def test_pipe_without_a_recording_is_rejected_before_the_end() -> None:
    """/dev/urandom, for example, has no end."""
    with pytest.raises(UnsupportedAudioError):
        open_pipe(Pipe(b"text " * 4_000_000, max_bytes=1 << 20), "pipe", FakeListener().warn)


def test_empty_pipe_is_reported_as_empty() -> None:
    with pytest.raises(UnsupportedAudioError, match=r"^pipe is empty\.$"):
        open_pipe(Pipe(b""), "pipe", FakeListener().warn)


def test_pipe_that_cannot_be_read_raises_source_error() -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise IsADirectoryError(21, "Is a directory")

    with pytest.raises(SourceError, match="Is a directory"):
        open_pipe(Broken(), "pipe", FakeListener().warn)


async def duration_of(source: Reader, listener: FakeListener) -> float:
    audio_format = await source.open(listener)
    return audio_format.duration_ms(sum([len(chunk) async for chunk in source.chunks()]))


@pytest.mark.parametrize(("name", "codec", "rate_hz"), CONTAINERS)
async def test_fifo_is_read_from_its_first_byte(tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    """The writer opens the FIFO after the reader."""
    fifo, recording = tmp_path / "fifo", content(tmp_path, name, codec, rate_hz)
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(recording,))
    writer.start()
    duration_ms = await duration_of(file_source(fifo), FakeListener())
    await asyncio.to_thread(writer.join)
    assert duration_ms == pytest.approx(2000, abs=150)


@pytest.mark.process
async def test_fifo_without_a_writer_is_reported_and_still_read(tmp_path: Path) -> None:
    fifo, recording = tmp_path / "fifo", content(tmp_path, *CONTAINERS[0])
    os.mkfifo(fifo)

    class Writer(FakeListener):
        """Writes after the warning that there is no writer."""

        def warn(self, sentence: str) -> None:
            super().warn(sentence)
            threading.Thread(target=fifo.write_bytes, args=(recording,)).start()

    listener = Writer()
    assert await duration_of(file_source(fifo), listener) == pytest.approx(2000, abs=1)
    assert listener.warnings == [f"Waiting for {fifo}: no program writes to it yet."]


@pytest.mark.parametrize("create", [os.mkfifo, Path.touch])
async def test_raw_audio_is_read_from_files_and_fifos(tmp_path: Path, create: Callable[[Path], None]) -> None:
    path = tmp_path / "raw"
    create(path)
    writer = threading.Thread(target=path.write_bytes, args=(bytes(32_000),))
    writer.start()
    if path.is_file():
        writer.join()
    assert await duration_of(file_source(path, AudioFormat()), FakeListener()) == 1000
    await asyncio.to_thread(writer.join)


async def test_unexpected_error_names_the_source() -> None:
    def fails(_: object) -> None:
        raise ZeroDivisionError("division by zero")

    source = Reader("talk.wav", fails)  # type: ignore[arg-type]  # returns nothing
    with pytest.raises(SourceError, match=r"^talk\.wav cannot be read: ZeroDivisionError: division by zero\.$"):
        await source.open(FakeListener())


async def test_failed_source_raises_its_error_when_opened() -> None:
    with pytest.raises(SourceError, match="contains no files"):
        await failed_source("folder", SourceError("folder contains no files.")).open(FakeListener())
