"""The microphone as a source, with fake devices that record, disconnect and reconnect."""

from __future__ import annotations

import asyncio

import pytest

from stt_client.audio.devices import AudioSink, Device, OpenDevice
from stt_client.audio.microphone import MAX_QUEUED_S, Microphone, MicrophoneTimeouts
from stt_client.errors import SourceError
from stt_client.events import AudioFormat
from tests.support.audio.audio_files import FakeListener

NO_TIMEOUTS = MicrophoneTimeouts(stop_delay_s=0, reconnect_s=0, same_device_s=0, retry_interval_s=0)


class FakeDevice:
    def __init__(self, name: str = "Fake", rate_hz: int = 16_000) -> None:
        self.name = name
        self.sample_rate_hz = rate_hz
        self.sink: AudioSink | None = None
        self.stopped = False

    def start(self, sink: AudioSink) -> None:
        self.sink = sink

    def stop(self) -> None:
        self.stopped = True

    def record(self, count: int, audio: bytes = bytes(3200)) -> None:
        assert self.sink is not None
        for _ in range(count):
            self.sink.deliver(audio)

    def disconnect(self) -> None:
        assert self.sink is not None
        self.sink.device_lost()


class RecordingDevice(FakeDevice):
    """Records a chunk as soon as it is started."""

    def start(self, sink: AudioSink) -> None:
        super().start(sink)
        self.record(1, b"cd" * 4800)


def device_opener(*devices: Device | None) -> tuple[OpenDevice, list[str | None]]:
    """Return a function that opens the next device, or fails at None, and the list of the requested names."""
    requested, remaining = list[str | None](), iter(devices)

    def open_device(name: str | None) -> Device:
        requested.append(name)
        device = next(remaining)
        if device is None:
            raise SourceError("there is no microphone on this machine.")
        return device

    return open_device, requested


async def opened(timeouts: MicrophoneTimeouts = NO_TIMEOUTS) -> tuple[Microphone, FakeDevice, FakeListener]:
    device, listener = FakeDevice(), FakeListener()
    microphone = Microphone(lambda _: device, timeouts=timeouts)
    assert await microphone.open(listener) == AudioFormat(16_000)
    return microphone, device, listener


async def test_microphone_records_from_open_to_close() -> None:
    microphone, device, listener = await opened()
    await asyncio.to_thread(device.record, 3, b"ab")
    microphone.close()
    device.record(1, b"after the end")
    assert [chunk async for chunk in microphone.chunks()] == [b"ab"] * 3
    assert device.stopped
    assert listener.warnings == []


async def test_microphone_records_for_a_short_time_after_stop() -> None:
    microphone, device, _ = await opened(MicrophoneTimeouts(stop_delay_s=0.2))
    device.record(1, b"ab")
    microphone.stop()
    await asyncio.to_thread(device.record, 1, b"cd")
    assert not device.stopped
    assert [chunk async for chunk in microphone.chunks()] == [b"ab", b"cd"]
    assert device.stopped


async def test_audio_beyond_the_queue_is_lost_and_reported() -> None:
    microphone, device, listener = await opened()
    device.record(MAX_QUEUED_S * 10 + 25)
    chunks = microphone.chunks()
    await anext(chunks)
    assert listener.warnings == ["60 s of audio are waiting for the server: new audio is lost."]
    device.record(1)
    await asyncio.sleep(0)
    assert listener.warnings[1:] == ["2.5 s of audio were lost."]
    await anext(chunks)
    device.record(1)
    await asyncio.sleep(0)
    assert len(listener.warnings) == 2
    microphone.close()
    assert len([chunk async for chunk in chunks]) == MAX_QUEUED_S * 10
    assert listener.audio_ms == (MAX_QUEUED_S * 10 + 27) * 100


async def test_reconnected_device_continues_without_loss_of_recorded_audio() -> None:
    first, second, listener = FakeDevice("Headset"), RecordingDevice("Headset"), FakeListener()
    open_device, requested = device_opener(first, None, None, second)
    microphone = Microphone(open_device, timeouts=MicrophoneTimeouts(retry_interval_s=0))
    await microphone.open(listener)
    first.record(2, b"ab")
    first.disconnect()
    chunks = microphone.chunks()
    assert [await anext(chunks) for _ in range(3)] == [b"ab", b"ab", b"cd" * 4800]
    assert first.stopped
    assert requested == [None] * 4
    assert listener.warnings[0] == "The microphone Headset was disconnected: reconnect it, or another one, within 30 s."
    assert listener.warnings[1].startswith("Listening to Headset; 0.")
    microphone.close()


async def test_another_device_is_resampled_to_the_rate_of_the_first() -> None:
    first, second, listener = FakeDevice("Headset"), RecordingDevice("Webcam", 48_000), FakeListener()
    microphone = Microphone(device_opener(first, second)[0], timeouts=MicrophoneTimeouts(retry_interval_s=0))
    await microphone.open(listener)
    first.disconnect()
    second_chunk = await anext(microphone.chunks())
    assert len(second_chunk) == pytest.approx(3200, abs=64)
    assert microphone.name == "Webcam"
    microphone.close()


@pytest.mark.parametrize(("same_only_s", "requested_then"), [(0, ["head", None]), (60, ["head", "head"])])
async def test_requested_device_has_priority_before_any_device_is_accepted(
    same_only_s: float, requested_then: list[str]
) -> None:
    first, second = FakeDevice("Headset"), RecordingDevice("Webcam")
    open_device, requested = device_opener(first, None, second)
    microphone = Microphone(open_device, "head", MicrophoneTimeouts(same_device_s=same_only_s, retry_interval_s=0))
    await microphone.open(FakeListener())
    first.disconnect()
    await anext(microphone.chunks())
    assert requested == ["head", *requested_then]
    microphone.close()


async def test_reconnect_timeout_is_an_error_after_the_recorded_audio() -> None:
    device, listener = FakeDevice(), FakeListener()
    microphone = Microphone(device_opener(device, None, None)[0], timeouts=NO_TIMEOUTS)
    await microphone.open(listener)
    device.record(1, b"ab")
    device.disconnect()
    chunks = microphone.chunks()
    assert await anext(chunks) == b"ab"
    with pytest.raises(SourceError, match="microphone Fake was disconnected, and none was connected within 0 s"):
        await anext(chunks)


async def test_stop_ends_the_wait_for_a_device() -> None:
    first = FakeDevice()
    microphone = Microphone(device_opener(first)[0], timeouts=MicrophoneTimeouts(stop_delay_s=0))

    class StopOnWarning(FakeListener):
        def warn(self, sentence: str) -> None:
            microphone.stop()

    await microphone.open(StopOnWarning())
    first.record(1, b"ab")
    first.disconnect()
    assert [chunk async for chunk in microphone.chunks()] == [b"ab"]
