"""A simulated fleet of replicas as balancers see it, and the policies that choose a replica for the next stream."""

from __future__ import annotations

from collections.abc import Callable, Set
from random import Random

import numpy as np
from numpy.typing import NDArray

DRAWS = 100  # attempts to find an untried replica: host_selection_retry_max_attempts in docker/envoy/envoy.yaml
UNAVAILABLE = 1_000_000  # more streams than any replica has: it is never drawn


class Fleet:
    """Replicas by number. Each balancer knows the streams that it opened on each, and which replicas serve."""

    def __init__(self, most: int, balancers: int) -> None:
        self.opened: NDArray[np.int64] = np.zeros((balancers, most), np.int64)
        self.serving: list[int] = []
        self.turns = [0] * balancers
        self._away = np.full(most, UNAVAILABLE)

    def admit(self, replica: int) -> None:
        """Let the replica accept streams."""
        self.serving.append(replica)
        self._away[replica] = 0

    def withdraw(self, replica: int) -> None:
        """Stop new streams to the replica, if it accepted any."""
        if replica in self.serving:
            self.serving.remove(replica)
            self._away[replica] = UNAVAILABLE

    def least(self, balancer: int) -> NDArray[np.intp]:
        """Return the replicas on which the balancer has opened the fewest streams."""
        opened = self.opened[balancer] + self._away
        return np.flatnonzero(opened == opened.min())


Draw = Callable[[Fleet, int, Random], int]  # for the balancer of this number, among the replicas that serve


def random_choice(fleet: Fleet, _balancer: int, chance: Random) -> int:
    return fleet.serving[int(chance.random() * len(fleet.serving))]


def in_turn(fleet: Fleet, balancer: int, _chance: Random) -> int:
    fleet.turns[balancer] += 1
    return fleet.serving[fleet.turns[balancer] % len(fleet.serving)]


def least_of(number: int) -> Draw:
    """Draw so many at random; return the one with the fewest streams. Four is the shipped value."""

    def draw(fleet: Fleet, balancer: int, chance: Random) -> int:
        opened = fleet.opened[balancer]
        replicas = (random_choice(fleet, balancer, chance) for _ in range(number))
        return min(replicas, key=lambda replica: int(opened[replica]))

    return draw


def of_all(fleet: Fleet, balancer: int, chance: Random) -> int:
    """Return one with the fewest streams; if it is the only one, a retry returns it again."""
    least = fleet.least(balancer)
    return int(least[int(chance.random() * len(least))])


def pick(draw: Draw, fleet: Fleet, balancer: int, chance: Random, tried: Set[int]) -> int | None:
    """Return an untried replica, or a tried one if DRAWS find no other; None if none serves."""
    if not fleet.serving:
        return None
    replica = draw(fleet, balancer, chance)
    for _ in range(DRAWS if tried else 0):
        if replica not in tried:
            break
        replica = draw(fleet, balancer, chance)
    return replica
