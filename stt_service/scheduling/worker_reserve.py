"""Reserves a worker: long jobs of one owner never occupy the last free worker while another owner is active.

A decode cannot be interrupted, so if the finals of one client run on all workers, all other clients wait for the
longest of them. Owners are paths as in `fair_queueing.py`. The rule applies at the first level with several active
siblings: between clients, or between the dictations and the recordings of the only client, or between streams of one
kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable

from stt_service.scheduling.fair_queueing import OwnerPath

# An owner counts as active for this long after a job of it started: a pause between sentences is shorter. Our choice.
ACTIVE_S = 10.0


class WorkerReserve:
    """The running batches and the active owners. Times are seconds of any one clock."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._running: list[frozenset[OwnerPath]] = []  # the owners of each batch of long jobs
        self._served: dict[OwnerPath, float] = {}  # time of the last served job, of recently served owners
        self._active: dict[OwnerPath, set[Hashable]] = {}  # children by their parent

    def update(self, waiting: Iterable[OwnerPath], now: float) -> None:
        """Set the owners with queued jobs; remove other owners that were not served recently."""
        self._served = {owner: at for owner, at in self._served.items() if now - at < ACTIVE_S}
        active = defaultdict[OwnerPath, set[Hashable]](set)
        for owner in {*waiting, *self._served, *(owner for batch in self._running for owner in batch)}:
            for level, child in enumerate(owner):
                active[owner[:level]].add(child)
        self._active = active

    def allows(self, owner: OwnerPath) -> bool:
        """Return whether a long job of the owner may start: it must leave a worker to other active owners."""
        if self._workers < 2:
            return True
        for level in range(len(owner)):
            if len(self._active.get(owner[:level], ())) > 1:
                return self._running_batches(owner[: level + 1]) < self._workers - 1
        return True

    def record_served(self, owners: Iterable[OwnerPath], now: float) -> None:
        """Record that jobs of the owners start, long or not."""
        self._served.update(dict.fromkeys(owners, now))

    def begin(self, owners: Collection[OwnerPath]) -> None:
        """Record the start of a batch of long jobs; `end` must follow."""
        self._running.append(frozenset(owners))

    def end(self, owners: Collection[OwnerPath]) -> None:
        self._running.remove(frozenset(owners))

    def _running_batches(self, prefix: OwnerPath) -> int:
        """Return how many running batches contain jobs of this owner or of its children."""
        return sum(any(owner[: len(prefix)] == prefix for owner in batch) for batch in self._running)
