"""The microphone as a source, with devices that a test plays: they speak, go away and come back."""

from __future__ import annotations

import asyncio

import pytest

from stt_client.audio.devices import AudioSink, Device, OpenDevice
from stt_client.audio.microphone import MAX_QUEUED_S, Microphone, MicrophoneTimeouts
from stt_client.errors import SourceError
from stt_client.events import AudioFormat
from tests.support.audio_files import FakeListener

AT_ONCE = MicrophoneTimeouts(stop_delay_s=0, reconnect_s=0, same_device_s=0, retry_interval_s=0)


class PlayedDevice:
    def __init__(self, name: str = "Played", rate_hz: int = 16_000) -> None:
        self.name = name
        self.sample_rate_hz = rate_hz
        self.ears: AudioSink | None = None
        self.stopped = False

    def start(self, ears: AudioSink) -> None:
        self.ears = ears

    def stop(self) -> None:
        self.stopped = True

    def record(self, count: int, sound: bytes = bytes(3200)) -> None:
        assert self.ears is not None
        for _ in range(count):
            self.ears.deliver(sound)

    def go_away(self) -> None:
        assert self.ears is not None
        self.ears.device_lost()


class Speaking(PlayedDevice):
    """Records a chunk as soon as it is started."""

    def start(self, ears: AudioSink) -> None:
        super().start(ears)
        self.record(1, b"cd" * 4800)


def plugged(*turns: Device | None) -> tuple[OpenDevice, list[str | None]]:
    """Return what opens a device, or finds none there, at each turn; and the names that it was asked for."""
    asked, left = list[str | None](), iter(turns)

    def open_device(name: str | None) -> Device:
        asked.append(name)
        device = next(left)
        if device is None:
            raise SourceError("there is no microphone on this machine.")
        return device

    return open_device, asked


async def opened(waits: MicrophoneTimeouts = AT_ONCE) -> tuple[Microphone, PlayedDevice, FakeListener]:
    device, ear = PlayedDevice(), FakeListener()
    microphone = Microphone(lambda _: device, timeouts=waits)
    assert await microphone.open(ear) == AudioFormat(16_000)
    return microphone, device, ear


async def test_it_records_from_its_opening_until_it_is_closed() -> None:
    microphone, device, ear = await opened()
    await asyncio.to_thread(device.record, 3, b"ab")
    microphone.close()
    device.record(1, b"after the end")
    assert [chunk async for chunk in microphone.chunks()] == [b"ab"] * 3
    assert device.stopped
    assert ear.warnings == []


async def test_it_records_for_a_moment_after_the_stop() -> None:
    microphone, device, _ = await opened(MicrophoneTimeouts(stop_delay_s=0.2))
    device.record(1, b"ab")
    microphone.stop()
    await asyncio.to_thread(device.record, 1, b"cd")
    assert not device.stopped
    assert [chunk async for chunk in microphone.chunks()] == [b"ab", b"cd"]
    assert device.stopped


async def test_speech_beyond_the_queue_is_lost_and_that_is_said() -> None:
    microphone, device, ear = await opened()
    device.record(MAX_QUEUED_S * 10 + 25)
    chunks = microphone.chunks()
    await anext(chunks)
    assert ear.warnings == ["60 s of audio are waiting for the server: new audio is lost."]
    device.record(1)
    await asyncio.sleep(0)
    assert ear.warnings[1:] == ["2.5 s of audio were lost."]
    await anext(chunks)
    device.record(1)
    await asyncio.sleep(0)
    assert len(ear.warnings) == 2
    microphone.close()
    assert len([chunk async for chunk in chunks]) == MAX_QUEUED_S * 10
    assert ear.audio_ms == (MAX_QUEUED_S * 10 + 27) * 100


async def test_a_device_that_comes_back_goes_on_and_nothing_recorded_is_lost() -> None:
    first, second, ear = PlayedDevice("Headset"), Speaking("Headset"), FakeListener()
    open_device, asked = plugged(first, None, None, second)
    microphone = Microphone(open_device, timeouts=MicrophoneTimeouts(retry_interval_s=0))
    await microphone.open(ear)
    first.record(2, b"ab")
    first.go_away()
    chunks = microphone.chunks()
    assert [await anext(chunks) for _ in range(3)] == [b"ab", b"ab", b"cd" * 4800]
    assert first.stopped
    assert asked == [None] * 4
    assert ear.warnings[0] == "The microphone Headset was disconnected: reconnect it, or another one, within 30 s."
    assert ear.warnings[1].startswith("Listening to Headset; 0.")
    microphone.close()


async def test_another_device_is_brought_to_the_rate_of_the_first() -> None:
    first, second, ear = PlayedDevice("Headset"), Speaking("Webcam", 48_000), FakeListener()
    microphone = Microphone(plugged(first, second)[0], timeouts=MicrophoneTimeouts(retry_interval_s=0))
    await microphone.open(ear)
    first.go_away()
    second_chunk = await anext(microphone.chunks())
    assert len(second_chunk) == pytest.approx(3200, abs=64)
    assert microphone.name == "Webcam"
    microphone.close()


@pytest.mark.parametrize(("same_only_s", "asked_then"), [(0, ["head", None]), (60, ["head", "head"])])
async def test_the_one_asked_for_is_waited_for_before_any_will_do(same_only_s: float, asked_then: list[str]) -> None:
    first, second = PlayedDevice("Headset"), Speaking("Webcam")
    open_device, asked = plugged(first, None, second)
    microphone = Microphone(open_device, "head", MicrophoneTimeouts(same_device_s=same_only_s, retry_interval_s=0))
    await microphone.open(FakeListener())
    first.go_away()
    await anext(microphone.chunks())
    assert asked == ["head", *asked_then]
    microphone.close()


async def test_no_device_in_time_is_an_error_after_what_was_recorded() -> None:
    device, ear = PlayedDevice(), FakeListener()
    microphone = Microphone(plugged(device, None, None)[0], timeouts=AT_ONCE)
    await microphone.open(ear)
    device.record(1, b"ab")
    device.go_away()
    chunks = microphone.chunks()
    assert await anext(chunks) == b"ab"
    with pytest.raises(SourceError, match="microphone Played was disconnected, and none was connected within 0 s"):
        await anext(chunks)


async def test_the_stop_ends_the_wait_for_a_device() -> None:
    first = PlayedDevice()
    microphone = Microphone(plugged(first)[0], timeouts=MicrophoneTimeouts(stop_delay_s=0))

    class StopsAtAWarning(FakeListener):
        def warn(self, sentence: str) -> None:
            microphone.stop()

    await microphone.open(StopsAtAWarning())
    first.record(1, b"ab")
    first.go_away()
    assert [chunk async for chunk in microphone.chunks()] == [b"ab"]
