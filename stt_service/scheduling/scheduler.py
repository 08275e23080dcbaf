"""The order in which decodes run, and which of them share a batch.

States. A job is queued under its kind (final, speculative final or partial), then runs in a batch, then is finished.
A queued job can leave earlier: it is superseded by another job of its stream, or withdrawn.

Inputs. `submit`, `promote`, `withdraw_speculative` and `withdraw` change the queues. `next_batch` takes jobs out of
them, and `finish` must follow for each batch. Times are seconds of any one clock, passed in by the caller: the
scheduler has no clock, no threads and no event loop. `executor.py` has these, `evaluation/simulator.py` simulates them.

Order. Finals, speculative finals and partials of real-time streams run first, in this order; then the same kinds of
streams that run faster than real time. A job of those that has waited for RECORDING_MAX_WAIT_S counts as real-time.
Within a kind, clients have equal shares of decode time (`fair_queueing.py`), then the streams of one client. Jobs
whose owners have used equally much run round-robin: an owner that was served moves to the end of the queue.

Batches. A batch holds jobs of one kind and one model, and one job of each client, then of each stream, before a second
one of any of them. If several batches of the model can start now, they share the queued jobs evenly. With
`separate_streams` a batch of finals belongs to one stream: it takes as long as its longest item, and on a CPU a batch
saves little. Finals of one client never occupy the last free worker while another client is active
(`worker_reserve.py`).

Invariants. A stream has at most one partial in the queue: a newer one takes its position, a final or a
speculative final removes it. Overload
thus drops partials, never finals. The queues are bounded: finals by a stream's limit of pending finals, the parts of
one final by the length of its utterance. A job is in at most one queue and in at most one batch, once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeAlias, TypeVar

from stt_service.scheduling.fair_queueing import FairShares, OwnerPath
from stt_service.scheduling.worker_reserve import WorkerReserve
from stt_service.whisper.types import Kind

# A job of a recording that has waited this long is scheduled as a real-time one. Our choice: a user who waits for a
# file does not notice, and the client does not take the server for hung.
RECORDING_MAX_WAIT_S = 5.0
# Unused decode time that a client may save up: that of some finals. Our choice.
CREDIT_S = 5.0

ModelT = TypeVar("ModelT", bound=Hashable)  # what identifies a model
StartableBatches: TypeAlias = Callable[[ModelT], int]  # returns how many batches of a model can start now


@dataclass(frozen=True, slots=True)
class Job(Generic[ModelT]):
    """A decode to be scheduled."""

    stream: Hashable
    utterance: int
    kind: Kind
    model: ModelT
    realtime: bool = True  # its stream does not run faster than real time
    number: int = 0  # of the utterance's finals, speculative or not
    client: Hashable = None  # the owner of the stream

    @property
    def owner(self) -> OwnerPath:
        """The levels that share decode time: clients, a client's dictations and its recordings, streams."""
        return self.client, self.realtime, self.stream

    @property
    def is_long(self) -> bool:
        """Whether it may run for long: a partial's window is short, and it is decoded once."""
        return self.kind is not Kind.PARTIAL


@dataclass(frozen=True, slots=True)
class _QueuedJob(Generic[ModelT]):
    job: Job[ModelT]
    since: float

    def is_urgent(self, now: float) -> bool:
        return self.job.realtime or now - self.since >= RECORDING_MAX_WAIT_S


def _one_at_a_time(_: object) -> int:
    return 1


class Scheduler(Generic[ModelT]):
    """The queued jobs, in the order and the batches that the module's docstring defines."""

    def __init__(self, max_batch: int, workers: int = 1, *, separate_streams: bool = False) -> None:
        self._max_batch, self._separate_streams = max_batch, separate_streams
        self._shares, self._reserve = FairShares(CREDIT_S), WorkerReserve(workers)
        self._queues: dict[Kind, dict[Hashable, _QueuedJob[ModelT]]] = {kind: {} for kind in Kind}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def queued(self, kind: Kind) -> Iterator[tuple[Job[ModelT], float]]:
        """Return the jobs queued under this kind, each with the time since which it waits."""
        return ((queued.job, queued.since) for queued in self._queues[kind].values())

    def queue_length(self, kind: Kind) -> int:
        """Return how many jobs are queued under this kind."""
        return len(self._queues[kind])

    def submit(self, job: Job[ModelT], now: float) -> Job[ModelT] | None:
        """Queue the job; return the partial that it supersedes, which is no longer queued."""
        partials = self._queues[Kind.PARTIAL]
        superseded = partials.get(job.stream) if job.kind is Kind.PARTIAL else partials.pop(job.stream, None)
        self._queues[job.kind][_key(job)] = _QueuedJob(job, now)  # a dict keeps the position of an older one
        return superseded.job if superseded else None

    def promote(self, stream: Hashable, utterance: int) -> None:
        """Queue the speculative finals of the utterance as finals."""
        speculative = self._queues[Kind.SPECULATIVE]
        for key in [key for key, queued in speculative.items() if _belongs_to(queued.job, stream, utterance)]:
            self._queues[Kind.FINAL][key] = speculative.pop(key)

    def withdraw_speculative(self, stream: Hashable, utterance: int, number: int = 0) -> Job[ModelT] | None:
        """Remove the speculative final and return it; None if it is not queued or was promoted."""
        queued = self._queues[Kind.SPECULATIVE].pop((stream, utterance, number), None)
        return queued.job if queued else None

    def withdraw(self, job: Job[ModelT]) -> bool:
        """Remove the job; return whether it was queued."""
        key = _key(job)
        for queue in self._queues.values():
            if key in queue and queue[key].job == job:
                del queue[key]
                return True
        return False

    def next_batch(self, now: float, free_slots: StartableBatches[ModelT] = _one_at_a_time) -> list[Job[ModelT]]:
        """Take the jobs to run now on one of the models that have free slots; empty when there are none.

        `finish` must follow for each batch.
        """
        owners = {queued.job.owner for queue in self._queues.values() for queued in queue.values()}
        self._reserve.update(owners, now)
        for urgent in (True, False):
            for queue in self._queues.values():
                ready = [
                    queued.job
                    for queued in queue.values()
                    if queued.is_urgent(now) is urgent
                    and free_slots(queued.job.model) > 0
                    and (not queued.job.is_long or self._reserve.allows(queued.job.owner))
                ]
                if ready:
                    ready = [ready[index] for index in self._shares.order([job.owner for job in ready])]
                    return self._take(queue, self._compatible(ready), free_slots(ready[0].model), now)
        return []

    def _compatible(self, ready: Sequence[Job[ModelT]]) -> list[Job[ModelT]]:
        """Return the first job and those that can share its batch."""
        first = ready[0]
        separate = self._separate_streams and first.is_long
        return [job for job in ready if job.model == first.model and not (separate and job.owner != first.owner)]

    def finish(self, jobs: Sequence[Job[ModelT]], seconds: float) -> None:
        """Record how long a batch of `next_batch` took; 0: it did not run."""
        if jobs[0].is_long:
            self._reserve.end({job.owner for job in jobs})
        for job in jobs:
            self._shares.end(job.owner, seconds / len(jobs))

    def _take(
        self, queue: dict[Hashable, _QueuedJob[ModelT]], ready: list[Job[ModelT]], batches: int, now: float
    ) -> list[Job[ModelT]]:
        """Take the first of so many batches, and move the other jobs of its owners to the end of the queue."""
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
            for key in [key for key, queued in queue.items() if queued.job.owner[:level] in served]:
                queue[key] = queue.pop(key)
        return batch


def _key(job: Job[ModelT]) -> Hashable:
    return job.stream if job.kind is Kind.PARTIAL else (job.stream, job.utterance, job.number)


def _belongs_to(job: Job[ModelT], stream: Hashable, utterance: int) -> bool:
    return (job.stream, job.utterance) == (stream, utterance)
