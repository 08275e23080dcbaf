"""Start-time fair queueing: in which order owners of work are served so that each gets its share of the time.

Owners form a tree: a path such as (client, stream) names one. Siblings share equally what their parent gets, however
many children any of them has. Each owner has a virtual time, which advances by the seconds of work done for it; of
siblings the one with the smallest goes first, so that who costs n times as much per job gets a turn 1/n as often.

A new owner starts at the present virtual time of its siblings, which is the start of the job that began last: nobody
saves up time by staying away, but for `credit_s`, which lets those that used less than their share go first.
What a job costs is known when it has ended. Until then it counts as much as the last one of its owner.

Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996. It knows no clock: seconds are passed in.
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
    """What one owner has used."""

    used_s: float  # virtual time, without the jobs that run
    running: int = 0
    expected_s: float = 0.0  # of a job: what the last one took


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
        """Return the virtual time at which the owner's next job starts, behind so many others of its own."""
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
        self._accounts[owner] = account  # the one served last is at the end
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
        """Return the places of the owners, one of each job, in the order in which the jobs are due.

        The order of equals is that of rounds, one job of each owner in each; and then the given one.
        """
        order = list(range(len(owners)))
        for level in reversed(range(len(owners[0]) if owners else 0)):
            rounds, keys = Counter[OwnerPath](), dict[int, tuple[float, int, int]]()
            for place in order:
                path = owners[place][: level + 1]
                siblings = self._siblings.get(path[:-1], self._none)
                keys[place] = (siblings.start(path[-1], rounds[path]), rounds[path], place)
                rounds[path] += 1
            order.sort(key=keys.__getitem__)
        return order

    def begin(self, owner: OwnerPath) -> None:
        """Take note that a job of the owner begins; `end` must follow."""
        for level, child in enumerate(owner):
            parent = owner[:level]
            siblings = self._siblings.pop(parent, None) or _Siblings(self._credit_s)
            siblings.begin(child)
            self._siblings[parent] = siblings
        _forget(self._siblings, lambda siblings: siblings.are_idle)

    def end(self, owner: OwnerPath, seconds: float) -> None:
        """Take note of what a job of the owner took; 0: it did not run."""
        for level, child in enumerate(owner):
            self._siblings[owner[:level]].end(child, seconds)


def _forget(remembered: dict[_Key, _Value], is_idle: Callable[[_Value], bool]) -> None:
    """Drop the idle one that was served least recently, if there are too many."""
    if len(remembered) > MAX_REMEMBERED:
        oldest = next((key for key, value in remembered.items() if is_idle(value)), None)
        if oldest is not None:
            del remembered[oldest]
