"""Which decodes share the next batch, over all models: finals before early finals before partials, streams in turns.

Policy only: `batcher.py` runs it, and brings the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from stt_service.transcript import Kind

# A stream that runs ahead of the clock waits at most so long behind those that do not. Ours: a person who waits for
# a file does not mind, and a file's client does not think it dead.
PATIENCE_S = 5.0

Room = Callable[[Hashable], int]  # how many batches of a model may begin now


@dataclass(frozen=True, slots=True)
class Job:
    """A decode that asks for its turn."""

    stream: Hashable
    utterance: int
    kind: Kind
    model: Hashable = None
    live: bool = True  # its stream does not run ahead of the clock
    number: int = 0  # of the utterance's finals, early or not


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    since: float

    def is_urgent(self, now: float) -> bool:
        return self.job.live or now - self.since >= PATIENCE_S


def _one_at_a_time(_: Hashable) -> int:
    return 1


class Scheduler:
    """What waits for the models.

    First come finals, early finals and partials of live streams, in this order; then the same of streams that run
    ahead of the clock. What has waited for PATIENCE_S goes with its kind of live streams.
    Of a kind, streams take turns: who was served goes behind all who wait.
    A batch holds jobs of one kind and one model, and one job of each stream before a second one of any. Where several
    batches of the model may begin, they share what waits evenly.

    A stream has at most one partial waiting: a newer one takes its place in the queue, a final removes it.
    Overload thus costs partials, never finals. Finals are bounded by what a stream may be owed, and an utterance's
    by its length.
    Times are seconds of any one clock.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._queues: dict[Kind, dict[Hashable, _Waiting]] = {kind: {} for kind in Kind}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def waiting(self, kind: Kind) -> Iterator[tuple[Job, float]]:
        """Return the jobs that go with this kind, and since when each waits."""
        return ((waiting.job, waiting.since) for waiting in self._queues[kind].values())

    def count(self, kind: Kind) -> int:
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
        early = self._queues[Kind.EARLY]
        for key in [key for key, waiting in early.items() if _is_of(waiting.job, stream, utterance)]:
            self._queues[Kind.FINAL][key] = early.pop(key)

    def withdraw_early(self, stream: Hashable, utterance: int, number: int = 0) -> Job | None:
        """Forget the early final, and return it; None when it does not wait, or was promoted."""
        waiting = self._queues[Kind.EARLY].pop((stream, utterance, number), None)
        return waiting.job if waiting else None

    def withdraw(self, job: Job) -> bool:
        """Forget the job; tell whether it was waiting."""
        key = _key(job)
        for queue in self._queues.values():
            if key in queue and queue[key].job == job:
                del queue[key]
                return True
        return False

    def next_batch(self, now: float, room: Room = _one_at_a_time) -> list[Job]:
        """Take the jobs to run now on one of the models that have room; empty when there are none."""
        for urgent in (True, False):
            for queue in self._queues.values():
                ready = [
                    waiting.job
                    for waiting in queue.values()
                    if waiting.is_urgent(now) is urgent and room(waiting.job.model) > 0
                ]
                if ready:
                    model = ready[0].model
                    return self._take(queue, [job for job in ready if job.model == model], room(model))
        return []

    def _take(self, queue: dict[Hashable, _Waiting], ready: list[Job], batches: int) -> list[Job]:
        """Take the first of so many batches, and move what its streams have left to the queue's end."""
        batch = in_rounds(ready)[: min(self._max_batch, ceil(len(ready) / batches))]
        for job in batch:
            del queue[_key(job)]
        served = {job.stream for job in batch}
        for key in [key for key, waiting in queue.items() if waiting.job.stream in served]:
            queue[key] = queue.pop(key)
        return batch


def in_rounds(jobs: Iterable[Job]) -> list[Job]:
    """Return each stream's first job, then each one's second, and so on."""
    rounds: Counter[Hashable] = Counter()
    numbered: list[tuple[int, Job]] = []
    for job in jobs:
        numbered.append((rounds[job.stream], job))
        rounds[job.stream] += 1
    return [job for _, job in sorted(numbered, key=lambda pair: pair[0])]


def _key(job: Job) -> Hashable:
    return job.stream if job.kind is Kind.PARTIAL else (job.stream, job.utterance, job.number)


def _is_of(job: Job, stream: Hashable, utterance: int) -> bool:
    return (job.stream, job.utterance) == (stream, utterance)
