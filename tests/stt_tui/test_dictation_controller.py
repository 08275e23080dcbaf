"""Dictations: the microphone opens first, one records at a time, and all pending ones are tracked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from threading import Event as ThreadEvent
from threading import Lock

from stt_client.audio.devices import AudioSink, Device
from stt_client.errors import ServiceError, SourceError
from stt_client.events import AudioFormat, Event, Started, StreamOptions
from stt_client.events import Settings as SpeechSettings
from stt_tui.dictation_controller import MAX_PENDING_DICTATIONS, Backends, DictationController, Recognize

STARTED = Started("s1", "base", "base", SpeechSettings())


class ManualDevice:
    """A microphone that delivers the audio a test passes to it."""

    name, sample_rate_hz = "by hand", 16_000

    def __init__(self) -> None:
        self.sink: AudioSink | None = None
        self.stopped = False

    def start(self, sink: AudioSink) -> None:
        self.sink = sink
        sink.deliver(bytes(3200))

    def stop(self) -> None:
        self.stopped = True


class EventLog:
    """A listener and audio store that records its calls."""

    def __init__(self) -> None:
        self.events = list[str]()
        self.stored = list[int]()  # the dictation of each chunk
        self._changed = asyncio.Event()

    def _log(self, event: str) -> None:
        self.events.append(event)
        self._changed.set()

    async def wait_until(self, event: str) -> None:
        async with asyncio.timeout(10):
            while event not in self.events:
                self._changed.clear()
                await self._changed.wait()

    def warn(self, sentence: str) -> None:
        self._log(sentence)

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self._log("audio")

    def on_opening(self) -> None:
        self._log("opening")

    def on_recording(self) -> None:
        self._log("recording")

    def on_stopped(self) -> None:
        self._log("stopped")

    def on_event(self, dictation: int, event: Event) -> None:
        self._log(f"{dictation}: {type(event).__name__}")

    def on_ended(self, dictation: int) -> None:
        self._log(f"{dictation} ended")

    # The audio store

    def append(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None:
        self.stored.append(dictation)

    def discard(self, dictation: int) -> None:
        self.stored = [each for each in self.stored if each != dictation]


async def recognize_all(chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
    """Send Started, consume all audio, then end."""
    yield STARTED
    async for _ in chunks:
        pass


def controller_of(
    log: EventLog, open_device: Callable[[str | None], Device], recognize: Recognize = recognize_all
) -> DictationController:
    return DictationController(Backends(open_device, lambda: recognize), StreamOptions(), None, log, log)


async def test_microphone_opens_before_the_stream_and_all_its_audio_is_recognized() -> None:
    log, device = EventLog(), ManualDevice()
    sizes = list[int]()

    async def recognize(chunks: AsyncIterator[bytes], options: StreamOptions) -> AsyncGenerator[Event, None]:
        assert options.partials
        yield STARTED
        async for chunk in chunks:
            sizes.append(len(chunk))

    dictations = controller_of(log, lambda _: device, recognize)
    task = asyncio.create_task(dictations.dictate())
    await log.wait_until("1: Started")
    assert [each for each in log.events if each != "audio"] == ["opening", "recording", "1: Started"]
    dictations.stop()
    await task
    assert log.events[-1] == "1 ended"
    assert (sizes, device.stopped, dictations.is_recording, dictations.has_pending) == ([3200], True, False, False)
    assert log.stored == []


async def test_stop_while_the_microphone_opens_records_nothing() -> None:
    log, device = EventLog(), ManualDevice()
    dictations = controller_of(log, lambda _: device)
    task = asyncio.create_task(dictations.dictate())
    await log.wait_until("opening")
    dictations.stop()
    await task
    assert (device.sink, log.events[-1]) == (None, "1 ended")


async def test_repeated_toggling_opens_one_microphone_at_a_time() -> None:
    log, opened, may_open = EventLog(), list[str](), ThreadEvent()
    alone = Lock()

    def open_device(_name: str | None) -> Device:
        opened.append("alone" if alone.acquire(blocking=False) else "together")
        may_open.wait()
        alone.release()
        return ManualDevice()

    dictations = controller_of(log, open_device)
    tasks = list[asyncio.Task[None]]()
    for _ in range(5):
        tasks.append(asyncio.create_task(dictations.dictate()))
        await asyncio.sleep(0)
        dictations.stop()
    tasks.append(asyncio.create_task(dictations.dictate()))
    may_open.set()
    await log.wait_until("6: Started")
    dictations.stop()
    await asyncio.gather(*tasks)
    assert opened == ["alone", "alone"]
    assert [each for each in log.events if each.endswith(": Started")] == ["6: Started"]


async def test_microphone_opens_only_after_the_previous_one_is_closed() -> None:
    log, devices = EventLog(), list[ManualDevice]()

    def open_device(_name: str | None) -> Device:
        assert all(device.stopped for device in devices)
        devices.append(ManualDevice())
        return devices[-1]

    dictations, tasks = controller_of(log, open_device), list[asyncio.Task[None]]()
    for number in (1, 2, 3):
        tasks.append(asyncio.create_task(dictations.dictate()))
        await log.wait_until(f"{number}: Started")
        dictations.stop()
    await asyncio.gather(*tasks)
    assert [device.stopped for device in devices] == [True] * 3


async def test_failed_dictation_releases_the_microphone() -> None:
    async def refuses(_chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
        yield STARTED
        raise ServiceError("the server is full.", "RESOURCE_EXHAUSTED")

    log, devices = EventLog(), list[ManualDevice]()

    def open_device(_name: str | None) -> Device:
        devices.append(ManualDevice())
        return devices[-1]

    dictations = controller_of(log, open_device, refuses)
    for _ in range(2):
        async with asyncio.timeout(10):
            await dictations.dictate()
    assert [device.stopped for device in devices] == [True, True]


async def test_second_dictation_starts_while_finals_of_the_first_are_pending() -> None:
    log, finals_sent = EventLog(), asyncio.Event()

    async def sends_late(chunks: AsyncIterator[bytes], options: StreamOptions) -> AsyncGenerator[Event, None]:
        async for event in recognize_all(chunks, options):
            yield event
        await finals_sent.wait()

    dictations = controller_of(log, lambda _: ManualDevice(), sends_late)
    first = asyncio.create_task(dictations.dictate())
    await log.wait_until("1: Started")
    dictations.stop()
    second = asyncio.create_task(dictations.dictate())
    await log.wait_until("2: Started")
    assert dictations.is_recording
    dictations.stop()
    assert dictations.has_pending
    finals_sent.set()
    await asyncio.gather(first, second)
    await dictations.wait_until_idle()
    assert not dictations.has_pending


async def test_dictation_does_not_start_while_the_maximum_is_pending() -> None:
    log, finals_sent = EventLog(), asyncio.Event()

    async def waits(_chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
        yield STARTED
        await finals_sent.wait()

    dictations = controller_of(log, lambda _: ManualDevice(), waits)
    tasks = list[asyncio.Task[None]]()
    for number in range(1, MAX_PENDING_DICTATIONS + 1):
        tasks.append(asyncio.create_task(dictations.dictate()))
        await log.wait_until(f"{number}: Started")
        dictations.stop()
    await dictations.dictate()
    assert log.events[-1] == f"Not recording: {MAX_PENDING_DICTATIONS} dictations wait for the server."
    finals_sent.set()
    await asyncio.gather(*tasks)


async def test_microphone_that_cannot_be_opened_is_reported() -> None:
    def fails(_name: str | None) -> Device:
        raise SourceError("there is no microphone on this machine.")

    log = EventLog()
    await controller_of(log, fails).dictate()
    assert log.events == ["opening", "there is no microphone on this machine.", "stopped", "1 ended"]


async def test_rejection_by_the_server_is_reported_and_stops_the_recording() -> None:
    async def refuses(chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
        yield STARTED
        await anext(chunks)
        raise ServiceError("Invalid language='klingon'.", "INVALID_ARGUMENT")

    log, device = EventLog(), ManualDevice()
    dictations = controller_of(log, lambda _: device, refuses)
    async with asyncio.timeout(10):
        await dictations.dictate()
    assert "Invalid language='klingon'." in log.events
    assert log.stored == [1]
    assert not dictations.is_recording


async def test_dictation_ends_when_its_recording_ends() -> None:
    log, device = EventLog(), ManualDevice()
    dictations = controller_of(log, lambda _: device)
    task = asyncio.create_task(dictations.dictate())
    await log.wait_until("1: Started")
    assert device.sink is not None
    device.sink.end()
    await task
    assert log.events[-2:] == ["stopped", "1 ended"]
