"""The microphone as a source, with a device that a test plays."""

from __future__ import annotations

import asyncio

import pytest
from made_audio import Ear

from stt_cli.devices import Ears
from stt_cli.errors import SourceError
from stt_cli.events import AudioFormat
from stt_cli.microphone import QUEUED_S, Microphone


class PlayedDevice:
    name = "Played"
    sample_rate_hz = 16_000

    def __init__(self) -> None:
        self.ears: Ears | None = None
        self.stopped = False

    def start(self, ears: Ears) -> None:
        self.ears = ears

    def stop(self) -> None:
        self.stopped = True

    def record(self, count: int, sound: bytes = bytes(3200)) -> None:
        assert self.ears is not None
        for _ in range(count):
            self.ears.deliver(sound)


async def opened() -> tuple[Microphone, PlayedDevice, Ear]:
    device, ear = PlayedDevice(), Ear()
    microphone = Microphone(lambda _: device)
    assert await microphone.open(ear) == AudioFormat(16_000)
    return microphone, device, ear


async def test_it_records_from_its_opening_until_it_is_stopped() -> None:
    microphone, device, ear = await opened()
    await asyncio.to_thread(device.record, 3, b"ab")
    microphone.stop()
    device.record(1, b"after the stop")
    assert [chunk async for chunk in microphone.chunks()] == [b"ab"] * 3
    assert device.stopped
    assert ear.warnings == []


async def test_speech_beyond_the_queue_is_lost_and_that_is_said() -> None:
    microphone, device, ear = await opened()
    device.record(QUEUED_S * 10 + 25)
    chunks = microphone.chunks()
    await anext(chunks)
    assert ear.warnings == ["60 s of speech wait for the server: what is said now is lost."]
    device.record(1)
    await asyncio.sleep(0)
    assert ear.warnings[1:] == ["2.5 s of speech were lost."]
    await anext(chunks)
    device.record(1)
    await asyncio.sleep(0)
    assert len(ear.warnings) == 2
    microphone.stop()
    assert len([chunk async for chunk in chunks]) == QUEUED_S * 10
    assert ear.heard_ms == (QUEUED_S * 10 + 27) * 100


async def test_a_device_that_goes_away_is_an_error_after_what_it_recorded() -> None:
    microphone, device, _ = await opened()
    device.record(1, b"ab")
    assert device.ears is not None
    device.ears.lose()
    chunks = microphone.chunks()
    assert await anext(chunks) == b"ab"
    with pytest.raises(SourceError, match="microphone Played went away"):
        await anext(chunks)
