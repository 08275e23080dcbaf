"""The lane: one queue for all models, the threads that run batches, and the futures of those who wait.

Batches form by themselves: what arrives while one runs is the next one. No timer collects them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto

from stt_service.errors import InferenceError, InvalidRequestError
from stt_service.scheduling.loop_budget import LoopBudget
from stt_service.scheduling.scheduler import Job, Scheduler
from stt_service.session.events import Decode, DecodeTiming
from stt_service.whisper.types import Kind, Transcript, Window

Transcribe = Callable[[Sequence[Window]], list[Transcript]]
Clock = Callable[[], float]  # seconds
DecodeFactory = Callable[[], Decode | None]  # makes the decode when its turn has come; None: it is not wanted any more


@dataclass(frozen=True, slots=True, eq=False)
class ExecutorModel:
    """A loaded model, as many of whose batches may run at once as it has places."""

    transcribe: Transcribe
    slots: int = 1
    multilingual: bool = True


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """A decode, its transcript and what it cost."""

    decode: Decode
    transcript: Transcript
    timing: DecodeTiming


class NotDecoded(Enum):
    """Why there is no transcript."""

    WITHDRAWN = auto()  # before its turn: withdrawn, or a newer one made it needless
    DECLINED = auto()  # in its turn: nothing was cut


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """What waits for its turn at one moment, in all and by what it goes with."""

    count: Mapping[Kind, int]
    longest_s: Mapping[Kind, float]  # that a live stream waits
    longest_by_stream_s: Mapping[Hashable, float]


DecodeFuture = asyncio.Future[DecodeResult | NotDecoded]


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long a decode waited for its batch, and whether its stream does not run ahead of the clock."""

    waited_s: float
    realtime: bool


@dataclass(frozen=True, slots=True)
class BatchStats:
    """A batch that ran."""

    kind: Kind
    waits: Sequence[QueueWait]  # of its decodes
    took_s: float
    failed: bool


def _ignore(_: BatchStats) -> None:
    pass


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    cut: DecodeFactory
    answer: DecodeFuture
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class _BatchItem:
    """A decode whose turn has come."""

    job: Job
    decode: Decode
    waiter: _Pending


class BatchExecutor:
    """Decodes by any models for any number of streams. All but the models runs on the event loop."""

    def __init__(
        self,
        max_batch: int,
        workers: int = 1,
        now: Clock = time.monotonic,
        *,
        separate_streams: bool = False,
    ) -> None:
        self._scheduler = Scheduler(max_batch, workers, separate_streams=separate_streams)
        self.workers, self._now = workers, now
        self._waiters: dict[Job, _Pending] = {}
        self._running: list[Hashable] = []  # the models of the batches that run
        self._batches: list[list[_BatchItem]] = []  # what is in them
        self._changed = asyncio.Event()
        self.loop_budget = LoopBudget(now)  # the other thing that all streams share

    @property
    def running_batches(self) -> int:
        """How many batches run, of as many as there are workers."""
        return len(self._running)

    def queue_snapshot(self) -> QueueSnapshot:
        """Return what waits now."""
        now, count = self._now(), Counter[Kind]()
        longest, of_stream = dict.fromkeys(Kind, 0.0), dict[Hashable, float]()
        for kind in Kind:
            for job, since in self._scheduler.queued(kind):
                count[kind] += 1
                of_stream[job.stream] = max(of_stream.get(job.stream, 0.0), now - since)
                if job.realtime:
                    longest[kind] = max(longest[kind], now - since)
        return QueueSnapshot(count, longest, of_stream)

    def queue_length(self, kind: Kind) -> int:
        """Return how many of the kind wait; from any thread."""
        return self._scheduler.queue_length(kind)

    def submit(self, job: Job, cut: DecodeFactory) -> DecodeFuture:
        """Ask for the job's turn, in which `cut` makes its decode. Cancelling the answer withdraws the job.

        The answer raises EngineFailed when the model could not run.
        """
        now = self._now()
        waiter = _Pending(cut, asyncio.get_running_loop().create_future(), now)
        needless = self._scheduler.submit(job, now)
        if needless is not None:
            self._miss(needless)
        self._waiters[job] = waiter
        waiter.answer.add_done_callback(lambda _: self._forget(job, waiter))
        self._changed.set()
        return waiter.answer

    def promote(self, stream: Hashable, utterance: int) -> None:
        """Let the early finals of the utterance that still wait go with the finals."""
        self._scheduler.promote(stream, utterance)

    def withdraw(self, stream: Hashable, utterance: int, number: int = 0) -> None:
        """Take the early final, if it still waits, out of the queue. One that was promoted stays."""
        job = self._scheduler.withdraw_speculative(stream, utterance, number)
        if job is not None:
            self._miss(job)

    async def run(self, on_batch: Callable[[BatchStats], None] = _ignore) -> None:
        """Run batches until cancelled, which waits for those that are running; call `on_batch` after each."""
        with ThreadPoolExecutor(self.workers, "engine") as threads:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.workers):
                    tasks.create_task(self._work(threads, on_batch))

    async def _work(self, threads: ThreadPoolExecutor, on_batch: Callable[[BatchStats], None]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            model, jobs, rows = await self._next_batch()
            began, failed = self._now(), True
            self._batches.append(rows)
            try:
                windows = [row.decode.window for row in rows]
                transcripts = await loop.run_in_executor(threads, model.transcribe, windows)
                _deliver(rows, transcripts, began, self._now() - began, self._is_idle_for)
                failed = False
            except Exception as error:  # goes to those who wait; the lane lives on
                _fail(rows, error)
            finally:
                on_batch(_ran(rows, began, self._now() - began, failed))
                self._batches.remove(rows)
                self._running.remove(model)
                self._scheduler.finish(jobs, self._now() - began)
                self._changed.set()  # what may not take the last free worker may run now, beside what this one takes

    async def _next_batch(self) -> tuple[ExecutorModel, list[Job], list[_BatchItem]]:
        """Wait for a batch, and occupy a place of its model."""
        while True:
            self._changed.clear()
            while jobs := self._scheduler.next_batch(self._now(), self._room):
                rows = [row for job in jobs if (row := _row(job, self._waiters.pop(job))) is not None]
                if rows:
                    model = jobs[0].model
                    assert isinstance(model, ExecutorModel)
                    self._running.append(model)
                    return model, jobs, rows
                self._scheduler.finish(jobs, 0.0)
            await self._changed.wait()

    def _room(self, model: Hashable) -> int:
        """Return how many batches of the model may begin."""
        assert isinstance(model, ExecutorModel)
        return min(model.slots - self._running.count(model), self.workers - len(self._running))

    def _is_idle_for(self, stream: Hashable) -> bool:
        """Return whether more decodes of the stream would delay no other stream.

        Nothing of another stream waits, and other streams leave at least two workers free, or the only one.
        """
        if any(job.stream != stream for kind in Kind for job, _ in self._scheduler.queued(kind)):
            return False
        others = sum(any(row.job.stream != stream for row in rows) for rows in self._batches)
        return others < max(1, self.workers - 1)

    def _miss(self, job: Job) -> None:
        answer = self._waiters.pop(job).answer
        if not answer.done():  # cancelled just now
            answer.set_result(NotDecoded.WITHDRAWN)

    def _forget(self, job: Job, waiter: _Pending) -> None:
        """Withdraw the job of an answer that was cancelled."""
        if self._waiters.get(job) is waiter:
            del self._waiters[job]
            self._scheduler.withdraw(job)


def _row(job: Job, waiter: _Pending) -> _BatchItem | None:
    """Cut the decode whose turn has come; None when it is not wanted."""
    if waiter.answer.done():  # cancelled just now
        return None
    try:
        decode = waiter.cut()
    except Exception as error:  # goes to who waits; the others of the batch go on
        waiter.answer.set_exception(error)
        return None
    if decode is None:
        waiter.answer.set_result(NotDecoded.DECLINED)
        return None
    return _BatchItem(job, decode, waiter)


def _deliver(
    rows: Sequence[_BatchItem],
    transcripts: Sequence[Transcript],
    began: float,
    inference_s: float,
    is_idle_for: Callable[[Hashable], bool],
) -> None:
    for row, transcript in zip(rows, transcripts, strict=True):
        if not row.waiter.answer.done():
            cost = DecodeTiming(began - row.waiter.since, inference_s, len(rows), is_idle_for(row.job.stream))
            row.waiter.answer.set_result(DecodeResult(row.decode, transcript, cost))


def _ran(rows: Sequence[_BatchItem], began: float, took_s: float, failed: bool) -> BatchStats:
    waits = [QueueWait(began - row.waiter.since, row.job.realtime) for row in rows]
    return BatchStats(rows[0].job.kind, waits, took_s, failed)


def _fail(rows: Sequence[_BatchItem], error: Exception) -> None:
    failure = error if isinstance(error, InferenceError) else InferenceError(f"the model failed: {error!r}")
    for row in rows:
        if not row.waiter.answer.done():
            row.waiter.answer.set_exception(failure)


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The lane, and which model is for what."""

    executor: BatchExecutor
    finals: ExecutorModel
    partials: ExecutorModel

    def model(self, kind: Kind, language: str) -> ExecutorModel:
        """Return the model of the decode: partials that their model cannot read go to the finals'."""
        knows = self.partials.multilingual or language == "en"
        return self.partials if kind is Kind.PARTIAL and knows else self.finals

    def check_language(self, language: str) -> None:
        """Refuse a language that the model of finals does not know.

        Raises:
            InvalidRequest: naming it.
        """
        if not self.finals.multilingual and language not in ("en", "auto"):
            raise InvalidRequestError(
                f"Invalid language={language!r}: the model of this server knows English only, "
                "ask for en or another server."
            )
