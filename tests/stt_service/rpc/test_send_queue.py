"""What waits for a client to read: in order, bounded, and of partials only the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from stt_service.rpc.send_queue import MAX_UNSENT_EVENTS, SendQueue, committed_positions
from stt_service.session.events import Event, NullObserver, OutgoingEvent, Output, Partial, SpeechStarted, Suppressed
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason

pytestmark = pytest.mark.timeout(30)


def told(event: Event | None) -> OutgoingEvent:
    return OutgoingEvent(0, 0, event)


def partial(revision: int) -> OutgoingEvent:
    return told(Partial(0, revision, "", "", 0, 0))


def started(utterance: int) -> OutgoingEvent:
    return told(SpeechStarted(utterance, 0))


def filled(*waiting: OutgoingEvent) -> SendQueue:
    outbox = SendQueue(NullObserver())
    for each in waiting:
        outbox.put(each)
    return outbox


async def taken(outbox: SendQueue) -> list[OutgoingEvent]:
    """Return all that is taken until the end."""
    outbox.close()
    found = []
    while (each := await outbox.next_event()) is not None:
        found.append(each)
    return found


async def test_events_are_taken_in_order() -> None:
    assert await taken(filled(started(0), told(None), started(1))) == [started(0), told(None), started(1)]


async def test_a_newer_partial_takes_the_place_of_one_that_was_not_taken() -> None:
    assert await taken(filled(started(0), partial(1), partial(2))) == [started(0), partial(2)]


async def test_whoever_counts_is_told_of_all_events_and_of_partials_that_were_replaced() -> None:
    figures = StreamStats(Metrics(CollectorRegistry()))
    outbox = SendQueue(figures)
    for each in (started(0), partial(1), partial(2), partial(3)):
        outbox.put(each)
    assert (figures.utterances, figures.partials, figures.shed) == (1, 3, 2)


async def test_a_partial_before_another_event_stays() -> None:
    assert await taken(filled(partial(1), started(1), partial(2))) == [partial(1), started(1), partial(2)]


async def test_an_event_does_not_take_the_place_of_a_partial() -> None:
    assert await taken(filled(partial(1), told(None))) == [partial(1), told(None)]


async def test_a_taker_waits_for_what_comes() -> None:
    outbox = filled()
    async with asyncio.TaskGroup() as group:
        taker = group.create_task(outbox.next_event())
        group.create_task(later(lambda: outbox.put(started(0))))
    assert taker.result() == started(0)


async def test_a_taker_that_waits_is_told_of_the_end() -> None:
    outbox = filled()
    async with asyncio.TaskGroup() as group:
        taker = group.create_task(outbox.next_event())
        group.create_task(later(outbox.close))
    assert taker.result() is None


async def test_what_waits_at_the_end_is_still_taken() -> None:
    outbox = filled(started(0))
    outbox.close()
    assert await outbox.next_event() == started(0)
    assert await outbox.next_event() is None


async def test_there_is_room_below_the_bound() -> None:
    await filled(*(started(number) for number in range(MAX_UNSENT_EVENTS - 1))).wait_for_space()


async def test_at_the_bound_there_is_room_once_one_was_taken() -> None:
    outbox = filled(*(started(number) for number in range(MAX_UNSENT_EVENTS + 1)))
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outbox.wait_for_space())
        for _ in range(2):
            await turn()
            assert not waiting.done()
            await outbox.next_event()
    assert waiting.done()


async def later(act: Callable[[], None]) -> None:
    await turn()
    act()


async def turn() -> None:
    """Let the other tasks come to wait: they do so in their first turn."""
    await asyncio.sleep(0)


def test_nothing_is_settled_by_a_final_before_it_is_told() -> None:
    """Or a client that loses its connection between two finals would resume behind the second."""
    first, second = (
        Suppressed(number, 0, 0, SuppressionReason.EMPTY, "", Endpoint.SILENCE, 20 * number) for number in (1, 2)
    )
    outputs: list[Output] = [SpeechStarted(1, 0), first, SpeechStarted(2, 0), second, SpeechStarted(3, 0)]
    assert committed_positions(outputs, before_ms=10, after_ms=99) == [10, 20, 20, 40, 99]


def test_without_a_final_all_is_settled_as_far_as_the_stream_is() -> None:
    assert committed_positions([SpeechStarted(0, 0)], before_ms=10, after_ms=99) == [99]
