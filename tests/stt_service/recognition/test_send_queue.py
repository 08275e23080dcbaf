"""SendQueue: events in order, bounded, and only the newest unsent partial."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from stt_service.recognition.send_queue import MAX_UNSENT_EVENTS, SendQueue, committed_positions
from stt_service.session.events import Event, NullObserver, OutgoingEvent, Output, Partial, SpeechStarted, Suppressed
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason

pytestmark = pytest.mark.timeout(30)


def outgoing(event: Event | None) -> OutgoingEvent:
    return OutgoingEvent(0, 0, event)


def partial(revision: int) -> OutgoingEvent:
    return outgoing(Partial(0, revision, "", "", 0, 0))


def started(utterance: int) -> OutgoingEvent:
    return outgoing(SpeechStarted(utterance, 0))


def queue_of(*waiting: OutgoingEvent) -> SendQueue:
    queue = SendQueue(NullObserver())
    for each in waiting:
        queue.put(each)
    return queue


async def drain(queue: SendQueue) -> list[OutgoingEvent]:
    """Return all events until the end."""
    queue.close()
    found = []
    while (each := await queue.next_event()) is not None:
        found.append(each)
    return found


async def test_events_are_sent_in_order() -> None:
    assert await drain(queue_of(started(0), outgoing(None), started(1))) == [started(0), outgoing(None), started(1)]


async def test_newer_partial_replaces_an_unsent_one() -> None:
    assert await drain(queue_of(started(0), partial(1), partial(2))) == [started(0), partial(2)]


async def test_observer_receives_all_events_and_replaced_partials() -> None:
    stats = StreamStats(Metrics(CollectorRegistry()))
    queue = SendQueue(stats)
    for each in (started(0), partial(1), partial(2), partial(3)):
        queue.put(each)
    assert (stats.utterances, stats.partials, stats.shed) == (1, 3, 2)


async def test_partial_before_another_event_is_not_replaced() -> None:
    assert await drain(queue_of(partial(1), started(1), partial(2))) == [partial(1), started(1), partial(2)]


async def test_other_event_does_not_replace_a_partial() -> None:
    assert await drain(queue_of(partial(1), outgoing(None))) == [partial(1), outgoing(None)]


async def test_reader_waits_for_the_next_event() -> None:
    queue = queue_of()
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(queue.next_event())
        group.create_task(later(lambda: queue.put(started(0))))
    assert reader.result() == started(0)


async def test_waiting_reader_is_woken_by_the_end() -> None:
    queue = queue_of()
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(queue.next_event())
        group.create_task(later(queue.close))
    assert reader.result() is None


async def test_queued_event_is_sent_after_the_queue_was_closed() -> None:
    queue = queue_of(started(0))
    queue.close()
    assert await queue.next_event() == started(0)
    assert await queue.next_event() is None


async def test_queue_below_its_limit_has_space() -> None:
    await queue_of(*(started(number) for number in range(MAX_UNSENT_EVENTS - 1))).wait_for_space()


async def test_queue_at_its_limit_has_space_once_an_event_is_sent() -> None:
    queue = queue_of(*(started(number) for number in range(MAX_UNSENT_EVENTS + 1)))
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.wait_for_space())
        for _ in range(2):
            await turn()
            assert not waiting.done()
            await queue.next_event()
    assert waiting.done()


async def later(act: Callable[[], None]) -> None:
    await turn()
    act()


async def turn() -> None:
    """Let the other tasks run until they wait, which they do in their first turn."""
    await asyncio.sleep(0)


def test_final_commits_no_audio_before_it_is_emitted() -> None:
    """Otherwise a client that disconnects between two finals would resume after the second."""
    first, second = (
        Suppressed(number, 0, 0, SuppressionReason.EMPTY, "", Endpoint.SILENCE, 20 * number) for number in (1, 2)
    )
    outputs: list[Output] = [SpeechStarted(1, 0), first, SpeechStarted(2, 0), second, SpeechStarted(3, 0)]
    assert committed_positions(outputs, before_ms=10, after_ms=99) == [10, 20, 20, 40, 99]


def test_events_without_a_final_carry_the_committed_position_of_the_stream() -> None:
    assert committed_positions([SpeechStarted(0, 0)], before_ms=10, after_ms=99) == [99]
