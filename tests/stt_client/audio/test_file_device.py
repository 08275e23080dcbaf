"""The microphone that plays a recording: what it records, at which pace, and how it ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stt_client.audio.microphone import Microphone, open_device
from stt_client.errors import SourceError
from stt_client.events import AudioFormat
from tests.support.audio_files import FakeListener, encode


def played(path: Path) -> Microphone:
    return Microphone(open_device, f"file:{path}")


async def test_it_records_all_of_the_recording_in_mono_at_its_own_rate(tmp_path: Path) -> None:
    microphone, ear = (
        played(encode(tmp_path / "talk.wav", rate_hz=44_100, layout="stereo", seconds=0.35)),
        FakeListener(),
    )
    assert await microphone.open(ear) == AudioFormat(44_100)
    sizes = [len(chunk) async for chunk in microphone.chunks()]
    assert sizes == [8_820, 8_820, 8_820, 4_410]
    assert (microphone.name, ear.warnings) == ("talk.wav", [])
    assert ear.audio_ms == pytest.approx(350)


async def test_it_speaks_as_fast_as_people_do(tmp_path: Path) -> None:
    microphone = played(encode(tmp_path / "talk.wav", seconds=0.3))
    began = time.monotonic()
    await microphone.open(FakeListener())
    assert [chunk async for chunk in microphone.chunks()]
    assert time.monotonic() - began >= 0.3


async def test_nothing_is_recorded_after_the_stop(tmp_path: Path) -> None:
    microphone = played(encode(tmp_path / "talk.wav", seconds=60))
    await microphone.open(FakeListener())
    chunks = microphone.chunks()
    await anext(chunks)
    microphone.stop()
    assert len([chunk async for chunk in chunks]) < 10


async def test_a_recording_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = encode(tmp_path / "talk.wav", seconds=0.3)
    path.write_bytes(path.read_bytes()[:-3200])
    microphone, ear = played(path), FakeListener()
    await microphone.open(ear)
    assert len([chunk async for chunk in microphone.chunks()]) == 2
    assert [warning.partition(":")[0] for warning in ear.warnings] == [f"{path} is truncated"]


def test_a_recording_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match=r"no/talk\.wav cannot be read: No such file"):
        open_device("file:no/talk.wav")
