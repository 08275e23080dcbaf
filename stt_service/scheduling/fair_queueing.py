"""Start-time fair queueing: the order in which owners of jobs are served so that each gets its share of the time.

Owners form a tree: a path such as (client, stream) names one. Siblings share the time of their parent equally, however
many children each of them has. Each owner has a virtual time, which advances by the seconds of work done for it. The
sibling with the smallest virtual time has priority, so an owner whose jobs take n times as long runs 1/n as often.

A new owner starts at the current virtual time of its siblings, which is the start of the most recently started job. An
idle owner therefore saves up no time, except `credit_s`, which gives priority to owners that used less than their
share. The duration of a job is known when it has ended. Until then it counts as much as the last one of its owner.

Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996. There is no clock: seconds are passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

MAX_REMEMBERED = 4096  # parents, and children of each: about 1 MB; those served least recently are forgotten

OwnerPath = tuple[Hashable, ...]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Account:
    """The time that one owner has used."""

    used_s: float  # virtual time, without running jobs
    running: int = 0
    expected_s: float = 0.0  # duration of a job: that of the last one


class _Siblings:
    """The children of one owner."""

    def __init__(self, credit_s: float) -> None:
        self._credit_s = credit_s
        self._now = 0.0  # virtual
        self._accounts: dict[Hashable, _Account] = {}

    @property
    def are_idle(self) -> bool:
        return not any(account.running for account in self._accounts.values())

    def start(self, owner: Hashable, ahead: int = 0) -> float:
        """Return the virtual start time of the owner's next job, after `ahead` other jobs of the same owner."""
        account = self._accounts.get(owner)
        if account is None:
            return self._now
        used_s = max(account.used_s, self._now - self._credit_s)
        return used_s + (account.running + ahead) * account.expected_s

    def begin(self, owner: Hashable) -> None:
        start = self.start(owner)
        account = self._accounts.pop(owner, None) or _Account(self._now)
        account.used_s = max(account.used_s, self._now - self._credit_s)
        account.running += 1
        self._accounts[owner] = account  # the most recently served one is last
        self._now = max(self._now, start)
        _forget(self._accounts, lambda account: not account.running)

    def end(self, owner: Hashable, seconds: float) -> None:
        account = self._accounts[owner]
        account.running -= 1
        account.used_s += seconds
        account.expected_s = seconds or account.expected_s


class FairShares:
    """The shares of all owners whose paths have the same length."""

    def __init__(self, credit_s: float = 0.0) -> None:
        self._credit_s = credit_s
        self._siblings: dict[OwnerPath, _Siblings] = {}  # by their parent
        self._none = _Siblings(credit_s)

    def order(self, owners: Sequence[OwnerPath]) -> list[int]:
        """Return the indices of the jobs in the order in which they are due, given the owner of each job.

        Equal owners run round-robin, one job of each per round; within a round the given order decides.
        """
        order = list(range(len(owners)))
        for level in reversed(range(len(owners[0]) if owners else 0)):
            rounds, keys = Counter[OwnerPath](), dict[int, tuple[float, int, int]]()
            for index in order:
                path = owners[index][: level + 1]
                siblings = self._siblings.get(path[:-1], self._none)
                keys[index] = (siblings.start(path[-1], rounds[path]), rounds[path], index)
                rounds[path] += 1
            order.sort(key=keys.__getitem__)
        return order

    def begin(self, owner: OwnerPath) -> None:
        """Record the start of a job of the owner; `end` must follow."""
        for level, child in enumerate(owner):
            parent = owner[:level]
            siblings = self._siblings.pop(parent, None) or _Siblings(self._credit_s)
            siblings.begin(child)
            self._siblings[parent] = siblings
        _forget(self._siblings, lambda siblings: siblings.are_idle)

    def end(self, owner: OwnerPath, seconds: float) -> None:
        """Record the duration of a job of the owner; 0: it did not run."""
        for level, child in enumerate(owner):
            self._siblings[owner[:level]].end(child, seconds)


def _forget(remembered: dict[_Key, _Value], is_idle: Callable[[_Value], bool]) -> None:
    """Remove the least recently served idle entry, if there are too many."""
    if len(remembered) > MAX_REMEMBERED:
        oldest = next((key for key, value in remembered.items() if is_idle(value)), None)
        if oldest is not None:
            del remembered[oldest]
