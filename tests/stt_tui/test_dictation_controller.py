"""Dictations: the microphone first, one at a time, and none forgotten before it is settled."""

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
    """A microphone that says what a test gives it."""

    name, sample_rate_hz = "by hand", 16_000

    def __init__(self) -> None:
        self.sink: AudioSink | None = None
        self.stopped = False

    def start(self, ears: AudioSink) -> None:
        self.sink = ears
        ears.deliver(bytes(3200))

    def stop(self) -> None:
        self.stopped = True


class EventLog:
    """A listener that keeps what it hears."""

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
        self._log("heard")

    def on_opening(self) -> None:
        self._log("opening")

    def on_recording(self) -> None:
        self._log("recording")

    def on_stopped(self) -> None:
        self._log("silent")

    def on_event(self, dictation: int, event: Event) -> None:
        self._log(f"{dictation}: {type(event).__name__}")

    def on_ended(self, dictation: int) -> None:
        self._log(f"{dictation} ended")

    # A keeper too

    def append(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None:
        self.stored.append(dictation)

    def discard(self, dictation: int) -> None:
        self.stored = [each for each in self.stored if each != dictation]


async def recognize_all(chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
    """Say that it began, hear all, end."""
    yield STARTED
    async for _ in chunks:
        pass


def controller_of(
    story: EventLog, open_device: Callable[[str | None], Device], recognize: Recognize = recognize_all
) -> DictationController:
    return DictationController(Backends(open_device, lambda: recognize), StreamOptions(), None, story, story)


async def test_the_microphone_records_before_anything_else_and_all_it_said_is_recognised() -> None:
    story, device = EventLog(), ManualDevice()
    sizes = list[int]()

    async def recognize(chunks: AsyncIterator[bytes], options: StreamOptions) -> AsyncGenerator[Event, None]:
        assert options.partials
        yield STARTED
        async for chunk in chunks:
            sizes.append(len(chunk))

    dictations = controller_of(story, lambda _: device, recognize)
    task = asyncio.create_task(dictations.dictate())
    await story.wait_until("1: Started")
    assert [each for each in story.events if each != "heard"] == ["opening", "recording", "1: Started"]
    dictations.stop()
    await task
    assert story.events[-1] == "1 ended"
    assert (sizes, device.stopped, dictations.is_recording, dictations.has_pending) == ([3200], True, False, False)
    assert story.stored == []


async def test_stopping_while_the_microphone_opens_records_nothing() -> None:
    story, device = EventLog(), ManualDevice()
    dictations = controller_of(story, lambda _: device)
    task = asyncio.create_task(dictations.dictate())
    await story.wait_until("opening")
    dictations.stop()
    await task
    assert (device.sink, story.events[-1]) == (None, "1 ended")


async def test_the_key_pressed_over_and_over_opens_one_microphone_at_a_time() -> None:
    story, opened, goes_on = EventLog(), list[str](), ThreadEvent()
    alone = Lock()

    def open_device(_name: str | None) -> Device:
        opened.append("alone" if alone.acquire(blocking=False) else "together")
        goes_on.wait()
        alone.release()
        return ManualDevice()

    dictations = controller_of(story, open_device)
    tasks = list[asyncio.Task[None]]()
    for _ in range(5):
        tasks.append(asyncio.create_task(dictations.dictate()))
        await asyncio.sleep(0)
        dictations.stop()
    tasks.append(asyncio.create_task(dictations.dictate()))
    goes_on.set()
    await story.wait_until("6: Started")
    dictations.stop()
    await asyncio.gather(*tasks)
    assert opened == ["alone", "alone"]
    assert [each for each in story.events if each.endswith(": Started")] == ["6: Started"]


async def test_a_microphone_opens_once_the_one_before_is_closed() -> None:
    story, devices = EventLog(), list[ManualDevice]()

    def open_device(_name: str | None) -> Device:
        assert all(device.stopped for device in devices)
        devices.append(ManualDevice())
        return devices[-1]

    dictations, tasks = controller_of(story, open_device), list[asyncio.Task[None]]()
    for number in (1, 2, 3):
        tasks.append(asyncio.create_task(dictations.dictate()))
        await story.wait_until(f"{number}: Started")
        dictations.stop()
    await asyncio.gather(*tasks)
    assert [device.stopped for device in devices] == [True] * 3


async def test_a_dictation_that_fails_leaves_the_microphone_to_the_next() -> None:
    async def refuses(_chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
        yield STARTED
        raise ServiceError("the server is full.", "RESOURCE_EXHAUSTED")

    story, devices = EventLog(), list[ManualDevice]()

    def open_device(_name: str | None) -> Device:
        devices.append(ManualDevice())
        return devices[-1]

    dictations = controller_of(story, open_device, refuses)
    for _ in range(2):
        async with asyncio.timeout(10):
            await dictations.dictate()
    assert [device.stopped for device in devices] == [True, True]


async def test_a_second_dictation_begins_while_the_first_is_owed_words() -> None:
    story, owed = EventLog(), asyncio.Event()

    async def owes(chunks: AsyncIterator[bytes], options: StreamOptions) -> AsyncGenerator[Event, None]:
        async for event in recognize_all(chunks, options):
            yield event
        await owed.wait()

    dictations = controller_of(story, lambda _: ManualDevice(), owes)
    first = asyncio.create_task(dictations.dictate())
    await story.wait_until("1: Started")
    dictations.stop()
    second = asyncio.create_task(dictations.dictate())
    await story.wait_until("2: Started")
    assert dictations.is_recording
    dictations.stop()
    assert dictations.has_pending
    owed.set()
    await asyncio.gather(first, second)
    await dictations.wait_until_idle()
    assert not dictations.has_pending


async def test_no_more_dictations_begin_than_may_wait_for_a_server() -> None:
    story, owed = EventLog(), asyncio.Event()

    async def waits(_chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
        yield STARTED
        await owed.wait()

    dictations = controller_of(story, lambda _: ManualDevice(), waits)
    tasks = list[asyncio.Task[None]]()
    for number in range(1, MAX_PENDING_DICTATIONS + 1):
        tasks.append(asyncio.create_task(dictations.dictate()))
        await story.wait_until(f"{number}: Started")
        dictations.stop()
    await dictations.dictate()
    assert story.events[-1] == f"Not recording: {MAX_PENDING_DICTATIONS} dictations wait for the server."
    owed.set()
    await asyncio.gather(*tasks)


async def test_a_microphone_that_cannot_be_opened_is_told() -> None:
    def fails(_name: str | None) -> Device:
        raise SourceError("there is no microphone on this machine.")

    story = EventLog()
    await controller_of(story, fails).dictate()
    assert story.events == ["opening", "there is no microphone on this machine.", "silent", "1 ended"]


async def test_a_server_that_refuses_ends_the_recording_and_is_told() -> None:
    async def refuses(chunks: AsyncIterator[bytes], _options: StreamOptions) -> AsyncGenerator[Event, None]:
        yield STARTED
        await anext(chunks)
        raise ServiceError("Invalid language='klingon'.", "INVALID_ARGUMENT")

    story, device = EventLog(), ManualDevice()
    dictations = controller_of(story, lambda _: device, refuses)
    async with asyncio.timeout(10):
        await dictations.dictate()
    assert "Invalid language='klingon'." in story.events
    assert story.stored == [1]
    assert not dictations.is_recording


async def test_the_end_of_a_recording_ends_the_dictation() -> None:
    story, device = EventLog(), ManualDevice()
    dictations = controller_of(story, lambda _: device)
    task = asyncio.create_task(dictations.dictate())
    await story.wait_until("1: Started")
    assert device.sink is not None
    device.sink.end()
    await task
    assert story.events[-2:] == ["silent", "1 ended"]
