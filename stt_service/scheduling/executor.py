"""The executor: one queue for all models, the threads that run batches, and a future for each decode.

States. A submitted decode is pending: it has a future and a factory, and its job is queued in the scheduler. When a
worker is free and the model has a free slot, the scheduler forms a batch: the factory makes the decode, which then
runs on a thread. The future ends in exactly one of five ways: with a result, WITHDRAWN (before its batch started),
DECLINED (its factory returned None when the batch started), with an exception, or canceled by its owner.

Batches form by themselves: what arrives while a batch runs is the next batch. No timer collects decodes, so that a
single stream never waits for other streams. The window of a partial is cut only when its batch starts, and therefore
contains the latest audio.

Inputs. `submit`, `promote` and `withdraw` are called on the event loop; cancelling a future withdraws its job. `run`
has one task per worker. All state belongs to the event loop: threads only run `transcribe`. `queue_length` alone can
be called from any thread.

Invariants. At most `workers` batches run, and of each model at most its slots; a batch occupies both until its
results are delivered. `finish` of the scheduler follows each batch, whether it succeeded, failed or was canceled.
A failure of the model fails the decodes of its batch, and a failure of a factory only its own decode; the executor
goes on. Every end of a batch wakes all workers: a job that could not take the last free worker may run now.
The queue is bounded by its users: one partial and a limited number of pending finals per stream (`scheduler.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stt_service.errors import InferenceError, InvalidRequestError
from stt_service.scheduling.loop_budget import LoopBudget
from stt_service.scheduling.scheduler import Scheduler
from stt_service.scheduling.types import (
    BatchObserver,
    BatchStats,
    Clock,
    DecodeFactory,
    DecodeFuture,
    DecodeJob,
    DecodeResult,
    ExecutorModel,
    NotDecoded,
    QueueSnapshot,
    QueueWait,
)
from stt_service.session.events import Decode, DecodeTiming
from stt_service.whisper.types import Kind, Transcript


def _ignore(_: BatchStats) -> None:
    pass


@dataclass(frozen=True, slots=True, eq=False)
class _PendingDecode:
    make_decode: DecodeFactory
    future: DecodeFuture
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class _BatchItem:
    """A decode whose batch has started."""

    job: DecodeJob
    decode: Decode
    pending: _PendingDecode


class BatchExecutor:
    """Runs decodes of any models for any number of streams. Everything except inference runs on the event loop."""

    def __init__(
        self,
        max_batch: int,
        workers: int = 1,
        now: Clock = time.monotonic,
        *,
        separate_streams: bool = False,
    ) -> None:
        self._scheduler = Scheduler[ExecutorModel](max_batch, workers, separate_streams=separate_streams)
        self.workers, self._now = workers, now
        self._pending: dict[DecodeJob, _PendingDecode] = {}
        self._running: list[ExecutorModel] = []  # the model of each running batch
        self._batches: list[list[_BatchItem]] = []  # the items of each running batch
        self._changed = asyncio.Event()
        self.loop_budget = LoopBudget(now)  # the other resource that all streams share

    @property
    def running_batches(self) -> int:
        """How many batches run; at most one per worker."""
        return len(self._running)

    def queue_snapshot(self) -> QueueSnapshot:
        """Return the state of the queue now."""
        now, count = self._now(), Counter[Kind]()
        longest, by_stream = dict.fromkeys(Kind, 0.0), dict[Hashable, float]()
        for kind in Kind:
            for job, since in self._scheduler.queued(kind):
                count[kind] += 1
                by_stream[job.stream] = max(by_stream.get(job.stream, 0.0), now - since)
                if job.realtime:
                    longest[kind] = max(longest[kind], now - since)
        return QueueSnapshot(count, longest, by_stream)

    def queue_length(self, kind: Kind) -> int:
        """Return how many decodes of the kind are queued. Can be called from any thread."""
        return self._scheduler.queue_length(kind)

    def submit(self, job: DecodeJob, make_decode: DecodeFactory) -> DecodeFuture:
        """Queue the job; `make_decode` is called when its batch starts. Cancelling the future withdraws the job.

        The future raises InferenceError if the model fails.
        """
        now = self._now()
        pending = _PendingDecode(make_decode, asyncio.get_running_loop().create_future(), now)
        superseded = self._scheduler.submit(job, now)
        if superseded is not None:
            self._resolve_withdrawn(superseded)
        self._pending[job] = pending
        pending.future.add_done_callback(lambda _: self._forget(job, pending))
        self._changed.set()
        return pending.future

    def promote(self, stream: Hashable, utterance: int) -> None:
        """Queue the speculative finals of the utterance as finals."""
        self._scheduler.promote(stream, utterance)

    def withdraw(self, stream: Hashable, utterance: int, number: int = 0) -> None:
        """Remove the speculative final from the queue, if it is there. One that was promoted stays."""
        job = self._scheduler.withdraw_speculative(stream, utterance, number)
        if job is not None:
            self._resolve_withdrawn(job)

    async def run(self, on_batch: BatchObserver = _ignore) -> None:
        """Run batches until canceled; call `on_batch` after each. A cancellation waits for the running batches."""
        with ThreadPoolExecutor(self.workers, "engine") as threads:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.workers):
                    tasks.create_task(self._work(threads, on_batch))

    async def _work(self, threads: ThreadPoolExecutor, on_batch: BatchObserver) -> None:
        loop = asyncio.get_running_loop()
        while True:
            model, jobs, items = await self._next_batch()
            started, failed = self._now(), True
            self._batches.append(items)
            try:
                windows = [item.decode.window for item in items]
                transcripts = await loop.run_in_executor(threads, model.transcribe, windows)
                _deliver(items, transcripts, started, self._now() - started, self._is_idle_for)
                failed = False
            except Exception as error:  # goes to the futures; the executor goes on
                _fail(items, error)
            finally:
                on_batch(_stats(items, started, self._now() - started, failed))
                self._batches.remove(items)
                self._running.remove(model)
                self._scheduler.finish(jobs, self._now() - started)
                self._changed.set()  # a job that could not take the last free worker may run now

    async def _next_batch(self) -> tuple[ExecutorModel, list[DecodeJob], list[_BatchItem]]:
        """Wait for a batch, and occupy a slot of its model."""
        while True:
            self._changed.clear()
            while jobs := self._scheduler.next_batch(self._now(), self._free_slots):
                items = [item for job in jobs if (item := _make_item(job, self._pending.pop(job))) is not None]
                if items:
                    model = jobs[0].model
                    self._running.append(model)
                    return model, jobs, items
                self._scheduler.finish(jobs, 0.0)
            await self._changed.wait()

    def _free_slots(self, model: ExecutorModel) -> int:
        """Return how many batches of the model can start."""
        return min(model.slots - self._running.count(model), self.workers - len(self._running))

    def _is_idle_for(self, stream: Hashable) -> bool:
        """Return whether further decodes of the stream would delay no other stream.

        No decode of another stream is queued, and other streams leave at least two workers free, or the only one.
        """
        if any(job.stream != stream for kind in Kind for job, _ in self._scheduler.queued(kind)):
            return False
        others = sum(any(item.job.stream != stream for item in items) for items in self._batches)
        return others < max(1, self.workers - 1)

    def _resolve_withdrawn(self, job: DecodeJob) -> None:
        future = self._pending.pop(job).future
        if not future.done():  # it can have been canceled just now
            future.set_result(NotDecoded.WITHDRAWN)

    def _forget(self, job: DecodeJob, pending: _PendingDecode) -> None:
        """Withdraw the job of a future that was canceled."""
        if self._pending.get(job) is pending:
            del self._pending[job]
            self._scheduler.withdraw(job)


def _make_item(job: DecodeJob, pending: _PendingDecode) -> _BatchItem | None:
    """Make the decode whose batch starts; None when it is no longer needed."""
    if pending.future.done():  # it was canceled just now
        return None
    try:
        decode = pending.make_decode()
    except Exception as error:  # goes to its future; the other decodes of the batch go on
        pending.future.set_exception(error)
        return None
    if decode is None:
        pending.future.set_result(NotDecoded.DECLINED)
        return None
    return _BatchItem(job, decode, pending)


def _deliver(
    items: Sequence[_BatchItem],
    transcripts: Sequence[Transcript],
    started: float,
    inference_s: float,
    is_idle_for: Callable[[Hashable], bool],
) -> None:
    for item, transcript in zip(items, transcripts, strict=True):
        if not item.pending.future.done():
            timing = DecodeTiming(started - item.pending.since, inference_s, len(items), is_idle_for(item.job.stream))
            item.pending.future.set_result(DecodeResult(item.decode, transcript, timing))


def _stats(items: Sequence[_BatchItem], started: float, took_s: float, failed: bool) -> BatchStats:
    waits = [QueueWait(started - item.pending.since, item.job.realtime) for item in items]
    return BatchStats(items[0].job.kind, waits, took_s, failed)


def _fail(items: Sequence[_BatchItem], error: Exception) -> None:
    failure = error if isinstance(error, InferenceError) else InferenceError(f"the model failed: {error!r}")
    for item in items:
        if not item.pending.future.done():
            item.pending.future.set_exception(failure)


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The executor, and the models of one stream: chosen when it opens, unchanged until it ends."""

    executor: BatchExecutor
    finals: ExecutorModel
    partials: ExecutorModel

    def model(self, kind: Kind, language: str) -> ExecutorModel:
        """Return the model of the decode: that of finals for partials in a language that theirs does not support."""
        is_supported = self.partials.multilingual or language == "en"
        return self.partials if kind is Kind.PARTIAL and is_supported else self.finals

    def check_language(self, language: str) -> None:
        """Reject a language that the model of finals does not support.

        Raises:
            InvalidRequestError: with the language.
        """
        if not self.finals.multilingual and language not in ("en", "auto"):
            raise InvalidRequestError(
                f"Invalid language={language!r}: the model of this server supports English only, "
                "request en or use another server.",
                "language",
            )
