"""The microphone that plays a recording: audio, speed and end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stt_client.audio.microphone import Microphone, open_device
from stt_client.errors import SourceError
from stt_client.events import AudioFormat
from tests.support.audio.audio_files import FakeListener, encode


def file_microphone(path: Path) -> Microphone:
    return Microphone(open_device, f"file:{path}")


async def test_whole_recording_is_recorded_in_mono_at_its_own_rate(tmp_path: Path) -> None:
    microphone, listener = (
        file_microphone(encode(tmp_path / "talk.wav", rate_hz=44_100, layout="stereo", seconds=0.35)),
        FakeListener(),
    )
    assert await microphone.open(listener) == AudioFormat(44_100)
    sizes = [len(chunk) async for chunk in microphone.chunks()]
    assert sizes == [8_820, 8_820, 8_820, 4_410]
    assert (microphone.name, listener.warnings) == ("talk.wav", [])
    assert listener.audio_ms == pytest.approx(350)


async def test_recording_is_played_in_real_time(tmp_path: Path) -> None:
    microphone = file_microphone(encode(tmp_path / "talk.wav", seconds=0.3))
    start = time.monotonic()
    await microphone.open(FakeListener())
    assert [chunk async for chunk in microphone.chunks()]
    assert time.monotonic() - start >= 0.3


async def test_stop_ends_the_recording(tmp_path: Path) -> None:
    microphone = file_microphone(encode(tmp_path / "talk.wav", seconds=60))
    await microphone.open(FakeListener())
    chunks = microphone.chunks()
    await anext(chunks)
    microphone.stop()
    assert len([chunk async for chunk in chunks]) < 10


async def test_truncated_recording_is_reported(tmp_path: Path) -> None:
    path = encode(tmp_path / "talk.wav", seconds=0.3)
    path.write_bytes(path.read_bytes()[:-3200])
    microphone, listener = file_microphone(path), FakeListener()
    await microphone.open(listener)
    assert len([chunk async for chunk in microphone.chunks()]) == 2
    assert [warning.partition(":")[0] for warning in listener.warnings] == [f"{path} is truncated"]


def test_missing_recording_raises_source_error() -> None:
    with pytest.raises(SourceError, match=r"no/talk\.wav cannot be read: No such file"):
        open_device("file:no/talk.wav")
