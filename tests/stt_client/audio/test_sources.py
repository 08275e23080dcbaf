"""Files, folders and pipes as sources."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stt_client.audio.decode import DecodedAudio
from stt_client.audio.sources import Reader, file_source, files_in, in_real_time, pipe_source
from stt_client.errors import SourceError
from stt_client.events import AudioFormat
from tests.support.audio.audio_files import FakeListener, encode


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.ogg", "libopus"), ("a.webm", "libopus")])
async def test_container_is_read_from_a_pipe(tmp_path: Path, name: str, codec: str) -> None:
    content = encode(tmp_path / name, codec, 48_000).read_bytes()
    with piped() as (pipe, feed):
        writer = asyncio.create_task(asyncio.to_thread(write_and_close, feed, content))
        source = pipe_source(pipe)
        audio_format = await source.open(FakeListener())
        size = sum([len(chunk) async for chunk in source.chunks()])
        await writer
    assert audio_format.duration_ms(size) == pytest.approx(2000, abs=50)


@contextmanager
def piped() -> Iterator[tuple[io.FileIO, io.FileIO]]:
    read_end, write_end = os.pipe()
    with io.FileIO(read_end) as pipe, io.FileIO(write_end, "w") as feed:
        yield pipe, feed


def write_and_close(feed: io.FileIO, content: bytes) -> None:
    while content:
        content = content[feed.write(content) :]
    feed.close()


async def test_idle_pipe_does_not_delay_stop() -> None:
    with piped() as (pipe, feed):
        feed.write(b"ab")
        source = pipe_source(pipe, AudioFormat())
        await source.open(FakeListener())
        chunks = source.chunks()
        assert await anext(chunks) == b"ab"
        source.stop()
        assert [chunk async for chunk in chunks] == []


async def test_read_error_is_raised_by_the_iterator() -> None:
    def broken() -> Iterator[bytes]:
        yield b"ab"
        raise SourceError("the disk is gone.")

    source = Reader("disk", lambda _: DecodedAudio(AudioFormat(), broken()))
    await source.open(FakeListener())
    with pytest.raises(SourceError, match="disk is gone"):
        [chunk async for chunk in source.chunks()]


async def test_listener_receives_all_audio_and_warnings(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-3200])
    listener, source = FakeListener(), file_source(path)
    await source.open(listener)
    assert len([chunk async for chunk in source.chunks()]) == 19
    assert (listener.audio_ms, len(listener.warnings)) == (1900, 1)


async def test_read_ahead_is_limited() -> None:
    read = list[int]()

    def numbered() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield bytes(2)

    source = Reader("numbers", lambda _: DecodedAudio(AudioFormat(), numbered()))
    await source.open(FakeListener())
    chunks = source.chunks()
    for _ in range(20):
        await anext(chunks)
    assert len(read) <= 30
    source.stop()


def test_real_time_source_yields_each_chunk_at_its_end_time() -> None:
    clock = [100.0]
    recording = DecodedAudio(AudioFormat(16_000), iter([bytes(3200)] * 3 + [bytes(1600)]))
    yielded_at = list[float]()

    def wait(seconds: float) -> None:
        clock[0] += seconds

    for _ in in_real_time(recording, wait, lambda: clock[0]):
        yielded_at.append(clock[0])
        clock[0] += 0.03  # the time for sending does not accumulate
    assert yielded_at == pytest.approx([100.1, 100.2, 100.3, 100.35])


def test_folder_is_read_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.wav", "a.txt", "deep/er/c.mp3", ".hidden.wav", ".git/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = files_in(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.txt", "b.wav", "deep/er/c.mp3"]


def test_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="contains no files"):
        files_in(tmp_path)
