"""Inputs and results of a simulation of a cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lab.cluster.balancers import Draw, least_of

SHIPPED_POLICY = least_of(4)  # choice_count in docker/envoy/envoy.yaml


@dataclass(frozen=True, slots=True)
class Scenario:
    """The users, the replicas, and the failures."""

    streams: int = 10_000  # average concurrent streams at the peak
    lasts_s: float = 300.0  # a dictation, on average
    period_s: float = 7200.0  # from the quietest time over the peak to the quietest: a day, compressed
    slots: int = 8  # of a replica: MAX_STREAMS
    replicas: int = 1500
    draw: Draw = SHIPPED_POLICY
    balancers: int = 1
    restart_s: float = 30.0  # time of a replica to load its models and test them
    failures: int = 0  # replicas that fail, at random times
    noticed_s: float = 0.1  # until their clients detect it by the closed connection. Failed link: 6 s (Envoy's pings)
    concurrent_restarts: int = 0  # restarted together, group by group, from the peak on; 0: none
    target: float = 0.0  # target share of used slots for autoscaling; 0: it is off
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """Totals of the dictations and of their streams."""

    arrived: int = 0
    ended: int = 0
    abandoned: int = 0  # not admitted for as long as the client tries
    rejected: int = 0  # rejections that reached the client, which retried or gave up
    passed_over: int = 0  # rejections that a balancer retried on another replica, invisible to the client
    broken: int = 0  # streams whose replica failed or drained
    resumed: int = 0
    most_open: int = 0
    waits_s: list[float] = field(default_factory=list)  # of an interrupted stream, for another replica
    loads: Counter[int] = field(default_factory=Counter)  # streams on the same replica, itself included, at each start
    times_s: list[float] = field(default_factory=list)
    open: list[int] = field(default_factory=list)  # sample times of the following lists
    fullest: list[int] = field(default_factory=list)  # streams of the fullest replica
    full_share: list[float] = field(default_factory=list)  # share of the streams that are on a full replica
    capacity: list[int] = field(default_factory=list)
