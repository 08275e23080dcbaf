"""One lane per loaded model: the engine's thread, and the futures of those who wait for it.

Batches form by themselves: what arrives while one runs is the next one. No timer collects them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stt_service.errors import EngineFailed
from stt_service.events import Cost, Decode
from stt_service.scheduler import Job, Scheduler
from stt_service.transcript import Kind, Transcript, Window

Transcribe = Callable[[Sequence[Window]], list[Transcript]]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A transcript and what it cost."""

    transcript: Transcript
    cost: Cost


@dataclass(slots=True, eq=False)
class _Waiter:
    window: Window
    future: asyncio.Future[Decoded | None]
    since: float


class Lane:
    """Decodes for one model, from any number of streams."""

    def __init__(self, transcribe: Transcribe, max_batch: int) -> None:
        self._transcribe = transcribe
        self._scheduler = Scheduler(max_batch)
        self._waiters: dict[Hashable, _Waiter] = {}
        self._arrived = asyncio.Event()

    async def decode(self, stream: Hashable, decode: Decode) -> Decoded | None:
        """Wait for the decode's turn and its transcript; None if a newer decode made it needless.

        Cancelling withdraws it if it still waits.

        Raises:
            EngineFailed: when the model could not run.
        """
        job = Job(stream, decode.utterance, decode.kind)
        waiter = _Waiter(decode.window, asyncio.get_running_loop().create_future(), time.monotonic())
        superseded = self._scheduler.submit(job)
        for outdated in (job, superseded) if superseded else (job,):
            waiting = self._waiters.pop(_key(outdated), None)
            if waiting is not None and not waiting.future.done():  # cancelled just now
                waiting.future.set_result(None)
        self._waiters[_key(job)] = waiter
        self._arrived.set()
        try:
            return await waiter.future
        finally:
            if self._waiters.get(_key(job)) is waiter:
                del self._waiters[_key(job)]
                if not self._scheduler.withdraw(job):  # it was promoted
                    self._scheduler.withdraw(Job(stream, decode.utterance, Kind.FINAL))

    def promote(self, stream: Hashable, utterance: int) -> None:
        """Let the early final, if it still waits, go with the finals."""
        self._scheduler.promote(stream, utterance)

    async def run(self) -> None:
        """Run batches until cancelled, which waits for the one that is running."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="engine") as engine:
            while True:
                await self._arrived.wait()
                batch = [self._waiters.pop(_key(job)) for job in self._scheduler.next_batch()]
                if not batch:
                    self._arrived.clear()
                    continue
                began = time.monotonic()
                windows = [waiter.window for waiter in batch]
                try:
                    transcripts = await loop.run_in_executor(engine, self._transcribe, windows)
                except Exception as error:  # goes to those who wait; the lane lives on
                    _fail(batch, error)
                    continue
                _deliver(batch, transcripts, began)


def _key(job: Job) -> Hashable:
    """A final takes the place of the early one of its utterance."""
    return job.stream, job.utterance, job.kind is Kind.PARTIAL


def _deliver(batch: Sequence[_Waiter], transcripts: Sequence[Transcript], began: float) -> None:
    inference_s = time.monotonic() - began
    for waiter, transcript in zip(batch, transcripts, strict=True):
        if not waiter.future.done():
            cost = Cost(began - waiter.since, inference_s, len(batch))
            waiter.future.set_result(Decoded(transcript, cost))


def _fail(batch: Sequence[_Waiter], error: Exception) -> None:
    failure = error if isinstance(error, EngineFailed) else EngineFailed(f"the model failed: {error!r}")
    for waiter in batch:
        if not waiter.future.done():
            waiter.future.set_exception(failure)
