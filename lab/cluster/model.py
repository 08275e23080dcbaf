"""Simulates users who dictate to a fleet of replicas behind balancers: arrival, failure, rolling restart, autoscaling.

Times are seconds of the simulation. The same scenario and seed give the same result. The compute of a replica is not
simulated: measurements show that it serves all its slots in time, and its wait at each load (docs/measurements.md).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from random import Random

import numpy as np
import simpy

from lab.cluster.balancers import Fleet, pick
from lab.cluster.scenario import Scenario, Tally
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, INITIAL_BACKOFF_S
from stt_service.access.admission import RETRY_AFTER_S
from stt_service.models.startup import SPEAKING_SHARE

TRIES = 6  # tried for one stream: the first, and num_retries of docker/envoy/envoy.yaml
OFF_PEAK_SHARE = 0.3  # arrivals in the quietest hour, as a share of the peak's
UTTERANCE_S = 8.0  # a long one: the time that a draining replica may need to finish it
SAMPLE_S = 10.0
# Of a HorizontalPodAutoscaler: its period, its delay before it removes replicas, and the share of replicas that it
# removes per period: a tenth a minute.
LOOK_S, STEADY_S, LEAVING_SHARE = 15.0, 300.0, 0.025

Course = Generator[simpy.Event, object, None]


@dataclass(frozen=True, slots=True)
class Slot:
    """The replica of a stream, and the balancer that opened it."""

    balancer: int
    replica: int


class Simulation:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.tally = Tally()
        self._scenario = scenario
        # The arrivals are equal for all runs with this seed, independent of their outcome.
        self._arrival_random = Random(scenario.seed)
        self._chance = Random(scenario.seed + 1)
        self._clock = simpy.Environment()
        self._most = scenario.replicas * (3 if scenario.target else 1)
        self._fleet = Fleet(self._most, scenario.balancers)
        self._held: list[dict[simpy.Process, None]] = [{} for _ in range(self._most)]  # a dict has a stable order
        self._open = 0
        self._coming = 0  # replicas that load their models
        self._quiet = self._clock.event()  # no more arrivals, and no open dictations
        for replica in range(scenario.replicas):
            self._fleet.admit(replica)

    def run(self) -> Tally:
        """Return the totals once the last dictation has ended."""
        scenario, start = self._scenario, self._clock.process
        start(self._arrivals())
        start(self._samples())
        start(self._failures())
        if scenario.concurrent_restarts:
            start(self._rolling_restart())
        if scenario.target:
            start(self._autoscaling())
        self._clock.run(until=self._quiet)
        return self.tally

    def held(self, replica: int) -> int:
        return len(self._held[replica])

    def _arrivals(self) -> Course:
        scenario, chance = self._scenario, self._arrival_random
        peak_per_s = scenario.streams / scenario.lasts_s
        while True:
            yield self._clock.timeout(chance.expovariate(peak_per_s))
            if self._clock.now >= scenario.period_s:
                break
            height = math.sin(math.pi * self._clock.now / scenario.period_s) ** 2
            if chance.random() < OFF_PEAK_SHARE + (1 - OFF_PEAK_SHARE) * height:
                self._clock.process(self._dictation(chance.expovariate(1 / scenario.lasts_s)))
        while self._open:
            yield self._clock.timeout(SAMPLE_S)
        self._quiet.succeed()

    def _dictation(self, left_s: float) -> Course:
        """Dictate for the given time, on several replicas one after the other if need be."""
        self.tally.arrived += 1
        self._open += 1
        patience_s, lost_s = DEFAULT_RETRY_POLICY.connect_s, None
        while (slot := (yield from self._acquire_slot(patience_s))) is not None:
            if lost_s is not None:
                self.tally.resumed += 1
                self.tally.waits_s.append(self._clock.now - lost_s)
            began_s = self._clock.now
            try:
                yield from self._occupy(slot, left_s)
                self.tally.ended += 1
                break
            except simpy.Interrupt as broken:
                self.tally.broken += 1
                lost_s, patience_s = self._clock.now, DEFAULT_RETRY_POLICY.reconnect_s
                left_s = max(0.0, left_s - (self._clock.now - began_s))
                yield self._clock.timeout(_notice_s(broken) + INITIAL_BACKOFF_S * self._chance.random())
        else:
            self.tally.abandoned += 1
        self._open -= 1

    def _acquire_slot(self, patience_s: float) -> Generator[simpy.Event, object, Slot | None]:
        """Request a slot until one is free; None when the client gives up."""
        asked_s = self._clock.now
        while (slot := self._free_slot()) is None:
            self.tally.rejected += 1
            if self._clock.now - asked_s >= patience_s:
                return None
            yield self._clock.timeout(RETRY_AFTER_S * (1 + self._chance.random()))
        return slot

    def _free_slot(self) -> Slot | None:
        """Return a balancer and a replica that accepts a stream; None if all tried replicas are full."""
        balancer, tried = self._chance.randrange(self._scenario.balancers), set[int]()
        for number in range(TRIES):
            replica = pick(self._scenario.draw, self._fleet, balancer, self._chance, tried)
            if replica is None:
                return None
            if self.held(replica) < self._scenario.slots:
                self.tally.passed_over += number
                return Slot(balancer, replica)
            tried.add(replica)
        return None

    def _occupy(self, slot: Slot, lasts_s: float) -> Course:
        balancer, replica = slot.balancer, slot.replica
        process = self._clock.active_process
        assert process is not None
        self._held[replica][process] = None
        self._fleet.opened[balancer, replica] += 1
        try:
            yield self._clock.timeout(lasts_s)
        finally:
            del self._held[replica][process]
            self._fleet.opened[balancer, replica] -= 1

    def _failures(self) -> Course:
        """Let replicas fail at random times."""
        times_s = sorted(self._chance.uniform(0, self._scenario.period_s) for _ in range(self._scenario.failures))
        for time_s in times_s:
            yield self._clock.timeout(time_s - self._clock.now)
            if self._fleet.serving:
                self._clock.process(self._dying(self._chance.choice(self._fleet.serving)))

    def _dying(self, replica: int) -> Course:
        self._fleet.withdraw(replica)
        for process in [*self._held[replica]]:
            process.interrupt(self._scenario.noticed_s)
        yield from self._starting(replica)

    def _starting(self, replica: int) -> Course:
        yield self._clock.timeout(self._scenario.restart_s)
        self._fleet.admit(replica)

    def _rolling_restart(self) -> Course:
        scenario = self._scenario
        yield self._clock.timeout(scenario.period_s / 2)
        for first in range(0, scenario.replicas, scenario.concurrent_restarts):
            group = range(first, min(first + scenario.concurrent_restarts, scenario.replicas))
            yield simpy.AllOf(self._clock, [self._clock.process(self._restarted(replica)) for replica in group])

    def _restarted(self, replica: int) -> Course:
        yield from self._drained(replica)
        yield from self._starting(replica)

    def _drained(self, replica: int) -> Course:
        """Give it no more streams; its open streams end with their utterances."""
        self._fleet.withdraw(replica)
        ends_s = sorted(self._utterance_left_s() for _ in self._held[replica])
        since_s = self._clock.now
        for end_s in ends_s:
            yield self._clock.timeout(max(0.0, since_s + end_s - self._clock.now))
            if self._held[replica]:
                next(iter(self._held[replica])).interrupt(0.0)

    def _autoscaling(self) -> Course:
        """Start replicas and drain them according to the number of open streams."""
        spare = [*range(self._scenario.replicas, self._most)][::-1]
        wanted = deque[int](maxlen=int(STEADY_S / LOOK_S))
        while True:
            yield self._clock.timeout(LOOK_S)
            wanted.append(math.ceil(self._open / self._scenario.slots / self._scenario.target))
            there = len(self._fleet.serving) + self._coming
            for _ in range(min(len(spare), wanted[-1] - there)):
                self._clock.process(self._joining(spare.pop()))
            for _ in range(min(there - max(wanted), math.ceil(LEAVING_SHARE * there))):
                self._clock.process(self._leaving(self._chance.choice(self._fleet.serving), spare))

    def _joining(self, replica: int) -> Course:
        self._coming += 1
        yield from self._starting(replica)
        self._coming -= 1

    def _leaving(self, replica: int, spare: list[int]) -> Course:
        yield from self._drained(replica)
        spare.insert(0, replica)

    def _utterance_left_s(self) -> float:
        return self._chance.uniform(0, UTTERANCE_S) if self._chance.random() < SPEAKING_SHARE else 0.0

    def _samples(self) -> Course:
        tally = self.tally
        while True:
            counts = self._fleet.opened.sum(axis=0)
            for load, replicas in enumerate(np.bincount(counts)):
                tally.loads[load] += load * int(replicas)
            tally.most_open = max(tally.most_open, self._open)
            tally.times_s.append(self._clock.now)
            tally.open.append(self._open)
            tally.fullest.append(int(counts.max()))
            tally.full_share.append(float(counts[counts >= self._scenario.slots].sum() / max(1, counts.sum())))
            tally.capacity.append(self._scenario.slots * len(self._fleet.serving))
            yield self._clock.timeout(SAMPLE_S)


def _notice_s(broken: simpy.Interrupt) -> float:
    """Return the time until a client detects it."""
    return broken.cause if isinstance(broken.cause, float) else 0.0
