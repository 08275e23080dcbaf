"""Viewers see each utterance of each recording once and in order, whatever happens to the publisher's connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stt_client.events import Final, Latency, Partial, SpeechStarted, Suppressed
from stt_client.recovery.resume import ResumeTracker
from stt_service.http.page.caption_hub import CaptionHub, Publisher
from stt_service.http.page.captions import ENDS, MAX_RECORDINGS, PARTIAL, CaptionEvent, Publication, Viewer

KEY, VIEWER_KEY = "k" * 16, "v" * 16
UTTERANCES = 3  # of a recording
UTTERANCE_MS = 1000
SUPPRESSED = 1  # number of an utterance without a final
ServerEvent = SpeechStarted | Partial | Final | Suppressed
ACTIONS = ("receive", "lose", "reconnect", "close", "publish", "begin", "view")
RECORDINGS = 3  # that exist at the same time


def publication(recording: str) -> Publication:
    return Publication("talk", KEY, VIEWER_KEY, recording)


def server_events(first: int, is_late: bool) -> Iterator[ServerEvent]:
    """Yield the events of a stream from this utterance on; a late commit follows the final of its utterance."""
    for number in range(first, UTTERANCES):
        start_ms, end_ms = number * UTTERANCE_MS, (number + 1) * UTTERANCE_MS
        committed_ms = start_ms if is_late else end_ms
        yield SpeechStarted(number, start_ms, received_ms=end_ms, committed_ms=start_ms)
        yield Partial(number, 1, "", "", start_ms, end_ms, received_ms=end_ms, committed_ms=start_ms)
        if number == SUPPRESSED:
            yield Suppressed(number, start_ms, end_ms, "", "", received_ms=end_ms, committed_ms=committed_ms)
        else:
            yield final(number, end_ms, committed_ms)


def final(number: int, end_ms: int, committed_ms: int) -> Final:
    latency = Latency(0.0, 0.0, 0.0, speculative=False, batch=1)
    return Final(
        number, "", 0, end_ms, "en", 1.0, 1.0, "silence", latency, received_ms=end_ms, committed_ms=committed_ms
    )


@dataclass
class Stream:
    """A stream on the server; it continues until the server closes it, also after its client has left."""

    publisher: Publisher
    events: Iterator[ServerEvent]
    opened: ExitStack

    def publish(self) -> ServerEvent | None:
        """Publish the next event, and return it as it is sent to the client."""
        event = next(self.events, None)
        match event:
            case SpeechStarted(number):
                self.publisher.publish("speechStarted", "{}", number)
            case Partial(number):
                self.publisher.publish("partial", "{}", number)
            case Final(number):
                self.publisher.publish("final", "{}", number)
            case Suppressed(number):
                self.publisher.publish("suppressed", "{}", number)
        return event


@dataclass
class Speaker:
    """A client that dictates one recording, with the resume rules of stt_client."""

    hub: CaptionHub
    recording: str
    tracker: ResumeTracker = field(default_factory=ResumeTracker)
    streams: list[Stream] = field(default_factory=list)  # that the server has not closed; the last is the client's

    def connect(self, is_late: bool = False) -> None:
        """Open a stream; the earlier ones are still open on the server."""
        opened = ExitStack()
        publisher = opened.enter_context(self.hub.publish(publication(self.recording)))
        self.streams.append(Stream(publisher, server_events(self.tracker.resume.next_utterance, is_late), opened))

    def receive(self) -> None:
        """Receive the next event of the current stream."""
        if self.streams and (event := self.streams[-1].publish()) is not None:
            self.tracker.handle(event)

    def publish_unread(self, index: int) -> None:
        """A stream of the server publishes an event that the client does not receive."""
        if self.streams:
            self.streams[index].publish()

    def close(self) -> None:
        """The server notices that the connection of its oldest stream is lost."""
        if self.streams:
            self.streams.pop(0).opened.close()

    def complete(self) -> None:
        """Recognize the rest over another stream."""
        self.connect()
        for _ in range(3 * UTTERANCES):
            self.receive()
        while self.streams:
            self.close()


@dataclass
class Reader:
    """What a viewer shows, by the rules of docs/protocol.md and without a memory of utterances."""

    hub: CaptionHub
    ended: dict[str, list[int]] = field(default_factory=dict)
    partials: set[tuple[str, int]] = field(default_factory=set)
    last_id: str = ""
    _viewer: Viewer | None = None
    _view: ExitStack = field(default_factory=ExitStack)

    def connect(self) -> None:
        self._view.close()
        self._viewer, before = self._view.enter_context(self.hub.view("talk", self.last_id, None))
        for event in before:
            self._show(event)

    async def read(self) -> None:
        """Show all events that have been published."""
        while self._viewer is not None:
            try:
                async with asyncio.timeout(0):
                    event = await self._viewer.next_event()
            except TimeoutError:
                return
            assert event is not None, "the viewer was dropped"
            self._show(event)

    def close(self) -> None:
        self._view.close()

    def _show(self, event: CaptionEvent) -> None:
        self.last_id = event.id or self.last_id
        key, ended = (event.recording, event.utterance), self.ended.setdefault(event.recording, [])
        if not event.recording:
            self.partials.clear()
            return
        assert event.utterance not in ended, f"{event.kind} after the end of its utterance"
        if event.kind == PARTIAL:
            self.partials.add(key)
        elif event.kind in ENDS:
            self.partials.discard(key)
            ended.append(event.utterance)

    @property
    def shown(self) -> dict[str, list[int]]:
        return {recording: numbers for recording, numbers in self.ended.items() if recording}


class Talk:
    """A publisher with a few recordings, a viewer that stays connected, and one that reconnects."""

    def __init__(self) -> None:
        self.hub = CaptionHub(call_later=lambda _, __: None)
        self.speakers = [Speaker(self.hub, "0")]
        self.present, self.returning = Reader(self.hub), Reader(self.hub)
        self.present.connect()
        self.returning.connect()

    async def apply(self, action: str, index: int) -> None:
        speaker = self.speakers[index % len(self.speakers)]
        match action:
            case "receive":
                speaker.receive()
            case "lose":
                speaker.publish_unread(-1)
                speaker.connect()
            case "reconnect":
                speaker.connect(is_late=True)
            case "close":
                speaker.close()
            case "publish":
                speaker.publish_unread(0)
            case "begin" if len(self.speakers) < RECORDINGS:
                self.speakers.append(Speaker(self.hub, str(len(self.speakers))))
                self.speakers[-1].connect()
            case "view":
                await self.returning.read()
                self.returning.connect()
        await self.present.read()
        assert self.present.partials == self._new_viewer().partials

    def _new_viewer(self) -> Reader:
        viewer = Reader(self.hub)
        viewer.connect()
        viewer.close()
        return viewer

    async def complete(self) -> list[Reader]:
        """Complete all recordings; return the viewers, with one that comes at the end."""
        for speaker in self.speakers:
            speaker.complete()
            await self.present.read()
        self.returning.connect()
        late = self._new_viewer()
        readers = [self.present, self.returning, late]
        for reader in readers:
            await reader.read()
            reader.close()
        return readers


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, RECORDINGS - 1)), max_size=60))
@example([("reconnect", 0), *[("receive", 0)] * 2, ("lose", 0)])  # a final was published and not sent
@example([("reconnect", 0), *[("receive", 0)] * 3, ("lose", 0)])  # a final was sent and not committed
@example([("reconnect", 0), *[("receive", 0)] * 6, ("begin", 0), *[("receive", 1)] * 3])  # numbers start again
@example([("reconnect", 0), ("receive", 0), ("reconnect", 0), ("receive", 0), ("publish", 0), ("close", 0)])
@example([("reconnect", 0), *[("receive", 0)] * 2, ("begin", 0), *[("receive", 1)] * 3, ("view", 0), ("view", 0)])
@example([("reconnect", 0), *[("receive", 0)] * 2, ("begin", 0)])  # the partial of a recording stays
def test_viewers_see_each_utterance_once_and_in_order(actions: list[tuple[str, int]]) -> None:
    async def run() -> None:
        talk = Talk()
        for action, index in actions:
            await talk.apply(action, index)
        expected = {speaker.recording: list(range(UTTERANCES)) for speaker in talk.speakers}
        for reader in await talk.complete():
            assert reader.shown == expected
            assert not reader.partials

    asyncio.run(run())


@pytest.mark.parametrize("live", [0, 1])
def test_recordings_whose_end_is_known_are_bounded_and_live_ones_are_forgotten_last(live: int) -> None:
    hub = CaptionHub(call_later=lambda _, __: None)
    with ExitStack() as opened:
        first = [opened.enter_context(hub.publish(publication("live"))) for _ in range(live)]
        for number in range(MAX_RECORDINGS + 1):
            with hub.publish(publication(f"recording{number}")) as publisher:
                publisher.publish("final", "{}", 0)
        for publisher in first:
            publisher.publish("final", "{}", 0)
        with hub.publish(publication("recording0")) as publisher:
            publisher.publish("final", "{}", 0)
        with hub.view("talk", "", None) as (_, events):
            seen = [event.recording for event in events if event.kind == "final"]
    assert seen.count("recording0") == 2  # its end was forgotten
    assert seen.count("live") == live
