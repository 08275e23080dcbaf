"""The simulated cluster: invariants, and sizes by Erlang's formula."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cluster.__main__ import erlang_b, replicas_for, wait_s
from lab.cluster.balancers import Draw, Fleet, in_turn, least_of, of_all, pick, random_choice
from lab.cluster.model import Simulation
from lab.cluster.scenario import Scenario

SMALL = Scenario(streams=40, lasts_s=60, period_s=600, slots=4, replicas=14)
DRAWS: list[Draw] = [random_choice, in_turn, least_of(2), least_of(4), of_all]


@given(
    st.sampled_from(DRAWS),
    st.integers(1, 14),
    st.integers(1, 3),
    st.integers(0, 8),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.7]),
    st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_every_dictation_and_stream_is_counted(
    draw: Draw, replicas: int, balancers: int, failures: int, concurrent_restarts: int, target: float, seed: int
) -> None:
    scenario = replace(SMALL, draw=draw, replicas=replicas, balancers=balancers, failures=failures, seed=seed)
    scenario = (
        replace(scenario, target=target) if target else replace(scenario, concurrent_restarts=concurrent_restarts)
    )
    simulation = Simulation(scenario)
    tally = simulation.run()
    assert tally.arrived == tally.ended + tally.abandoned
    assert tally.broken >= tally.resumed == len(tally.waits_s)
    assert tally.broken - tally.resumed <= tally.abandoned
    assert max(tally.fullest) <= SMALL.slots
    assert tally.most_open >= max(tally.fullest)


def test_same_seed_gives_the_same_result() -> None:
    busy = replace(SMALL, failures=5, concurrent_restarts=2, balancers=2)
    assert Simulation(busy).run() == Simulation(busy).run()
    assert Simulation(busy).run() != Simulation(replace(busy, seed=2)).run()


def test_all_policies_get_the_same_arrivals() -> None:
    assert len({Simulation(replace(SMALL, draw=draw, failures=3)).run().arrived for draw in DRAWS}) == 1


def test_rolling_restart_with_enough_capacity_interrupts_streams_and_rejects_none() -> None:
    tally = Simulation(replace(SMALL, replicas=30, concurrent_restarts=3)).run()
    assert tally.broken > 0
    assert (tally.abandoned, tally.rejected) == (0, 0)
    assert tally.resumed == tally.broken
    assert max(tally.waits_s) < 1


def test_too_few_replicas_reject_streams() -> None:
    assert Simulation(replace(SMALL, replicas=4)).run().abandoned > 0


def test_autoscaling_follows_the_number_of_streams() -> None:
    tally = Simulation(replace(SMALL, streams=200, replicas=30, target=0.7)).run()
    assert max(tally.capacity) >= 200
    assert tally.capacity[-1] < max(tally.capacity)


@pytest.mark.parametrize("draw", DRAWS)
def test_retry_selects_another_replica_if_the_policy_can(draw: Draw) -> None:
    fleet = Fleet(3, 1)
    for replica in range(3):
        fleet.admit(replica)
    fleet.opened[0] = [0, 2, 2]
    again = pick(draw, fleet, 0, Random(1), {0})
    assert again == 0 if draw is of_all else again in (1, 2)


@pytest.mark.parametrize("draw", DRAWS)
def test_withdrawn_replica_gets_no_streams(draw: Draw) -> None:
    fleet = Fleet(2, 1)
    assert pick(draw, fleet, 0, Random(1), set()) is None
    fleet.admit(0)
    fleet.admit(1)
    fleet.withdraw(0)
    assert {pick(draw, fleet, 0, Random(seed), set()) for seed in range(20)} == {1}


@pytest.mark.parametrize(
    ("offered", "places", "blocked"),
    [(1.0, 1, 0.5), (2.0, 2, 0.4), (10.0, 10, 0.2146), (100.0, 100, 0.0757)],  # tables of Erlang B
)
def test_blocking_probability_is_erlang_b(offered: float, places: int, blocked: float) -> None:
    assert erlang_b(offered, places) == pytest.approx(blocked, abs=5e-5)


def test_small_cluster_needs_a_larger_reserve() -> None:
    small, large = replicas_for(8, 8, away=0), replicas_for(8000, 8, away=0)
    assert (small, large) == (3, 1112)


def test_wait_is_the_measured_one_scaled_to_the_slots_of_the_replica() -> None:
    assert wait_s(8, 8) == wait_s(80, 80) == 0.31
    assert wait_s(1, 8) < wait_s(6, 8) < wait_s(8, 8)
