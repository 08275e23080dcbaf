"""The lane: who shares a batch, who runs beside whom, who is answered what, what a failure or a cancellation leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest

from stt_service.errors import InferenceError
from stt_service.scheduling.executor import BatchExecutor
from stt_service.scheduling.scheduler import Job
from stt_service.scheduling.types import DecodeFactory, DecodeFuture, DecodeJob, DecodeResult, ExecutorModel, NotDecoded
from stt_service.session.events import Decode
from stt_service.whisper.types import Kind, Transcript, Window
from tests.support.held_engine import Engine, decode

pytestmark = pytest.mark.timeout(30)
CANCELLED = "(cancelled)"


class Streams:
    """Streams that ask one lane; Eve has done so before the others."""

    def __init__(self, lane: BatchExecutor, engine: Engine, places: int) -> None:
        self.lane, self.engine = lane, engine
        self.model = ExecutorModel(engine.transcribe, places)
        self._asked: list[DecodeFuture] = []
        self.eve = self.ask(Kind.SPECULATIVE, "eve")
        self._asked = []

    def ask(self, kind: Kind, stream: str, utterance: int = 0, name: str = "") -> DecodeFuture:
        """Begin to wait for a decode, which is named by its stream unless told otherwise."""
        return self.submit(self.job(kind, stream, utterance), lambda: decode(kind, name or stream))

    def job(self, kind: Kind, stream: str, utterance: int = 0) -> DecodeJob:
        return Job(stream, utterance, kind, self.model)

    def submit(self, job: DecodeJob, cut: DecodeFactory) -> DecodeFuture:
        self._asked.append(self.lane.submit(job, cut))
        return self._asked[-1]

    async def answers(self) -> list[str]:
        """Let the model run; return what was said to whom asked after Eve, in their order."""
        self.engine.release()
        if self._asked:
            await asyncio.wait(self._asked)
        return [said(answer) for answer in self._asked]


def said(answer: DecodeFuture) -> str:
    if answer.cancelled():
        return CANCELLED
    if (error := answer.exception()) is not None:
        return str(error)
    result = answer.result()
    return result.name if isinstance(result, NotDecoded) else result.transcript.text


WITHDRAWN, DECLINED = NotDecoded.WITHDRAWN.name, NotDecoded.DECLINED.name


@asynccontextmanager
async def streams(max_batch: int = 8, workers: int = 1, places: int = 1) -> AsyncIterator[Streams]:
    """Yield streams that find a worker busy with Eve's early final, until they want answers."""
    engine = Engine()
    lane = BatchExecutor(max_batch, workers)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(lane.run())
        several = Streams(lane, engine, places)
        await engine.entered()
        try:
            yield several
        finally:
            engine.release()
            running.cancel()


async def test_an_answer_has_its_transcript_and_its_cost() -> None:
    async with streams() as several:
        asked = several.ask(Kind.FINAL, "ann")
        several.ask(Kind.FINAL, "bob")
        await several.answers()
        decoded = await asked
        assert isinstance(decoded, DecodeResult)
        assert decoded.transcript.text == "ann"
        assert decoded.timing.batch == 2
        assert decoded.timing.queue_s > 0
        assert decoded.timing.inference_s > 0


async def test_what_arrives_while_a_batch_runs_is_the_next_one() -> None:
    async with streams() as several:
        for stream in ("ann", "bob", "cid"):
            several.ask(Kind.FINAL, stream)
        assert await several.answers() == ["ann", "bob", "cid"]
        assert several.engine.batches == [["eve"], ["ann", "bob", "cid"]]


async def test_a_batch_has_its_greatest_size() -> None:
    async with streams(max_batch=2) as several:
        for stream in ("ann", "bob", "cid"):
            several.ask(Kind.FINAL, stream)
        assert await several.answers() == ["ann", "bob", "cid"]
        assert several.engine.batches[1:] == [["ann", "bob"], ["cid"]]


async def test_finals_go_before_early_ones_and_those_before_partials() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann")
        several.ask(Kind.SPECULATIVE, "bob")
        several.ask(Kind.FINAL, "cid")
        await several.answers()
        assert several.engine.batches[1:] == [["cid"], ["bob"], ["ann"]]


async def test_a_newer_partial_makes_the_waiting_one_needless() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann", 0, "older")
        several.ask(Kind.PARTIAL, "bob")
        several.ask(Kind.PARTIAL, "ann", 0, "newer")
        several.ask(Kind.PARTIAL, "ann", 1, "newest")
        assert await several.answers() == [WITHDRAWN, "bob", WITHDRAWN, "newest"]
        assert several.engine.batches[1:] == [["newest", "bob"]]


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.SPECULATIVE])
async def test_a_final_early_or_not_makes_the_waiting_partial_of_its_stream_needless(kind: Kind) -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann", 0, "partial")
        several.ask(kind, "ann")
        several.ask(Kind.PARTIAL, "bob")
        assert await several.answers() == [WITHDRAWN, "ann", "bob"]


async def test_what_runs_already_is_taken_from_nobody() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "eve", 0, "partial")
        several.ask(Kind.FINAL, "eve", 0, "final")
        assert await several.answers() == [WITHDRAWN, "final"]
        assert said(several.eve) == "eve"


async def test_an_early_final_that_is_promoted_goes_with_the_finals() -> None:
    async with streams() as several:
        several.ask(Kind.SPECULATIVE, "ann")
        several.ask(Kind.SPECULATIVE, "bob")
        several.ask(Kind.FINAL, "cid")
        several.lane.promote("bob", 0)
        assert await several.answers() == ["ann", "bob", "cid"]
        assert several.engine.batches[1:] == [["cid", "bob"], ["ann"]]


async def test_a_promotion_leaves_nobody_waiting_for_ever() -> None:
    async with streams() as several:
        several.ask(Kind.SPECULATIVE, "ann", 0, "early")
        several.ask(Kind.PARTIAL, "ann", 1, "partial of the next")
        several.lane.promote("ann", 0)
        several.lane.promote("bob", 0)
        assert await several.answers() == ["early", "partial of the next"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(InferenceError("the model failed"), "the model failed", id="as the engine says it"),
        pytest.param(MemoryError("all gone"), "the model failed: MemoryError('all gone')", id="unexpected"),
    ],
)
async def test_a_failure_reaches_all_of_the_batch_and_the_lane_lives_on(error: Exception, told: str) -> None:
    async with streams() as several:
        several.engine.failures["bob"] = error
        for stream in ("ann", "bob"):
            several.ask(Kind.FINAL, stream)
        several.ask(Kind.SPECULATIVE, "cid")
        assert await several.answers() == [told, told, "cid"]


async def test_a_model_that_answers_too_little_has_failed() -> None:
    async with streams() as several:
        several.model = ExecutorModel(lambda windows: [])
        several.ask(Kind.FINAL, "ann")
        [told] = await several.answers()
        assert told.startswith("the model failed: ValueError")


# The turn


async def test_a_window_is_cut_when_its_turn_has_come() -> None:
    async with streams() as several:
        heard = ["old"]
        several.submit(several.job(Kind.PARTIAL, "ann"), lambda: decode(Kind.PARTIAL, heard[-1]))
        heard.append("new")
        assert await several.answers() == ["new"]


async def test_an_answer_names_the_decode_that_was_cut() -> None:
    async with streams() as several:
        wanted = decode(Kind.PARTIAL, "ann")
        asked = several.submit(several.job(Kind.PARTIAL, "ann"), lambda: wanted)
        await several.answers()
        decoded = asked.result()
        assert isinstance(decoded, DecodeResult)
        assert decoded.decode is wanted


async def test_who_declines_in_his_turn_is_told_so_and_the_others_go_on() -> None:
    async with streams() as several:
        several.submit(several.job(Kind.PARTIAL, "ann"), lambda: None)
        several.ask(Kind.PARTIAL, "bob")
        assert await several.answers() == [DECLINED, "bob"]
        assert several.engine.batches[1:] == [["bob"]]


async def test_where_all_decline_the_next_batch_runs() -> None:
    async with streams(max_batch=1) as several:
        several.submit(several.job(Kind.PARTIAL, "ann"), lambda: None)
        several.ask(Kind.PARTIAL, "bob")
        assert await several.answers() == [DECLINED, "bob"]
        assert several.engine.batches[1:] == [["bob"]]


async def test_a_cut_that_fails_harms_nobody_else() -> None:
    def fail() -> Decode:
        raise ValueError("no window")

    async with streams() as several:
        several.submit(several.job(Kind.PARTIAL, "ann"), fail)
        several.ask(Kind.PARTIAL, "bob")
        assert await several.answers() == ["no window", "bob"]


async def test_who_costs_more_has_fewer_turns() -> None:
    costs_s, clock, run = {"dear": 10.0, "cheap": 1.0}, [0.0], list[str]()

    def transcribe(windows: Sequence[Window]) -> list[Transcript]:
        names = [window.options.initial_prompt for window in windows]
        run.extend(names)
        clock[0] += sum(costs_s[name] for name in names)
        return [Transcript(name, "ru", 1, -0.2, 0, 1) for name in names]

    lane, model = BatchExecutor(max_batch=1, now=lambda: clock[0]), ExecutorModel(transcribe)
    async with asyncio.TaskGroup() as group:
        answers = [
            lane.submit(Job(name, number, Kind.FINAL, model, client=name), partial(decode, Kind.FINAL, name))
            for number in range(3)
            for name in costs_s
        ]
        running = group.create_task(lane.run())
        await asyncio.wait(answers)
        running.cancel()
    assert run == ["dear", "cheap", "cheap", "cheap", "dear", "dear"]


# Several workers and models


async def test_a_worker_that_is_free_takes_what_waits() -> None:
    async with streams(workers=2, places=2) as several:
        several.ask(Kind.FINAL, "ann")
        await several.engine.entered()
        assert several.engine.batches == [["eve"], ["ann"]]


async def test_batches_of_a_model_that_has_one_place_run_one_after_another() -> None:
    async with streams(workers=2, places=1) as several:
        several.ask(Kind.FINAL, "ann")
        other = Engine()
        job = Job("bob", 0, Kind.PARTIAL, ExecutorModel(other.transcribe))
        several.submit(job, lambda: decode(Kind.PARTIAL, "bob"))
        await other.entered()  # the other worker has looked for a batch since Ann asked
        assert several.engine.batches == [["eve"]]
        other.release()
        assert await several.answers() == ["ann", "bob"]


async def test_workers_that_are_free_share_what_waits() -> None:
    async with streams(workers=3, places=3) as several:
        for stream in ("ann", "bob", "cid", "dan"):
            several.ask(Kind.FINAL, stream)
        await several.answers()
        assert sorted(several.engine.batches[1:]) == [["ann", "bob"], ["cid", "dan"]]


# Idle capacity


def idle(answer: DecodeFuture) -> bool:
    """Return whether the decode was delivered while capacity was idle."""
    result = answer.result()
    assert isinstance(result, DecodeResult)
    return result.timing.idle


async def test_capacity_is_idle_for_a_stream_that_is_alone() -> None:
    async with streams() as several:
        several.engine.release()
        await asyncio.wait([several.eve])
        assert idle(several.eve)


async def test_decodes_of_the_same_stream_leave_capacity_idle_for_it() -> None:
    async with streams(max_batch=1) as several:
        several.ask(Kind.PARTIAL, "eve")
        await several.answers()
        assert idle(several.eve)


async def test_capacity_is_not_idle_while_another_stream_waits() -> None:
    async with streams(max_batch=1) as several:
        last = several.ask(Kind.PARTIAL, "ann")
        await several.answers()
        assert not idle(several.eve)
        assert idle(last)


async def test_capacity_is_not_idle_while_the_only_other_worker_runs_another_stream() -> None:
    async with streams(workers=2, places=1) as several:
        other = Engine()
        submitted = several.submit(
            Job("bob", 0, Kind.PARTIAL, ExecutorModel(other.transcribe)), lambda: decode(Kind.PARTIAL, "bob")
        )
        await other.entered()
        several.engine.release()
        await asyncio.wait([several.eve])
        other.release()
        await asyncio.wait([submitted])
        assert not idle(several.eve)
        assert idle(submitted)


# Withdrawal


async def test_an_early_final_that_is_withdrawn_is_not_run() -> None:
    async with streams() as several:
        several.ask(Kind.SPECULATIVE, "ann")
        several.ask(Kind.SPECULATIVE, "bob")
        several.lane.withdraw("ann", 0)
        several.lane.withdraw("ann", 1)
        assert await several.answers() == [WITHDRAWN, "bob"]
        assert several.engine.batches[1:] == [["bob"]]


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.PARTIAL])
async def test_a_withdrawal_takes_nothing_but_early_finals(kind: Kind) -> None:
    async with streams() as several:
        several.ask(kind, "ann")
        several.lane.withdraw("ann", 0)
        assert await several.answers() == ["ann"]


async def test_an_early_final_that_was_promoted_is_not_withdrawn() -> None:
    async with streams() as several:
        several.ask(Kind.SPECULATIVE, "ann")
        several.lane.promote("ann", 0)
        several.lane.withdraw("ann", 0)
        assert await several.answers() == ["ann"]


async def test_a_withdrawal_of_what_runs_leaves_it_running() -> None:
    async with streams() as several:
        several.lane.withdraw("eve", 0)
        several.engine.release()
        await asyncio.wait([several.eve])
        assert said(several.eve) == "eve"


async def test_the_next_early_final_of_the_utterance_runs() -> None:
    async with streams() as several:
        several.ask(Kind.SPECULATIVE, "ann", 0, "void")
        several.lane.withdraw("ann", 0)
        several.ask(Kind.SPECULATIVE, "ann", 0, "valid")
        assert await several.answers() == [WITHDRAWN, "valid"]


# Cancellation


@pytest.mark.parametrize("kind", Kind)
async def test_what_nobody_waits_for_any_more_is_not_run(kind: Kind) -> None:
    async with streams() as several:
        gone = several.ask(kind, "ann")
        several.ask(kind, "bob")
        gone.cancel()
        assert await several.answers() == [CANCELLED, "bob"]
        assert several.engine.batches[1:] == [["bob"]]


async def test_a_promoted_final_that_nobody_waits_for_is_not_run() -> None:
    async with streams() as several:
        gone = several.ask(Kind.SPECULATIVE, "ann")
        several.ask(Kind.FINAL, "bob")
        several.lane.promote("ann", 0)
        gone.cancel()
        assert await several.answers() == [CANCELLED, "bob"]
        assert several.engine.batches[1:] == [["bob"]]


async def test_a_partial_that_nobody_waits_for_takes_no_final_with_it() -> None:
    async with streams() as several:
        several.ask(Kind.SPECULATIVE, "ann", 0, "final")
        gone = several.ask(Kind.PARTIAL, "ann", 0, "partial")
        several.lane.promote("ann", 0)
        gone.cancel()
        assert await several.answers() == ["final", CANCELLED]


async def test_a_newer_decode_may_come_at_the_moment_of_a_cancellation() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann", 0, "older").cancel()
        several.ask(Kind.PARTIAL, "ann", 0, "newer")
        assert await several.answers() == [CANCELLED, "newer"]


async def test_a_cancellation_at_the_moment_of_the_turn_is_in_time() -> None:
    def cancels() -> None:
        gone.cancel()

    async with streams() as several:
        several.submit(several.job(Kind.PARTIAL, "ann"), cancels)
        gone = several.submit(several.job(Kind.PARTIAL, "bob"), lambda: decode(Kind.PARTIAL, "bob"))
        several.ask(Kind.PARTIAL, "cid")
        assert await several.answers() == [DECLINED, CANCELLED, "cid"]
        assert several.engine.batches[1:] == [["cid"]]


async def test_a_decode_that_runs_may_be_cancelled() -> None:
    async with streams() as several:
        several.eve.cancel()
        several.ask(Kind.FINAL, "ann")
        assert await several.answers() == ["ann"]
        assert said(several.eve) == CANCELLED
