"""Which decodes share the next batch, over all models: finals before early finals before partials, fair shares to all.

Policy only: `batcher.py` runs it, and brings the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from stt_service.scheduling.fair_queueing import FairShares, OwnerPath
from stt_service.scheduling.worker_reserve import WorkerReserve
from stt_service.whisper.types import Kind

# A stream that runs ahead of the clock waits at most so long behind those that do not. Ours: a person who waits for
# a file does not mind, and a file's client does not think it dead.
RECORDING_MAX_WAIT_S = 5.0
# Of decode time that a client may be behind its share and catch up on: some finals. Ours.
CREDIT_S = 5.0

FreeSlots = Callable[[Hashable], int]  # how many batches of a model may begin now


@dataclass(frozen=True, slots=True)
class Job:
    """A decode that asks for its turn."""

    stream: Hashable
    utterance: int
    kind: Kind
    model: Hashable = None
    realtime: bool = True  # its stream does not run ahead of the clock
    number: int = 0  # of the utterance's finals, early or not
    client: Hashable = None  # who pays for it

    @property
    def owner(self) -> OwnerPath:
        """Who shares decode time with whom: clients, then a client's dictations with its recordings, then streams."""
        return self.client, self.realtime, self.stream

    @property
    def is_long(self) -> bool:
        """Whether it may run for long: a partial's window is short, and it is decoded once."""
        return self.kind is not Kind.PARTIAL


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    since: float

    def is_urgent(self, now: float) -> bool:
        return self.job.realtime or now - self.since >= RECORDING_MAX_WAIT_S


def _one_at_a_time(_: Hashable) -> int:
    return 1


class Scheduler:
    """What waits for the models.

    First come finals, early finals and partials of live streams, in this order; then the same of streams that run
    ahead of the clock. What has waited for PATIENCE_S goes with its kind of live streams.
    Of a kind, clients have equal shares of decode time (fair_shares.py), then the streams of one client. Whose jobs
    have cost equally much take turns: who was served goes behind all who wait.
    A batch holds jobs of one kind and one model, and one job of each client, then of each stream, before a second one
    of any. Where several batches of the model may begin, they share what waits evenly.
    Where company gains little (`apart`), a batch of finals is of one stream.
    Finals of one client never take the last free worker while another client is active (reserve.py).

    A stream has at most one partial waiting: a newer one takes its place in the queue, a final removes it.
    Overload thus costs partials, never finals. Finals are bounded by what a stream may be owed, and an utterance's
    by its length.
    Times are seconds of any one clock.
    """

    def __init__(self, max_batch: int, workers: int = 1, *, separate_streams: bool = False) -> None:
        """Take whether long jobs of different streams run apart: a batch takes as long as its longest row."""
        self._max_batch, self._apart = max_batch, separate_streams
        self._shares, self._reserve = FairShares(CREDIT_S), WorkerReserve(workers)
        self._queues: dict[Kind, dict[Hashable, _Waiting]] = {kind: {} for kind in Kind}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def queued(self, kind: Kind) -> Iterator[tuple[Job, float]]:
        """Return the jobs that go with this kind, and since when each waits."""
        return ((waiting.job, waiting.since) for waiting in self._queues[kind].values())

    def queue_length(self, kind: Kind) -> int:
        """Return how many they are."""
        return len(self._queues[kind])

    def submit(self, job: Job, now: float) -> Job | None:
        """Queue the job; return the partial that it makes needless, which waits no longer."""
        partials = self._queues[Kind.PARTIAL]
        needless = partials.get(job.stream) if job.kind is Kind.PARTIAL else partials.pop(job.stream, None)
        self._queues[job.kind][_key(job)] = _Waiting(job, now)  # a dict keeps an older one's place
        return needless.job if needless else None

    def promote(self, stream: Hashable, utterance: int) -> None:
        """Let the early finals of the utterance that wait go with the finals."""
        early = self._queues[Kind.SPECULATIVE]
        for key in [key for key, waiting in early.items() if _is_of(waiting.job, stream, utterance)]:
            self._queues[Kind.FINAL][key] = early.pop(key)

    def withdraw_speculative(self, stream: Hashable, utterance: int, number: int = 0) -> Job | None:
        """Forget the early final, and return it; None when it does not wait, or was promoted."""
        waiting = self._queues[Kind.SPECULATIVE].pop((stream, utterance, number), None)
        return waiting.job if waiting else None

    def withdraw(self, job: Job) -> bool:
        """Forget the job; tell whether it was waiting."""
        key = _key(job)
        for queue in self._queues.values():
            if key in queue and queue[key].job == job:
                del queue[key]
                return True
        return False

    def next_batch(self, now: float, free_slots: FreeSlots = _one_at_a_time) -> list[Job]:
        """Take the jobs to run now on one of the models that have room; empty when there are none.

        `done` must follow for each batch.
        """
        owners = {waiting.job.owner for queue in self._queues.values() for waiting in queue.values()}
        self._reserve.update(owners, now)
        for urgent in (True, False):
            for queue in self._queues.values():
                ready = [
                    waiting.job
                    for waiting in queue.values()
                    if waiting.is_urgent(now) is urgent
                    and free_slots(waiting.job.model) > 0
                    and (not waiting.job.is_long or self._reserve.allows(waiting.job.owner))
                ]
                if ready:
                    ready = [ready[place] for place in self._shares.order([job.owner for job in ready])]
                    return self._take(queue, self._together(ready), free_slots(ready[0].model), now)
        return []

    def _together(self, ready: Sequence[Job]) -> list[Job]:
        """Return the first job and those that may be decoded with it."""
        first = ready[0]
        apart = self._apart and first.is_long
        return [job for job in ready if job.model == first.model and not (apart and job.owner != first.owner)]

    def finish(self, jobs: Sequence[Job], seconds: float) -> None:
        """Take note of how long a batch of `next_batch` took; 0: it did not run."""
        if jobs[0].is_long:
            self._reserve.end({job.owner for job in jobs})
        for job in jobs:
            self._shares.end(job.owner, seconds / len(jobs))

    def _take(self, queue: dict[Hashable, _Waiting], ready: list[Job], batches: int, now: float) -> list[Job]:
        """Take the first of so many batches, and move what its owners have left to the queue's end."""
        batch = ready[: min(self._max_batch, ceil(len(ready) / batches))]
        for job in batch:
            del queue[_key(job)]
            self._shares.begin(job.owner)
        owners = {job.owner for job in batch}
        self._reserve.record_served(owners, now)
        if batch[0].is_long:
            self._reserve.begin(owners)
        for level in range(1, len(batch[0].owner) + 1):
            served = {job.owner[:level] for job in batch}
            for key in [key for key, waiting in queue.items() if waiting.job.owner[:level] in served]:
                queue[key] = queue.pop(key)
        return batch


def _key(job: Job) -> Hashable:
    return job.stream if job.kind is Kind.PARTIAL else (job.stream, job.utterance, job.number)


def _is_of(job: Job, stream: Hashable, utterance: int) -> bool:
    return (job.stream, job.utterance) == (stream, utterance)
