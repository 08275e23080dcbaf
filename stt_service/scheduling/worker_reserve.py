"""A worker that is kept free: long work of one owner never takes the last one while another owner is active.

A decode cannot be interrupted, so where one client's finals run on all workers, everybody else waits for the longest
of them. Owners are paths as in fair_shares.py. The rule holds between the first siblings of which several are active:
between clients, or between the dictations and the recordings of the only client, or between streams of one kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable

from stt_service.scheduling.fair_queueing import OwnerPath

# An owner that was served so recently will ask again: a pause between two sentences is shorter. Ours.
ACTIVE_S = 10.0


class WorkerReserve:
    """What runs, and who is active. Times are seconds of any one clock."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._running: list[frozenset[OwnerPath]] = []  # the owners of each batch of long work
        self._served: dict[OwnerPath, float] = {}  # when, of those that were served recently
        self._active: dict[OwnerPath, set[Hashable]] = {}  # children by their parent

    def update(self, waiting: Iterable[OwnerPath], now: float) -> None:
        """Take note of who waits now; of the others, forget who has not been served recently."""
        self._served = {owner: at for owner, at in self._served.items() if now - at < ACTIVE_S}
        active = defaultdict[OwnerPath, set[Hashable]](set)
        for owner in {*waiting, *self._served, *(owner for batch in self._running for owner in batch)}:
            for level, child in enumerate(owner):
                active[owner[:level]].add(child)
        self._active = active

    def allows(self, owner: OwnerPath) -> bool:
        """Return whether long work of the owner may begin: it leaves a worker to others, if there are any."""
        if self._workers < 2:
            return True
        for level in range(len(owner)):
            if len(self._active.get(owner[:level], ())) > 1:
                return self._held(owner[: level + 1]) < self._workers - 1
        return True

    def record_served(self, owners: Iterable[OwnerPath], now: float) -> None:
        """Take note that work of the owners begins, long or not."""
        self._served.update(dict.fromkeys(owners, now))

    def begin(self, owners: Collection[OwnerPath]) -> None:
        """Take note that a batch of long work begins; `end` must follow."""
        self._running.append(frozenset(owners))

    def end(self, owners: Collection[OwnerPath]) -> None:
        self._running.remove(frozenset(owners))

    def _held(self, prefix: OwnerPath) -> int:
        """Return how many of the batches that run hold work of this owner or of its children."""
        return sum(any(owner[: len(prefix)] == prefix for owner in batch) for batch in self._running)
