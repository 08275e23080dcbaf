"""A stream between its session and the executor: requested decodes, their order, and delivered results.

The session is scripted, the engine waits until it is released, and the clock is set by the test.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.errors import InferenceError, InvalidRequestError
from stt_service.recognition.recognizer import FEED_CHUNK_BYTES, MAX_PENDING_FINALS, PROGRESS_MS, StreamRecognizer
from stt_service.recognition.send_queue import MAX_UNSENT_EVENTS
from stt_service.scheduling.executor import BatchExecutor, ModelPair
from stt_service.scheduling.loop_budget import LoopBudget
from stt_service.scheduling.realtime import LATE_PARTIAL_S, MAX_LEAD_S, RECOVERY_TIME_S, RealtimeTracker
from stt_service.scheduling.scheduler import Job
from stt_service.scheduling.types import DecodeFactory, DecodeFuture, DecodeJob, DecodeResult, ExecutorModel
from stt_service.session.events import (
    Decode,
    DecodeTiming,
    Notice,
    NoticeReason,
    NullObserver,
    Observer,
    Output,
    PartialDue,
    Promote,
    SpeechStarted,
    Suppressed,
    Withdraw,
)
from stt_service.settings.schema import RuntimeSettings
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind, Transcript
from tests.support.models.blocking_engine import BlockingEngine, decode

if TYPE_CHECKING:
    from stt_service.session.session import Session

pytestmark = pytest.mark.timeout(30)
FORMAT = AudioFormat()
CHUNK_MS = 100


def audio(milliseconds: int) -> bytes:
    return bytes(32 * milliseconds)


class ScriptedSession:
    """A session that returns scripted outputs and records its inputs."""

    def __init__(self, language: str = "ru") -> None:
        self.runtime = RuntimeSettings.model_validate({"language": language})
        self.received_ms = self.committed_ms = self.pending_finals = 0
        self.next_outputs: list[Output] = []
        self.windows: list[Decode | None] = []  # of the next partials
        self.received: list[str] = []
        self.canceled: list[int] = []
        self.chunk_bytes: list[int] = []

    def feed(self, pcm: bytes) -> list[Output]:
        self.chunk_bytes.append(len(pcm))
        self.received_ms += len(pcm) // 32
        return self._take_outputs()

    def finalize(self, endpoint: Endpoint) -> list[Output]:
        return self._take_outputs()

    def begin_partial(self, utterance: int) -> Decode | None:
        return self.windows.pop(0)

    def deliver(self, done: Decode, transcript: Transcript, timing: DecodeTiming) -> list[Output]:
        self.received.append(transcript.text)
        self.pending_finals = max(0, self.pending_finals - 1)
        return []

    def cancel_partial(self, utterance: int) -> None:
        self.canceled.append(utterance)

    def update(self, changes: dict[str, object]) -> None:
        self.runtime = self.runtime.updated(changes)

    def _take_outputs(self) -> list[Output]:
        outputs, self.next_outputs = self.next_outputs, []
        return outputs


class RecordingExecutor(BatchExecutor):
    """Stores the last submitted job."""

    last: DecodeJob

    def submit(self, job: DecodeJob, make_decode: DecodeFactory) -> DecodeFuture:
        self.last = job
        return super().submit(job, make_decode)


class Scenario:
    """One stream, and another one whose decode occupies the only worker until the engine is released."""

    def __init__(self) -> None:
        self.time = 0.0
        self.multilingual, self.english = BlockingEngine(), BlockingEngine()
        self.executor = RecordingExecutor(max_batch=8, now=self.now)
        self.finals = ExecutorModel(self.multilingual.transcribe)
        self._models = ModelPair(self.executor, self.finals, ExecutorModel(self.english.transcribe, multilingual=False))
        self.session = ScriptedSession()
        self.request_decode(Kind.FINAL, "busy")

    def now(self) -> float:
        return self.time

    def request_decode(self, kind: Kind, stream: str, realtime: bool = True) -> DecodeFuture:
        """Request a decode of another stream."""
        job = Job(stream, 0, kind, self.finals, realtime)
        return self.executor.submit(job, lambda: decode(kind, stream))

    def recognizer(self, lead_s: float = 0.0, observer: Observer | None = None) -> StreamRecognizer:
        session = cast("Session", self.session)
        realtime = RealtimeTracker(self.time, lead_s)
        return StreamRecognizer(session, self._models, ("us", "ours"), realtime, self.now, observer=observer)

    async def feed_with(self, recognizer: StreamRecognizer, *outputs: Output, milliseconds: int = CHUNK_MS) -> None:
        """Feed a chunk for which the session returns these outputs."""
        self.session.next_outputs += outputs
        await recognizer.feed(audio(milliseconds), FORMAT)

    async def feed_until_it_fails(self, *outputs: Output) -> None:
        async with self.recognizer() as stream:
            await self.feed_with(stream, *outputs)
            self.release()
            await asyncio.Event().wait()

    async def run(self) -> list[list[str]]:
        """Let the engines run all requested decodes; return the batches after the first."""
        self.release()
        await self.request_decode(Kind.PARTIAL, "last", realtime=False)
        return self.multilingual.batches[1:-1]

    def release(self) -> None:
        self.multilingual.release()
        self.english.release()


@asynccontextmanager
async def running_scenario() -> AsyncIterator[Scenario]:
    async with asyncio.TaskGroup() as group:
        scenario = Scenario()
        running = group.create_task(scenario.executor.run())
        await scenario.multilingual.entered()
        try:
            yield scenario
        finally:
            scenario.release()
            running.cancel()


class RecordingObserver(NullObserver):
    """Records the pending finals and superseded partials of a stream."""

    def __init__(self) -> None:
        self.pending: list[int] = []
        self.superseded = 0

    def on_pending_finals(self, finals: int) -> None:
        self.pending.append(finals)

    def on_partial_superseded(self) -> None:
        self.superseded += 1


async def queued_events(recognizer: StreamRecognizer) -> list[object]:
    """Return the payloads in the send queue."""
    events: list[object] = []
    recognizer.send_queue.close()
    while (each := await recognizer.send_queue.next_event()) is not None:
        events.append(each.payload)
    return events


async def notices(recognizer: StreamRecognizer) -> list[NoticeReason]:
    return [event.reason for event in await queued_events(recognizer) if isinstance(event, Notice)]


def speculative(name: str, utterance: int = 0) -> Decode:
    return decode(Kind.SPECULATIVE, name, utterance)


def final(name: str, utterance: int = 0) -> Decode:
    return decode(Kind.FINAL, name, utterance)


# Speculative finals


async def test_withdrawn_speculative_final_is_never_decoded() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, speculative("obsolete"))
        await scenario.feed_with(stream, Withdraw(0))
        await scenario.feed_with(stream, speculative("obsolete too"), Withdraw(0))
        assert await scenario.run() == []
        assert scenario.session.received == []


async def test_final_after_a_withdrawal_is_not_lost() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, speculative("obsolete"), Withdraw(0), speculative("valid"), Promote(0))
        await scenario.feed_with(stream, Withdraw(0))
        await scenario.feed_with(stream, speculative("obsolete", 1), Withdraw(1), final("the next", 1))
        assert await scenario.run() == [["valid", "the next"]]
        assert scenario.session.received == ["valid", "the next"]


async def test_promoted_speculative_final_has_priority_over_those_of_other_streams() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        scenario.request_decode(Kind.SPECULATIVE, "another's")
        await scenario.feed_with(stream, speculative("ours"), Promote(0))
        assert await scenario.run() == [["ours"], ["another's"]]


async def test_running_decode_is_delivered_although_it_is_withdrawn() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.run()
        await scenario.feed_with(stream, speculative("running"))
        await scenario.run()
        await scenario.feed_with(stream, Withdraw(0))
        assert scenario.session.received == ["running"]


# Partials


async def test_window_of_a_partial_is_cut_when_its_batch_starts() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0))
        scenario.session.windows = [decode(Kind.PARTIAL, "cut late")]
        assert await scenario.run() == [["cut late"]]
        assert scenario.session.received == ["cut late"]


async def test_partial_that_is_no_longer_needed_is_not_decoded() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0))
        scenario.session.windows = [None]
        assert await scenario.run() == []
        assert (scenario.session.received, scenario.session.canceled) == ([], [])


@pytest.mark.parametrize("instead", [final("final", 3), speculative("final", 3)])
async def test_partial_is_canceled_by_its_final(instead: Decode) -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(3), instead)
        assert await scenario.run() == [["final"]]
        assert scenario.session.canceled == [3]


async def test_partials_use_the_english_model_only_for_english() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        scenario.session.runtime = scenario.session.runtime.updated({"language": "en"})
        scenario.session.windows = [decode(Kind.PARTIAL, "partial")]
        await scenario.feed_with(stream, SpeechStarted(0, 0), PartialDue(0), final("final of the last", 9))
        await scenario.feed_with(stream, PartialDue(0))
        assert await scenario.run() == [["final of the last"]]
        assert scenario.english.batches == [["partial"]]


async def test_language_change_applies_from_the_next_utterance_on() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, SpeechStarted(0, 0))
        await stream.update({"language": "en"})
        scenario.session.windows = [decode(Kind.PARTIAL, "Russian"), decode(Kind.PARTIAL, "English")]
        await scenario.feed_with(stream, PartialDue(0))
        assert await scenario.run() == [["Russian"]]
        await scenario.feed_with(stream, SpeechStarted(1, 0), PartialDue(1))
        await scenario.run()
        assert scenario.english.batches == [["English"]]


# Offline streams


async def test_offline_stream_waits_for_partials_of_realtime_streams() -> None:
    async with running_scenario() as scenario, scenario.recognizer(lead_s=math.inf) as stream:
        await scenario.feed_with(stream, final("recording"))
        scenario.request_decode(Kind.PARTIAL, "live")
        assert await scenario.run() == [["live"], ["recording"]]


async def test_stream_that_sends_faster_than_real_time_is_offline() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await stream.feed(audio(round(1000 * MAX_LEAD_S)), FORMAT)
        await scenario.feed_with(stream, final("recording"))
        scenario.request_decode(Kind.PARTIAL, "live")
        assert await scenario.run() == [["live"], ["recording"]]


async def test_stream_at_real_time_speed_is_realtime() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await stream.feed(audio(10_000), FORMAT)
        scenario.time = 10.0
        await scenario.feed_with(stream, final("live"))
        scenario.request_decode(Kind.PARTIAL, "partial")
        assert await scenario.run() == [["live"], ["partial"]]


async def test_offline_stream_stays_offline_while_the_server_does_not_read_it() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(
            stream, *(final(str(number), number) for number in range(MAX_PENDING_FINALS)), milliseconds=10_000
        )
        scenario.session.pending_finals = MAX_PENDING_FINALS
        feeding = asyncio.create_task(scenario.feed_with(stream, final("recording", 9)))
        await asyncio.sleep(0)
        scenario.time = 100.0
        await scenario.run()
        await feeding
        assert scenario.executor.last == Job("ours", 9, Kind.FINAL, scenario.finals, realtime=False, client="us")


async def test_paused_stream_that_slows_down_is_realtime() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, final("0"), milliseconds=10_000)
        scenario.session.pending_finals = MAX_PENDING_FINALS
        feeding = asyncio.create_task(scenario.feed_with(stream))
        await asyncio.sleep(0)
        scenario.session.pending_finals = 1
        await scenario.run()
        await feeding
        scenario.time += 60.0
        await scenario.feed_with(stream, final("1", 1), milliseconds=60_000)
        assert scenario.executor.last.realtime


# Time of the event loop


async def test_offline_stream_waits_for_its_time_slice_of_the_event_loop() -> None:
    async with running_scenario() as scenario, scenario.recognizer(lead_s=math.inf) as stream:
        async with scenario.executor.loop_budget.time_slice(("another", "stream")):
            feeding = asyncio.create_task(stream.feed(audio(100), FORMAT))
            await run_pending_tasks()
            assert scenario.session.received_ms == 0
        await feeding
        assert scenario.session.received_ms == 100


async def test_realtime_stream_does_not_wait_for_offline_streams() -> None:
    async with (
        running_scenario() as scenario,
        scenario.recognizer() as stream,
        scenario.executor.loop_budget.time_slice(("another", "stream")),
    ):
        await stream.feed(audio(100), FORMAT)
        assert scenario.session.received_ms == 100


async def test_offline_stream_that_waited_stays_offline() -> None:
    async with running_scenario() as scenario, scenario.recognizer(lead_s=MAX_LEAD_S + 1) as stream:
        scenario.executor.loop_budget = LoopBudget(now=lambda: 0.0)
        async with scenario.executor.loop_budget.time_slice(("another", "stream")):
            feeding = asyncio.create_task(scenario.feed_with(stream, final("0")))
            await run_pending_tasks()
            scenario.time = 60.0
        await feeding
        assert not scenario.executor.last.realtime


async def test_fed_chunk_is_limited_in_bytes() -> None:
    wide = AudioFormat(Encoding.PCM_F32LE, 192_000, 32)
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await stream.feed(wide.silence(192_000), wide)
        assert max(scenario.session.chunk_bytes) <= FEED_CHUNK_BYTES
        assert sum(scenario.session.chunk_bytes) == 192_000 * 32 * 4


async def run_pending_tasks() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


# Notices


async def test_long_wait_for_partials_is_reported_once() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0))
        for _ in range(3):
            scenario.time += LATE_PARTIAL_S + 0.1
            await scenario.feed_with(stream)
        assert await notices(stream) == [NoticeReason.PARTIALS_SHED]


async def test_running_partial_no_longer_waits() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0))
        scenario.session.windows = [decode(Kind.PARTIAL, "slow")]
        await scenario.run()
        scenario.time += LATE_PARTIAL_S + 0.1
        await scenario.feed_with(stream)
        assert await notices(stream) == []


async def test_late_partial_is_reported_without_further_audio() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0))
        scenario.time += LATE_PARTIAL_S + 0.1
        scenario.session.windows = [decode(Kind.PARTIAL, "late")]
        await scenario.run()
        assert await notices(stream) == [NoticeReason.PARTIALS_SHED]


async def test_recovery_of_partials_is_reported_once() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0))
        scenario.time += LATE_PARTIAL_S + 0.1
        for _ in range(4):
            scenario.session.windows = [decode(Kind.PARTIAL, "partial")]
            await scenario.run()
            scenario.time += RECOVERY_TIME_S
            await scenario.feed_with(stream, PartialDue(0))
        assert await notices(stream) == [NoticeReason.PARTIALS_SHED, NoticeReason.PARTIALS_RESTORED]


async def test_canceled_partial_no_longer_waits() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, PartialDue(0), final("final"))
        await scenario.run()
        scenario.time += LATE_PARTIAL_S + 0.1
        await scenario.feed_with(stream)
        assert await notices(stream) == []


async def test_offline_stream_gets_no_notice_about_late_partials() -> None:
    async with running_scenario() as scenario, scenario.recognizer(lead_s=math.inf) as stream:
        await scenario.feed_with(stream, PartialDue(0))
        scenario.time += LATE_PARTIAL_S + 0.1
        await scenario.feed_with(stream)
        scenario.session.windows = [decode(Kind.PARTIAL, "late")]
        await scenario.run()
        assert await notices(stream) == []


# Lifetime of a stream


async def test_chunk_without_results_does_not_yield_to_the_event_loop() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        tasks = asyncio.all_tasks()
        feeding = stream.feed(audio(CHUNK_MS), FORMAT)
        with pytest.raises(StopIteration):
            feeding.send(None)
        assert asyncio.all_tasks() == tasks
        assert await queued_events(stream) == []


async def test_stream_without_events_gets_its_position_periodically() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await stream.feed(audio(PROGRESS_MS - 1), FORMAT)
        assert scenario.session.received_ms == PROGRESS_MS - 1
        await stream.feed(audio(1), FORMAT)
        assert await queued_events(stream) == [None]


async def test_stream_whose_client_does_not_read_is_not_fed() -> None:
    async with running_scenario() as scenario, scenario.recognizer() as stream:
        await scenario.feed_with(stream, *(SpeechStarted(number, 0) for number in range(MAX_UNSENT_EVENTS)))
        feeding = asyncio.create_task(stream.feed(audio(CHUNK_MS), FORMAT))
        await asyncio.sleep(0)
        assert scenario.session.received_ms == CHUNK_MS
        await stream.send_queue.next_event()
        await feeding
        assert scenario.session.received_ms == 2 * CHUNK_MS


async def test_decodes_of_a_closed_stream_are_not_run() -> None:
    async with running_scenario() as scenario:
        async with scenario.recognizer() as stream:
            await scenario.feed_with(stream, final("waiting"))
            await asyncio.sleep(0)
            await scenario.feed_with(stream, final("not yet waiting", 1), PartialDue(2))
        assert await scenario.run() == []


async def test_failed_decode_ends_only_its_stream() -> None:
    async with running_scenario() as scenario:
        scenario.multilingual.failures["bad"] = InferenceError("out of memory")
        other = scenario.request_decode(Kind.SPECULATIVE, "other")
        with pytest.raises(ExceptionGroup) as failure:
            await scenario.feed_until_it_fails(final("bad"), PartialDue(1))
        assert failure.group_contains(InferenceError, match="out of memory")
        assert isinstance(await other, DecodeResult)
        assert await scenario.run() == [["bad"], ["other"]]


async def test_language_that_the_model_does_not_support_is_rejected() -> None:
    english = ExecutorModel(lambda windows: [], multilingual=False)
    decoding = ModelPair(BatchExecutor(1), english, english)
    decoding.check_language("auto")
    decoding.check_language("en")
    with pytest.raises(InvalidRequestError, match="Invalid language='ru'"):
        decoding.check_language("ru")


# Observer


async def test_utterance_is_pending_from_its_endpoint_to_its_final_even_if_both_come_at_once() -> None:
    observer, suppressed = (
        RecordingObserver(),
        Suppressed(0, 0, 500, SuppressionReason.EMPTY, "", Endpoint.SILENCE, 500),
    )
    async with running_scenario() as scenario, scenario.recognizer(observer=observer) as stream:
        await scenario.feed_with(stream)
        scenario.session.pending_finals = 1  # one utterance ends
        await scenario.feed_with(stream)
        await scenario.feed_with(stream, suppressed)  # it is emitted, and another ends
        scenario.session.pending_finals = 0
        await scenario.feed_with(stream, suppressed)
        await scenario.feed_with(stream, suppressed)  # one ends and is emitted at once
    assert observer.pending == [0, 1, 2, 1, 1]


async def test_partial_replaced_by_a_final_is_counted_as_superseded() -> None:
    observer = RecordingObserver()
    async with running_scenario() as scenario, scenario.recognizer(observer=observer) as stream:
        await scenario.feed_with(stream, PartialDue(0))
        await scenario.feed_with(stream, final("valid"))
        await scenario.run()
    assert observer.superseded == 1
