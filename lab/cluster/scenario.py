"""What goes into a simulation of a cluster, and what comes out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lab.cluster.balancers import Draw, least_of

SHIPPED_POLICY = least_of(4)  # choice_count in docker/envoy/envoy.yaml


@dataclass(frozen=True, slots=True)
class Scenario:
    """Who comes, to what, and what happens to it."""

    streams: int = 10_000  # open at once at the peak, on average
    lasts_s: float = 300.0  # a dictation, on average
    period_s: float = 7200.0  # from the quietest time over the peak to the quietest: a day, pressed together
    slots: int = 8  # of a replica: MAX_STREAMS
    replicas: int = 1500
    draw: Draw = SHIPPED_POLICY
    balancers: int = 1
    restart_s: float = 30.0  # a replica: to load its models and try them
    failures: int = 0  # replicas that die, at random times
    noticed_s: float = (
        0.1  # until their clients know: the connection breaks. Of a link that is cut: 6 s, by Envoy's pings
    )
    concurrent_restarts: int = 0  # replicas that are restarted together, all in turn, from the peak on; 0: none
    target: float = 0.0  # share of the places to be taken, which autoscaling seeks; 0: it is off
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """What became of the dictations and of their streams."""

    arrived: int = 0
    ended: int = 0
    abandoned: int = 0  # nobody took it for as long as the client tries
    rejected: int = 0  # tries that ended at the client, who tried again or gave up
    passed_over: int = 0  # tries that a balancer took to another replica, unnoticed
    broken: int = 0  # streams whose replica died or drained
    resumed: int = 0
    most_open: int = 0
    waits_s: list[float] = field(default_factory=list)  # of the broken ones, for another replica
    loads: Counter[int] = field(default_factory=Counter)  # streams beside which each one was, itself among them
    times_s: list[float] = field(default_factory=list)
    open: list[int] = field(default_factory=list)  # at these times, as all that follow
    fullest: list[int] = field(default_factory=list)  # streams of the replica that has the most
    full_share: list[float] = field(default_factory=list)  # share of the streams that are on a full replica
    capacity: list[int] = field(default_factory=list)
