"""Which decodes share the next batch: finals before early finals before partials, oldest first.

Policy only; `batcher.py` runs it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import islice

from stt_service.transcript import Kind


@dataclass(frozen=True, slots=True)
class Job:
    """A decode that waits. A stream has at most one waiting of a kind and utterance."""

    stream: Hashable
    utterance: int
    kind: Kind


class Scheduler:
    """What waits for one model.

    A batch holds jobs of one kind, so that no final waits for a partial beside it.
    A stream has at most one partial waiting: a newer one takes its place in the queue, a final removes it. An
    utterance has at most one final waiting, early or not: the newer one replaces the older.
    Overload thus costs partials, never finals. Finals are bounded by what a stream may be owed.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._waiting: dict[Kind, dict[Hashable, Job]] = {kind: {} for kind in Kind}

    def __len__(self) -> int:
        return sum(len(jobs) for jobs in self._waiting.values())

    def submit(self, job: Job) -> Job | None:
        """Queue the job; return the waiting partial that it supersedes, if any."""
        partials = self._waiting[Kind.PARTIAL]
        if job.kind is Kind.PARTIAL:
            superseded = partials.get(job.stream)
            partials[job.stream] = job  # a dict keeps the older one's place
            return superseded
        self._waiting[Kind.EARLY].pop((job.stream, job.utterance), None)  # what was said since makes it void
        self._waiting[job.kind][job.stream, job.utterance] = job
        return partials.pop(job.stream, None)

    def promote(self, stream: Hashable, utterance: int) -> Job | None:
        """Make the waiting early final a final; return it as it was, None when it does not wait."""
        job = self._waiting[Kind.EARLY].pop((stream, utterance), None)
        if job is not None:
            self._waiting[Kind.FINAL][stream, utterance] = replace(job, kind=Kind.FINAL)
        return job

    def withdraw(self, job: Job) -> bool:
        """Forget the job; tell whether it was waiting."""
        key = job.stream if job.kind is Kind.PARTIAL else (job.stream, job.utterance)
        return self._waiting[job.kind].pop(key, None) is not None

    def next_batch(self) -> list[Job]:
        """Take the jobs to run now; empty when none wait."""
        for jobs in self._waiting.values():
            if jobs:
                keys = list(islice(jobs, self._max_batch))
                return [jobs.pop(key) for key in keys]
        return []
