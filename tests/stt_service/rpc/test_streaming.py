"""A stream between its session and the lane: what is asked for, in which turn, and what becomes of it.

The session is scripted, the engine waits until it is let, the clock is set by hand.
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
from stt_service.rpc.recognizer import FEED_CHUNK_BYTES, MAX_PENDING_FINALS, PROGRESS_MS, StreamRecognizer
from stt_service.rpc.send_queue import MAX_UNSENT_EVENTS
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
from tests.support.held_engine import Engine, decode

if TYPE_CHECKING:
    from stt_service.session.session import Session

pytestmark = pytest.mark.timeout(30)
FORMAT = AudioFormat()
CHUNK_MS = 100


def sound(milliseconds: int) -> bytes:
    return bytes(32 * milliseconds)


class Script:
    """A session that says what it is told to say, and notes what it is told."""

    def __init__(self, language: str = "ru") -> None:
        self.runtime = RuntimeSettings.model_validate({"language": language})
        self.received_ms = self.committed_ms = self.pending_finals = 0
        self.to_say: list[Output] = []
        self.windows: list[Decode | None] = []  # that partials will cut
        self.received: list[str] = []
        self.abandoned: list[int] = []
        self.pieces: list[int] = []

    def feed(self, pcm: bytes) -> list[Output]:
        self.pieces.append(len(pcm))
        self.received_ms += len(pcm) // 32
        return self._said()

    def finalize(self, endpoint: Endpoint) -> list[Output]:
        return self._said()

    def begin_partial(self, utterance: int) -> Decode | None:
        return self.windows.pop(0)

    def deliver(self, done: Decode, transcript: Transcript, timing: DecodeTiming) -> list[Output]:
        self.received.append(transcript.text)
        self.pending_finals = max(0, self.pending_finals - 1)
        return []

    def cancel_partial(self, utterance: int) -> None:
        self.abandoned.append(utterance)

    def update(self, changes: dict[str, object]) -> None:
        self.runtime = self.runtime.updated(changes)

    def _said(self) -> list[Output]:
        said, self.to_say = self.to_say, []
        return said


class NotingLane(BatchExecutor):
    """Keeps the last job that it was asked for."""

    last: DecodeJob

    def submit(self, job: DecodeJob, cut: DecodeFactory) -> DecodeFuture:
        self.last = job
        return super().submit(job, cut)


class Stage:
    """One stream, and others whose decode keeps the only worker until the engine is let."""

    def __init__(self) -> None:
        self.time = 0.0
        self.multilingual, self.english = Engine(), Engine()
        self.lane = NotingLane(max_batch=8, now=self.now)
        self.finals = ExecutorModel(self.multilingual.transcribe)
        self._decoding = ModelPair(self.lane, self.finals, ExecutorModel(self.english.transcribe, multilingual=False))
        self.session = Script()
        self.ask(Kind.FINAL, "busy")

    def now(self) -> float:
        return self.time

    def ask(self, kind: Kind, stream: str, live: bool = True) -> DecodeFuture:
        """Ask for another stream's decode."""
        job = Job(stream, 0, kind, self.finals, live)
        return self.lane.submit(job, lambda: decode(kind, stream))

    def recognition(self, lead_s: float = 0.0, observer: Observer | None = None) -> StreamRecognizer:
        session = cast("Session", self.session)
        pace = RealtimeTracker(self.time, lead_s)
        return StreamRecognizer(session, self._decoding, ("us", "ours"), pace, self.now, observer=observer)

    async def say(self, recognition: StreamRecognizer, *outputs: Output, milliseconds: int = CHUNK_MS) -> None:
        """Have the session say this to the next chunk."""
        self.session.to_say += outputs
        await recognition.feed(sound(milliseconds), FORMAT)

    async def speak_until_it_fails(self, *outputs: Output) -> None:
        async with self.recognition() as stream:
            await self.say(stream, *outputs)
            self.release()
            await asyncio.Event().wait()

    async def run(self) -> list[list[str]]:
        """Let the engines run all that is asked for; return the batches after the first."""
        self.release()
        await self.ask(Kind.PARTIAL, "last", live=False)
        return self.multilingual.batches[1:-1]

    def release(self) -> None:
        self.multilingual.release()
        self.english.release()


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    async with asyncio.TaskGroup() as group:
        ours = Stage()
        running = group.create_task(ours.lane.run())
        await ours.multilingual.entered()
        try:
            yield ours
        finally:
            ours.release()
            running.cancel()


class Noting(NullObserver):
    """Notes what it is told of a stream, progress left out."""

    def __init__(self) -> None:
        self.owed: list[int] = []
        self.overtakings = 0

    def on_pending_finals(self, finals: int) -> None:
        self.owed.append(finals)

    def on_partial_superseded(self) -> None:
        self.overtakings += 1


async def told(recognition: StreamRecognizer) -> list[object]:
    """Return what waits in the outbox."""
    events: list[object] = []
    recognition.send_queue.close()
    while (each := await recognition.send_queue.next_event()) is not None:
        events.append(each.payload)
    return events


async def notices(recognition: StreamRecognizer) -> list[NoticeReason]:
    return [event.reason for event in await told(recognition) if isinstance(event, Notice)]


def early(name: str, utterance: int = 0) -> Decode:
    return decode(Kind.SPECULATIVE, name, utterance)


def final(name: str, utterance: int = 0) -> Decode:
    return decode(Kind.FINAL, name, utterance)


# Early finals


async def test_an_early_final_that_is_withdrawn_is_never_run() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, early("void"))
        await ours.say(stream, Withdraw(0))
        await ours.say(stream, early("void too"), Withdraw(0))
        assert await ours.run() == []
        assert ours.session.received == []


async def test_the_final_that_follows_a_withdrawal_is_not_lost() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, early("void"), Withdraw(0), early("valid"), Promote(0))
        await ours.say(stream, Withdraw(0))
        await ours.say(stream, early("void", 1), Withdraw(1), final("the next", 1))
        assert await ours.run() == [["valid", "the next"]]
        assert ours.session.received == ["valid", "the next"]


async def test_an_early_final_that_is_promoted_goes_before_those_of_others() -> None:
    async with stage() as ours, ours.recognition() as stream:
        ours.ask(Kind.SPECULATIVE, "another's")
        await ours.say(stream, early("ours"), Promote(0))
        assert await ours.run() == [["ours"], ["another's"]]


async def test_what_runs_already_is_received_although_it_is_withdrawn() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.run()
        await ours.say(stream, early("running"))
        await ours.run()
        await ours.say(stream, Withdraw(0))
        assert ours.session.received == ["running"]


# Partials


async def test_a_partials_window_is_cut_in_its_turn() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0))
        ours.session.windows = [decode(Kind.PARTIAL, "cut late")]
        assert await ours.run() == [["cut late"]]
        assert ours.session.received == ["cut late"]


async def test_a_partial_that_is_not_wanted_any_more_asks_nothing_of_anybody() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0))
        ours.session.windows = [None]
        assert await ours.run() == []
        assert (ours.session.received, ours.session.abandoned) == ([], [])


@pytest.mark.parametrize("instead", [final("final", 3), early("final", 3)])
async def test_a_partial_whose_final_comes_is_abandoned(instead: Decode) -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(3), instead)
        assert await ours.run() == [["final"]]
        assert ours.session.abandoned == [3]


async def test_partials_in_a_language_that_their_model_knows_go_to_it() -> None:
    async with stage() as ours, ours.recognition() as stream:
        ours.session.runtime = ours.session.runtime.updated({"language": "en"})
        ours.session.windows = [decode(Kind.PARTIAL, "partial")]
        await ours.say(stream, SpeechStarted(0, 0), PartialDue(0), final("final of the last", 9))
        await ours.say(stream, PartialDue(0))
        assert await ours.run() == [["final of the last"]]
        assert ours.english.batches == [["partial"]]


async def test_a_change_of_language_holds_from_the_next_utterance_on() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, SpeechStarted(0, 0))
        await stream.update({"language": "en"})
        ours.session.windows = [decode(Kind.PARTIAL, "Russian"), decode(Kind.PARTIAL, "English")]
        await ours.say(stream, PartialDue(0))
        assert await ours.run() == [["Russian"]]
        await ours.say(stream, SpeechStarted(1, 0), PartialDue(1))
        await ours.run()
        assert ours.english.batches == [["English"]]


# Streams that run ahead of the clock


async def test_a_recording_waits_behind_the_partials_of_live_streams() -> None:
    async with stage() as ours, ours.recognition(lead_s=math.inf) as stream:
        await ours.say(stream, final("recording"))
        ours.ask(Kind.PARTIAL, "live")
        assert await ours.run() == [["live"], ["recording"]]


async def test_so_does_a_stream_that_sends_faster_than_one_speaks() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await stream.feed(sound(round(1000 * MAX_LEAD_S)), FORMAT)
        await ours.say(stream, final("recording"))
        ours.ask(Kind.PARTIAL, "live")
        assert await ours.run() == [["live"], ["recording"]]


async def test_a_stream_at_the_pace_of_speech_is_live() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await stream.feed(sound(10_000), FORMAT)
        ours.time = 10.0
        await ours.say(stream, final("live"))
        ours.ask(Kind.PARTIAL, "partial")
        assert await ours.run() == [["live"], ["partial"]]


async def test_a_recording_stays_one_while_the_server_does_not_read_it() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(
            stream, *(final(str(number), number) for number in range(MAX_PENDING_FINALS)), milliseconds=10_000
        )
        ours.session.pending_finals = MAX_PENDING_FINALS
        held = asyncio.create_task(ours.say(stream, final("recording", 9)))
        await asyncio.sleep(0)
        ours.time = 100.0
        await ours.run()
        await held
        assert ours.lane.last == Job("ours", 9, Kind.FINAL, ours.finals, realtime=False, client="us")


async def test_a_stream_that_was_held_and_slows_down_is_live() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, final("0"), milliseconds=10_000)
        ours.session.pending_finals = MAX_PENDING_FINALS
        held = asyncio.create_task(ours.say(stream))
        await asyncio.sleep(0)
        ours.session.pending_finals = 1
        await ours.run()
        await held
        ours.time += 60.0
        await ours.say(stream, final("1", 1), milliseconds=60_000)
        assert ours.lane.last.realtime


# The event loop's time


async def test_a_recording_waits_for_its_part_of_the_event_loop() -> None:
    async with stage() as ours, ours.recognition(lead_s=math.inf) as stream:
        async with ours.lane.loop_budget.time_slice(("another", "stream")):
            pushed = asyncio.create_task(stream.feed(sound(100), FORMAT))
            await settled()
            assert ours.session.received_ms == 0
        await pushed
        assert ours.session.received_ms == 100


async def test_a_stream_at_real_time_pace_waits_for_no_recording() -> None:
    async with stage() as ours, ours.recognition() as stream, ours.lane.loop_budget.time_slice(("another", "stream")):
        await stream.feed(sound(100), FORMAT)
        assert ours.session.received_ms == 100


async def test_a_recording_is_no_dictation_because_it_waited() -> None:
    async with stage() as ours, ours.recognition(lead_s=MAX_LEAD_S + 1) as stream:
        ours.lane.loop_budget = LoopBudget(now=lambda: 0.0)
        async with ours.lane.loop_budget.time_slice(("another", "stream")):
            pushed = asyncio.create_task(ours.say(stream, final("0")))
            await settled()
            ours.time = 60.0
        await pushed
        assert not ours.lane.last.realtime


async def test_a_piece_is_short_in_bytes_too() -> None:
    wide = AudioFormat(Encoding.PCM_F32LE, 192_000, 32)
    async with stage() as ours, ours.recognition() as stream:
        await stream.feed(wide.silence(192_000), wide)
        assert max(ours.session.pieces) <= FEED_CHUNK_BYTES
        assert sum(ours.session.pieces) == 192_000 * 32 * 4


async def settled() -> None:
    """Let all tasks go on until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


# Notices


async def test_partials_that_wait_long_are_told_once() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0))
        for _ in range(3):
            ours.time += LATE_PARTIAL_S + 0.1
            await ours.say(stream)
        assert await notices(stream) == [NoticeReason.PARTIALS_SHED]


async def test_a_partial_that_runs_waits_no_longer() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0))
        ours.session.windows = [decode(Kind.PARTIAL, "slow")]
        await ours.run()
        ours.time += LATE_PARTIAL_S + 0.1
        await ours.say(stream)
        assert await notices(stream) == []


async def test_partials_that_come_late_are_told_although_nothing_is_sent_meanwhile() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0))
        ours.time += LATE_PARTIAL_S + 0.1
        ours.session.windows = [decode(Kind.PARTIAL, "late")]
        await ours.run()
        assert await notices(stream) == [NoticeReason.PARTIALS_SHED]


async def test_partials_that_come_quickly_again_are_told_once() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0))
        ours.time += LATE_PARTIAL_S + 0.1
        for _ in range(4):
            ours.session.windows = [decode(Kind.PARTIAL, "partial")]
            await ours.run()
            ours.time += RECOVERY_TIME_S
            await ours.say(stream, PartialDue(0))
        assert await notices(stream) == [NoticeReason.PARTIALS_SHED, NoticeReason.PARTIALS_RESTORED]


async def test_a_partial_that_was_abandoned_waits_no_longer() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, PartialDue(0), final("final"))
        await ours.run()
        ours.time += LATE_PARTIAL_S + 0.1
        await ours.say(stream)
        assert await notices(stream) == []


async def test_a_recording_is_not_told_that_its_partials_are_late() -> None:
    async with stage() as ours, ours.recognition(lead_s=math.inf) as stream:
        await ours.say(stream, PartialDue(0))
        ours.time += LATE_PARTIAL_S + 0.1
        await ours.say(stream)
        ours.session.windows = [decode(Kind.PARTIAL, "late")]
        await ours.run()
        assert await notices(stream) == []


# A stream's life


async def test_a_chunk_of_which_nothing_comes_takes_no_turn_of_the_event_loop() -> None:
    async with stage() as ours, ours.recognition() as stream:
        tasks = asyncio.all_tasks()
        pushing = stream.feed(sound(CHUNK_MS), FORMAT)
        with pytest.raises(StopIteration):
            pushing.send(None)
        assert asyncio.all_tasks() == tasks
        assert await told(stream) == []


async def test_a_silent_stream_is_told_now_and_then_how_far_it_is() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await stream.feed(sound(PROGRESS_MS - 1), FORMAT)
        assert ours.session.received_ms == PROGRESS_MS - 1
        await stream.feed(sound(1), FORMAT)
        assert await told(stream) == [None]


async def test_a_stream_whose_client_does_not_read_is_not_fed() -> None:
    async with stage() as ours, ours.recognition() as stream:
        await ours.say(stream, *(SpeechStarted(number, 0) for number in range(MAX_UNSENT_EVENTS)))
        pushing = asyncio.create_task(stream.feed(sound(CHUNK_MS), FORMAT))
        await asyncio.sleep(0)
        assert ours.session.received_ms == CHUNK_MS
        await stream.send_queue.next_event()
        await pushing
        assert ours.session.received_ms == 2 * CHUNK_MS


async def test_what_nobody_waits_for_any_more_is_not_run() -> None:
    async with stage() as ours:
        async with ours.recognition() as stream:
            await ours.say(stream, final("begun to wait"))
            await asyncio.sleep(0)
            await ours.say(stream, final("not begun to", 1), PartialDue(2))
        assert await ours.run() == []


async def test_a_decode_that_fails_ends_its_stream_and_no_other() -> None:
    async with stage() as ours:
        ours.multilingual.failures["bad"] = InferenceError("out of memory")
        other = ours.ask(Kind.SPECULATIVE, "other")
        with pytest.raises(ExceptionGroup) as failure:
            await ours.speak_until_it_fails(final("bad"), PartialDue(1))
        assert failure.group_contains(InferenceError, match="out of memory")
        assert isinstance(await other, DecodeResult)
        assert await ours.run() == [["bad"], ["other"]]


async def test_a_language_that_the_model_does_not_know_is_refused() -> None:
    english = ExecutorModel(lambda windows: [], multilingual=False)
    decoding = ModelPair(BatchExecutor(1), english, english)
    decoding.check_language("auto")
    decoding.check_language("en")
    with pytest.raises(InvalidRequestError, match="Invalid language='ru'"):
        decoding.check_language("ru")


# Who counts


async def test_an_utterance_is_owed_from_its_endpoint_to_its_final_also_where_both_come_at_once() -> None:
    noting, suppressed = Noting(), Suppressed(0, 0, 500, SuppressionReason.EMPTY, "", Endpoint.SILENCE, 500)
    async with stage() as ours, ours.recognition(observer=noting) as stream:
        await ours.say(stream)
        ours.session.pending_finals = 1  # one ends
        await ours.say(stream)
        await ours.say(stream, suppressed)  # it is told, and another ends
        ours.session.pending_finals = 0
        await ours.say(stream, suppressed)
        await ours.say(stream, suppressed)  # one ends, and is told at once
    assert noting.owed == [0, 1, 2, 1, 1]


async def test_a_partial_that_a_final_makes_needless_is_counted_as_overtaken() -> None:
    noting = Noting()
    async with stage() as ours, ours.recognition(observer=noting) as stream:
        await ours.say(stream, PartialDue(0))
        await ours.say(stream, final("valid"))
        await ours.run()
    assert noting.overtakings == 1
