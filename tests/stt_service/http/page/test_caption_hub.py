"""Channels of captions: who owns a name, what viewers receive, and the bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from stt_service.errors import InvalidRequestError, ResourceExhaustedError, UnauthenticatedError
from stt_service.http.page.caption_hub import (
    MAX_CHANNEL_VIEWERS,
    MAX_CHANNELS,
    MAX_UNVERIFIED_NAMES_OF_ADDRESS,
    MAX_UNVERIFIED_OF_ADDRESS,
    MAX_UNVERIFIED_VIEWERS,
    MAX_VIEWERS,
    CaptionHub,
    Publisher,
)
from stt_service.http.page.captions import (
    HISTORY_S,
    KEEP_S,
    MAX_HISTORY_EVENTS,
    MAX_QUEUED_EVENTS,
    CaptionEvent,
    Publication,
    Viewer,
    publication,
)

KEY, VIEWER_KEY, OTHER = "k" * 16, "v" * 16, "o" * 16
TALK = Publication("talk", KEY, VIEWER_KEY, "one")
NEXT_TALK = Publication("talk", KEY, VIEWER_KEY, "next")
OTHER_TALK = Publication("talk", OTHER, VIEWER_KEY, "two")


class Clock:
    """A clock that a test sets, and the functions to be called later."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, function: Callable[[], None]) -> None:
        self.timers.append((self.now_s + delay_s, function))

    def advance(self, seconds: float) -> None:
        """Set the clock forward, and call the functions that are due."""
        self.now_s += seconds
        due = [function for time_s, function in self.timers if time_s <= self.now_s]
        self.timers = [timer for timer in self.timers if timer[0] > self.now_s]
        for function in due:
            function()

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> CaptionHub:
    return CaptionHub(clock, clock.call_later)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def kinds(events: tuple[CaptionEvent, ...]) -> list[str]:
    """Return events as `kind utterance`, or the kind of a state."""
    return [f"{event.kind} {event.utterance}" if event.id else event.kind for event in events]


def replayed(hub: CaptionHub, last_id: str = "") -> tuple[CaptionEvent, ...]:
    """Return the events that a new viewer receives at once."""
    with hub.view("talk", last_id, None) as (_, events):
        return events


def publish(publisher: Publisher, *events: str) -> None:
    """Publish events given as `kind utterance`."""
    for each in events:
        kind, utterance = each.split()
        publisher.publish(kind, "{}", int(utterance))


def test_viewer_of_an_unknown_name_waits(hub: CaptionHub) -> None:
    assert kinds(replayed(hub)) == ["waiting"]


async def test_waiting_viewer_receives_the_stream_once_it_is_published(hub: CaptionHub) -> None:
    with hub.view("talk", "", None) as (viewer, _):
        with hub.publish(TALK) as publisher:
            publish(publisher, "final 0")
        received = [await viewer.next_event() for _ in range(3)]
    assert [event.kind for event in received if event is not None] == ["live", "final", "waiting"]


def test_late_viewer_gets_the_history_with_one_partial_of_an_open_utterance(hub: CaptionHub) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "speechStarted 0", "partial 0", "partial 0", "final 0")
        publish(publisher, "speechStarted 1", "partial 1", "speechStarted 2", "partial 2", "partial 1")
        expected = ["speechStarted 0", "final 0", "speechStarted 1", "speechStarted 2", "partial 2", "partial 1"]
        assert kinds(replayed(hub)) == ["live", *expected]


def test_returning_viewer_gets_the_events_after_its_last_one(hub: CaptionHub) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "final 0", "final 1", "final 2")
        _, first, *_ = replayed(hub)
        assert kinds(replayed(hub, first.id)) == ["live", "final 1", "final 2"]


@pytest.mark.parametrize("last_id", ["x", "0", "-", "other-2", "²-²", "--1"])
def test_unknown_last_event_gets_the_whole_history(hub: CaptionHub, last_id: str) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "final 0")
        assert kinds(replayed(hub, last_id)) == ["live", "final 0"]


def test_last_event_with_thousands_of_digits_gets_the_whole_history(hub: CaptionHub) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "final 0")
        epoch, _, _ = replayed(hub)[1].id.partition("-")
        assert kinds(replayed(hub, f"{epoch}-{'9' * 5000}")) == ["live", "final 0"]


def test_history_is_bounded_in_time_and_number(hub: CaptionHub, clock: Clock) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, *(f"final {number}" for number in range(MAX_HISTORY_EVENTS + 1)))
        assert len(replayed(hub)) == MAX_HISTORY_EVENTS + 1  # with the state
        clock.now_s += HISTORY_S + 1
        publish(publisher, "final 999")
        assert kinds(replayed(hub)) == ["live", "final 999"]


def test_live_name_belongs_to_its_key(hub: CaptionHub) -> None:
    with hub.publish(TALK), pytest.raises(InvalidRequestError, match="'talk': another publisher"):
        hub.publish(OTHER_TALK).__enter__()


def test_name_stays_with_its_key_for_a_while(hub: CaptionHub, clock: Clock) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "final 0")
    clock.now_s += KEEP_S - 1
    with pytest.raises(InvalidRequestError):
        hub.publish(OTHER_TALK).__enter__()
    clock.now_s += 1
    with hub.publish(OTHER_TALK):
        assert kinds(replayed(hub)) == ["live"]


def test_text_of_an_ended_stream_is_forgotten(hub: CaptionHub, clock: Clock) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "final 0")
    assert kinds(replayed(hub)) == ["waiting", "final 0"]
    clock.now_s += KEEP_S
    assert kinds(replayed(hub)) == ["waiting"]


def test_text_is_forgotten_without_viewers_too(clock: Clock) -> None:
    hub = CaptionHub(clock, clock.call_later)
    with hub.publish(TALK) as publisher:
        publish(publisher, "final 0")
    with hub.publish(Publication("other", OTHER, VIEWER_KEY, "two")):
        clock.advance(KEEP_S - 1)
    assert len(clock.timers) == 1  # for all streams
    assert hub.names == {"talk", "other"}
    clock.advance(1)
    assert hub.names == {"other"}
    clock.advance(KEEP_S)
    assert hub.names == frozenset()
    assert not clock.timers


def test_second_stream_of_a_recording_continues_the_first(hub: CaptionHub) -> None:
    with hub.publish(TALK) as first, hub.publish(TALK) as second:
        publish(second, "partial 0")
        publish(first, "final 0")  # of the connection that was replaced
        first.close()
        publish(second, "final 0", "partial 1")
        assert kinds(replayed(hub)) == ["live", "final 0", "partial 1"]


def test_recordings_with_the_key_are_published_at_the_same_time(hub: CaptionHub) -> None:
    with hub.publish(NEXT_TALK) as second:
        with hub.publish(TALK) as first:
            publish(first, "final 0", "partial 1")
            publish(second, "final 0", "partial 1")
        assert kinds(replayed(hub)) == ["live", "final 0", "final 0", "partial 1"]  # without the partial that ended
        publish(first, "final 1")
        publish(second, "final 1")
        assert kinds(replayed(hub)) == ["live", "final 0", "final 0", "final 1"]


async def test_viewers_forget_partials_when_a_stream_ends_or_is_replaced(hub: CaptionHub) -> None:
    with hub.publish(NEXT_TALK), hub.view("talk", "", None) as (viewer, _):
        with hub.publish(TALK) as first:
            publish(first, "partial 0")
            with hub.publish(TALK):
                assert kinds(replayed(hub)) == ["live"]
        received = [await viewer.next_event() for _ in range(4)]
    assert [event.kind for event in received if event is not None] == ["live", "partial", "live", "live"]


def test_returning_viewer_gets_the_partial_of_an_open_utterance_without_an_id(hub: CaptionHub) -> None:
    with hub.publish(TALK) as publisher:
        publish(publisher, "partial 1", "speechStarted 2")
        *_, last = replayed(hub)
        _, partial = replayed(hub, last.id)
        assert (partial.kind, partial.utterance, partial.id) == ("partial", 1, "")


async def test_slow_viewer_is_dropped_and_others_are_not(hub: CaptionHub) -> None:
    with hub.publish(TALK) as publisher, hub.view("talk", "", None) as (slow, _), hub.view("talk", "", None) as (ok, _):
        for number in range(2 * MAX_QUEUED_EVENTS):
            publish(publisher, f"final {number}")
            assert await ok.next_event() is not None
        assert slow.is_dropped
        assert await slow.next_event() is None


async def test_viewer_is_woken_by_an_event(hub: CaptionHub) -> None:
    with hub.publish(TALK) as publisher, hub.view("talk", "", None) as (viewer, _):
        waiting = asyncio.create_task(viewer.next_event())
        await asyncio.sleep(0)
        publish(publisher, "final 0")
        event = await waiting
    assert event is not None
    assert event.kind == "final"


def test_viewer_with_the_key_is_admitted_and_another_key_is_not(hub: CaptionHub) -> None:
    with hub.publish(TALK):
        with hub.view("talk", "", VIEWER_KEY):
            pass
        for key in (OTHER, KEY):
            with pytest.raises(UnauthenticatedError):
                hub.view("talk", "", key).__enter__()


def test_key_of_viewers_does_not_publish(hub: CaptionHub) -> None:
    with hub.publish(TALK), pytest.raises(InvalidRequestError, match="'talk': another publisher"):
        hub.publish(Publication("talk", VIEWER_KEY, OTHER, "one")).__enter__()


async def test_key_of_a_waiting_viewer_is_checked_when_the_stream_is_published(hub: CaptionHub) -> None:
    with hub.view("talk", "", VIEWER_KEY) as (right, _), hub.view("talk", "", OTHER) as (wrong, _), hub.publish(TALK):
        assert wrong.is_dropped
        assert await wrong.next_event() is None
        assert await right.next_event() is not None


def wait_for(hub: CaptionHub, stack: ExitStack, name: str, address: str, count: int = 1) -> list[Viewer]:
    """Add viewers whose key cannot be checked."""
    return [stack.enter_context(hub.view(name, "", VIEWER_KEY, address))[0] for _ in range(count)]


def test_audience_of_one_address_waits_for_its_talk(hub: CaptionHub, stack: ExitStack) -> None:
    audience = wait_for(hub, stack, "talk", "10.0.0.1", MAX_UNVERIFIED_OF_ADDRESS)
    with pytest.raises(ResourceExhaustedError):
        wait_for(hub, stack, "talk", "10.0.0.1")
    wait_for(hub, stack, "talk", "10.0.0.2")
    with hub.publish(TALK):
        assert not any(viewer.is_dropped for viewer in audience)
        wait_for(hub, stack, "talk", "10.0.0.1")  # the key is checked
        wait_for(hub, stack, "other", "10.0.0.1")  # and those of the audience do not count any more


def test_viewers_whose_key_cannot_be_checked_leave_room_for_others(hub: CaptionHub, stack: ExitStack) -> None:
    for number in range(MAX_UNVERIFIED_VIEWERS):
        wait_for(hub, stack, f"name{number % 3}", f"10.0.0.{number % 7}")
    with pytest.raises(ResourceExhaustedError):
        wait_for(hub, stack, "talk", "10.0.1.1")
    with hub.publish(TALK), hub.view("talk", "", VIEWER_KEY), hub.view("other", "", None):
        pass


def test_client_waits_for_few_names(hub: CaptionHub, stack: ExitStack) -> None:
    for number in range(MAX_UNVERIFIED_NAMES_OF_ADDRESS):
        wait_for(hub, stack, f"name{number}", "10.0.0.1", 2)
    with pytest.raises(ResourceExhaustedError):
        wait_for(hub, stack, "talk", "10.0.0.1")
    wait_for(hub, stack, "name0", "10.0.0.1")
    wait_for(hub, stack, "talk", "10.0.0.2")


def test_viewers_of_a_channel_and_of_the_server_are_bounded(hub: CaptionHub, stack: ExitStack) -> None:
    for _ in range(MAX_CHANNEL_VIEWERS):
        stack.enter_context(hub.view("talk", "", None))
    with pytest.raises(ResourceExhaustedError):
        hub.view("talk", "", None).__enter__()
    for number in range(MAX_VIEWERS - MAX_CHANNEL_VIEWERS):
        stack.enter_context(hub.view(f"name{number % (MAX_CHANNELS - 1)}", "", None))
    with pytest.raises(ResourceExhaustedError):
        hub.view("name0", "", None).__enter__()


def test_waiting_viewers_keep_no_name_from_a_publisher(hub: CaptionHub, stack: ExitStack) -> None:
    waiting = [stack.enter_context(hub.view(f"name{number}", "", None))[0] for number in range(MAX_CHANNELS)]
    with pytest.raises(ResourceExhaustedError):
        hub.view("another", "", None).__enter__()
    with hub.publish(TALK):
        assert [viewer.is_dropped for viewer in waiting].count(True) == 1


def test_published_streams_are_bounded_and_never_evicted(hub: CaptionHub, stack: ExitStack) -> None:
    for number in range(MAX_CHANNELS):
        stack.enter_context(hub.publish(Publication(f"name{number}", KEY, VIEWER_KEY, "one")))
    with pytest.raises(ResourceExhaustedError):
        hub.publish(TALK).__enter__()


def test_names_without_viewers_and_publishers_take_no_space(hub: CaptionHub) -> None:
    for number in range(3 * MAX_CHANNELS):
        with hub.view(f"name{number}", "", None):
            pass


async def test_closed_hub_ends_all_viewers_and_admits_none(hub: CaptionHub) -> None:
    with hub.view("talk", "", None) as (viewer, _):
        hub.close()
        assert await viewer.next_event() is None
        with pytest.raises(ResourceExhaustedError):
            hub.view("talk", "", None).__enter__()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"name": "talk"},
        {"name": "talk", "key": KEY, "more": 1},
        {"name": "", "key": KEY},
        {"name": "a" * 65, "key": KEY},
        {"name": "ä", "key": KEY},
        {"name": "a\n", "key": KEY},
        {"name": ["talk"], "key": KEY},
        {"name": "talk", "key": "short"},
        {"name": "talk", "key": "k" * 129},
        {"name": "talk", "key": "k" * 15 + "/"},
        {"name": "talk", "key": 5},
    ],
)
def test_invalid_publication_is_rejected(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^Invalid captions"):
        publication(value)
