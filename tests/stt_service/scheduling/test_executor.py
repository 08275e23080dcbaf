"""The executor: batches, concurrent workers, results, failures, withdrawal and cancellation."""

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
from tests.support.models.blocking_engine import BlockingEngine, decode

pytestmark = pytest.mark.timeout(30)
CANCELLED = "(cancelled)"


class Streams:
    """Streams that share one executor. The decode of stream `eve` was submitted before all others."""

    def __init__(self, executor: BatchExecutor, engine: BlockingEngine, slots: int) -> None:
        self.executor, self.engine = executor, engine
        self.model = ExecutorModel(engine.transcribe, slots)
        self._futures: list[DecodeFuture] = []
        self.eve = self.submit_decode(Kind.SPECULATIVE, "eve")
        self._futures = []

    def submit_decode(self, kind: Kind, stream: str, utterance: int = 0, name: str = "") -> DecodeFuture:
        """Submit a decode. Its text is `name`, or else the name of its stream."""
        return self.submit(self.job(kind, stream, utterance), lambda: decode(kind, name or stream))

    def job(self, kind: Kind, stream: str, utterance: int = 0) -> DecodeJob:
        return Job(stream, utterance, kind, self.model)

    def submit(self, job: DecodeJob, make_decode: DecodeFactory) -> DecodeFuture:
        self._futures.append(self.executor.submit(job, make_decode))
        return self._futures[-1]

    async def outcomes(self) -> list[str]:
        """Run the model; return the outcomes of all decodes after that of `eve`, in the order of submission."""
        self.engine.release()
        if self._futures:
            await asyncio.wait(self._futures)
        return [outcome_of(future) for future in self._futures]


def outcome_of(future: DecodeFuture) -> str:
    if future.cancelled():
        return CANCELLED
    if (error := future.exception()) is not None:
        return str(error)
    result = future.result()
    return result.name if isinstance(result, NotDecoded) else result.transcript.text


WITHDRAWN, DECLINED = NotDecoded.WITHDRAWN.name, NotDecoded.DECLINED.name


@asynccontextmanager
async def running_streams(max_batch: int = 8, workers: int = 1, slots: int = 1) -> AsyncIterator[Streams]:
    """Yield streams while a worker runs the speculative final of `eve`; it ends when outcomes are requested."""
    engine = BlockingEngine()
    executor = BatchExecutor(max_batch, workers)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(executor.run())
        streams = Streams(executor, engine, slots)
        await engine.entered()
        try:
            yield streams
        finally:
            engine.release()
            task.cancel()


async def test_result_has_the_transcript_and_the_timing() -> None:
    async with running_streams() as streams:
        future = streams.submit_decode(Kind.FINAL, "ann")
        streams.submit_decode(Kind.FINAL, "bob")
        await streams.outcomes()
        decoded = await future
        assert isinstance(decoded, DecodeResult)
        assert decoded.transcript.text == "ann"
        assert decoded.timing.batch == 2
        assert decoded.timing.queue_s > 0
        assert decoded.timing.inference_s > 0


async def test_decodes_submitted_during_a_batch_form_the_next_one() -> None:
    async with running_streams() as streams:
        for stream in ("ann", "bob", "cid"):
            streams.submit_decode(Kind.FINAL, stream)
        assert await streams.outcomes() == ["ann", "bob", "cid"]
        assert streams.engine.batches == [["eve"], ["ann", "bob", "cid"]]


async def test_batch_has_at_most_the_maximum_size() -> None:
    async with running_streams(max_batch=2) as streams:
        for stream in ("ann", "bob", "cid"):
            streams.submit_decode(Kind.FINAL, stream)
        assert await streams.outcomes() == ["ann", "bob", "cid"]
        assert streams.engine.batches[1:] == [["ann", "bob"], ["cid"]]


async def test_finals_run_before_speculative_finals_and_those_before_partials() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.PARTIAL, "ann")
        streams.submit_decode(Kind.SPECULATIVE, "bob")
        streams.submit_decode(Kind.FINAL, "cid")
        await streams.outcomes()
        assert streams.engine.batches[1:] == [["cid"], ["bob"], ["ann"]]


async def test_newer_partial_supersedes_the_queued_one() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.PARTIAL, "ann", 0, "older")
        streams.submit_decode(Kind.PARTIAL, "bob")
        streams.submit_decode(Kind.PARTIAL, "ann", 0, "newer")
        streams.submit_decode(Kind.PARTIAL, "ann", 1, "newest")
        assert await streams.outcomes() == [WITHDRAWN, "bob", WITHDRAWN, "newest"]
        assert streams.engine.batches[1:] == [["newest", "bob"]]


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.SPECULATIVE])
async def test_final_supersedes_the_queued_partial_of_its_stream(kind: Kind) -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.PARTIAL, "ann", 0, "partial")
        streams.submit_decode(kind, "ann")
        streams.submit_decode(Kind.PARTIAL, "bob")
        assert await streams.outcomes() == [WITHDRAWN, "ann", "bob"]


async def test_running_decode_is_not_superseded() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.PARTIAL, "eve", 0, "partial")
        streams.submit_decode(Kind.FINAL, "eve", 0, "final")
        assert await streams.outcomes() == [WITHDRAWN, "final"]
        assert outcome_of(streams.eve) == "eve"


async def test_promoted_speculative_final_runs_with_the_finals() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.SPECULATIVE, "ann")
        streams.submit_decode(Kind.SPECULATIVE, "bob")
        streams.submit_decode(Kind.FINAL, "cid")
        streams.executor.promote("bob", 0)
        assert await streams.outcomes() == ["ann", "bob", "cid"]
        assert streams.engine.batches[1:] == [["cid", "bob"], ["ann"]]


async def test_promotion_resolves_all_futures() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.SPECULATIVE, "ann", 0, "speculative")
        streams.submit_decode(Kind.PARTIAL, "ann", 1, "partial of the next")
        streams.executor.promote("ann", 0)
        streams.executor.promote("bob", 0)
        assert await streams.outcomes() == ["speculative", "partial of the next"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(InferenceError("the model failed"), "the model failed", id="InferenceError"),
        pytest.param(MemoryError("all gone"), "the model failed: MemoryError('all gone')", id="unexpected"),
    ],
)
async def test_failure_reaches_the_whole_batch_and_the_executor_continues(error: Exception, message: str) -> None:
    async with running_streams() as streams:
        streams.engine.failures["bob"] = error
        for stream in ("ann", "bob"):
            streams.submit_decode(Kind.FINAL, stream)
        streams.submit_decode(Kind.SPECULATIVE, "cid")
        assert await streams.outcomes() == [message, message, "cid"]


async def test_model_that_returns_too_few_transcripts_has_failed() -> None:
    async with running_streams() as streams:
        streams.model = ExecutorModel(lambda windows: [])
        streams.submit_decode(Kind.FINAL, "ann")
        [message] = await streams.outcomes()
        assert message.startswith("the model failed: ValueError")


# Start of a batch


async def test_window_is_cut_when_its_batch_starts() -> None:
    async with running_streams() as streams:
        audio = ["old"]
        streams.submit(streams.job(Kind.PARTIAL, "ann"), lambda: decode(Kind.PARTIAL, audio[-1]))
        audio.append("new")
        assert await streams.outcomes() == ["new"]


async def test_result_has_the_decode_that_was_made() -> None:
    async with running_streams() as streams:
        expected = decode(Kind.PARTIAL, "ann")
        future = streams.submit(streams.job(Kind.PARTIAL, "ann"), lambda: expected)
        await streams.outcomes()
        decoded = future.result()
        assert isinstance(decoded, DecodeResult)
        assert decoded.decode is expected


async def test_declined_decode_does_not_affect_the_rest_of_the_batch() -> None:
    async with running_streams() as streams:
        streams.submit(streams.job(Kind.PARTIAL, "ann"), lambda: None)
        streams.submit_decode(Kind.PARTIAL, "bob")
        assert await streams.outcomes() == [DECLINED, "bob"]
        assert streams.engine.batches[1:] == [["bob"]]


async def test_next_batch_runs_after_all_decodes_declined() -> None:
    async with running_streams(max_batch=1) as streams:
        streams.submit(streams.job(Kind.PARTIAL, "ann"), lambda: None)
        streams.submit_decode(Kind.PARTIAL, "bob")
        assert await streams.outcomes() == [DECLINED, "bob"]
        assert streams.engine.batches[1:] == [["bob"]]


async def test_factory_that_fails_does_not_affect_other_decodes() -> None:
    def fail() -> Decode:
        raise ValueError("no window")

    async with running_streams() as streams:
        streams.submit(streams.job(Kind.PARTIAL, "ann"), fail)
        streams.submit_decode(Kind.PARTIAL, "bob")
        assert await streams.outcomes() == ["no window", "bob"]


async def test_client_with_slower_decodes_runs_less_often() -> None:
    durations_s, clock, run = {"slow": 10.0, "fast": 1.0}, [0.0], list[str]()

    def transcribe(windows: Sequence[Window]) -> list[Transcript]:
        names = [window.options.initial_prompt for window in windows]
        run.extend(names)
        clock[0] += sum(durations_s[name] for name in names)
        return [Transcript(name, "ru", 1, -0.2, 0, 1) for name in names]

    executor, model = BatchExecutor(max_batch=1, now=lambda: clock[0]), ExecutorModel(transcribe)
    async with asyncio.TaskGroup() as group:
        outcomes = [
            executor.submit(Job(name, number, Kind.FINAL, model, client=name), partial(decode, Kind.FINAL, name))
            for number in range(3)
            for name in durations_s
        ]
        task = group.create_task(executor.run())
        await asyncio.wait(outcomes)
        task.cancel()
    assert run == ["slow", "fast", "fast", "fast", "slow", "slow"]


# Several workers and models


async def test_free_worker_runs_queued_decodes() -> None:
    async with running_streams(workers=2, slots=2) as streams:
        streams.submit_decode(Kind.FINAL, "ann")
        await streams.engine.entered()
        assert streams.engine.batches == [["eve"], ["ann"]]


async def test_batches_of_a_model_with_one_slot_run_sequentially() -> None:
    async with running_streams(workers=2, slots=1) as streams:
        streams.submit_decode(Kind.FINAL, "ann")
        other = BlockingEngine()
        job = Job("bob", 0, Kind.PARTIAL, ExecutorModel(other.transcribe))
        streams.submit(job, lambda: decode(Kind.PARTIAL, "bob"))
        await other.entered()  # the other worker has looked for a batch since the decode of `ann` was submitted
        assert streams.engine.batches == [["eve"]]
        other.release()
        assert await streams.outcomes() == ["ann", "bob"]


async def test_free_workers_share_the_queued_decodes() -> None:
    async with running_streams(workers=3, slots=3) as streams:
        for stream in ("ann", "bob", "cid", "dan"):
            streams.submit_decode(Kind.FINAL, stream)
        await streams.outcomes()
        assert sorted(streams.engine.batches[1:]) == [["ann", "bob"], ["cid", "dan"]]


# Idle capacity


def was_idle(future: DecodeFuture) -> bool:
    """Return whether the decode was delivered while capacity was idle."""
    result = future.result()
    assert isinstance(result, DecodeResult)
    return result.timing.idle


async def test_capacity_is_idle_for_the_only_stream() -> None:
    async with running_streams() as streams:
        streams.engine.release()
        await asyncio.wait([streams.eve])
        assert was_idle(streams.eve)


async def test_queued_decodes_of_the_same_stream_leave_capacity_idle_for_it() -> None:
    async with running_streams(max_batch=1) as streams:
        streams.submit_decode(Kind.PARTIAL, "eve")
        await streams.outcomes()
        assert was_idle(streams.eve)


async def test_capacity_is_not_idle_while_another_stream_is_queued() -> None:
    async with running_streams(max_batch=1) as streams:
        last = streams.submit_decode(Kind.PARTIAL, "ann")
        await streams.outcomes()
        assert not was_idle(streams.eve)
        assert was_idle(last)


async def test_capacity_is_not_idle_while_the_only_other_worker_runs_another_stream() -> None:
    async with running_streams(workers=2, slots=1) as streams:
        other = BlockingEngine()
        submitted = streams.submit(
            Job("bob", 0, Kind.PARTIAL, ExecutorModel(other.transcribe)), lambda: decode(Kind.PARTIAL, "bob")
        )
        await other.entered()
        streams.engine.release()
        await asyncio.wait([streams.eve])
        other.release()
        await asyncio.wait([submitted])
        assert not was_idle(streams.eve)
        assert was_idle(submitted)


# Withdrawal


async def test_withdrawn_speculative_final_does_not_run() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.SPECULATIVE, "ann")
        streams.submit_decode(Kind.SPECULATIVE, "bob")
        streams.executor.withdraw("ann", 0)
        streams.executor.withdraw("ann", 1)
        assert await streams.outcomes() == [WITHDRAWN, "bob"]
        assert streams.engine.batches[1:] == [["bob"]]


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.PARTIAL])
async def test_withdrawal_removes_only_speculative_finals(kind: Kind) -> None:
    async with running_streams() as streams:
        streams.submit_decode(kind, "ann")
        streams.executor.withdraw("ann", 0)
        assert await streams.outcomes() == ["ann"]


async def test_promoted_speculative_final_is_not_withdrawn() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.SPECULATIVE, "ann")
        streams.executor.promote("ann", 0)
        streams.executor.withdraw("ann", 0)
        assert await streams.outcomes() == ["ann"]


async def test_withdrawal_does_not_stop_a_running_decode() -> None:
    async with running_streams() as streams:
        streams.executor.withdraw("eve", 0)
        streams.engine.release()
        await asyncio.wait([streams.eve])
        assert outcome_of(streams.eve) == "eve"


async def test_next_speculative_final_of_the_utterance_runs() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.SPECULATIVE, "ann", 0, "discarded")
        streams.executor.withdraw("ann", 0)
        streams.submit_decode(Kind.SPECULATIVE, "ann", 0, "valid")
        assert await streams.outcomes() == [WITHDRAWN, "valid"]


# Cancellation


@pytest.mark.parametrize("kind", Kind)
async def test_cancelled_decode_does_not_run(kind: Kind) -> None:
    async with running_streams() as streams:
        cancelled = streams.submit_decode(kind, "ann")
        streams.submit_decode(kind, "bob")
        cancelled.cancel()
        assert await streams.outcomes() == [CANCELLED, "bob"]
        assert streams.engine.batches[1:] == [["bob"]]


async def test_cancelled_promoted_final_does_not_run() -> None:
    async with running_streams() as streams:
        cancelled = streams.submit_decode(Kind.SPECULATIVE, "ann")
        streams.submit_decode(Kind.FINAL, "bob")
        streams.executor.promote("ann", 0)
        cancelled.cancel()
        assert await streams.outcomes() == [CANCELLED, "bob"]
        assert streams.engine.batches[1:] == [["bob"]]


async def test_cancelled_partial_does_not_cancel_a_final() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.SPECULATIVE, "ann", 0, "final")
        cancelled = streams.submit_decode(Kind.PARTIAL, "ann", 0, "partial")
        streams.executor.promote("ann", 0)
        cancelled.cancel()
        assert await streams.outcomes() == ["final", CANCELLED]


async def test_newer_decode_can_follow_a_cancellation_immediately() -> None:
    async with running_streams() as streams:
        streams.submit_decode(Kind.PARTIAL, "ann", 0, "older").cancel()
        streams.submit_decode(Kind.PARTIAL, "ann", 0, "newer")
        assert await streams.outcomes() == [CANCELLED, "newer"]


async def test_cancellation_while_the_batch_starts_is_in_time() -> None:
    def cancels() -> None:
        cancelled.cancel()

    async with running_streams() as streams:
        streams.submit(streams.job(Kind.PARTIAL, "ann"), cancels)
        cancelled = streams.submit(streams.job(Kind.PARTIAL, "bob"), lambda: decode(Kind.PARTIAL, "bob"))
        streams.submit_decode(Kind.PARTIAL, "cid")
        assert await streams.outcomes() == [DECLINED, CANCELLED, "cid"]
        assert streams.engine.batches[1:] == [["cid"]]


async def test_running_decode_can_be_canceled() -> None:
    async with running_streams() as streams:
        streams.eve.cancel()
        streams.submit_decode(Kind.FINAL, "ann")
        assert await streams.outcomes() == ["ann"]
        assert outcome_of(streams.eve) == CANCELLED
