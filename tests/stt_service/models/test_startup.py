"""Estimated capacity of a machine from the decode times of its self-test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.models.loader import ComputePlan, SelfTest
from stt_service.models.startup import EVENT_LOOP_RTF, estimate_capacity

TWO_CORES = ComputePlan(workers=1, slots=1, threads=2)
LAPTOP = SelfTest(final_s=0.5, partial_s=0.13)


def test_capacity_of_two_cores_is_a_few_streams() -> None:
    assert estimate_capacity(LAPTOP, TWO_CORES) in range(3, 6)


def test_capacity_doubles_with_the_workers() -> None:
    assert estimate_capacity(replace(LAPTOP, partial_s=0.01), replace(TWO_CORES, workers=2)) == pytest.approx(
        2 * estimate_capacity(replace(LAPTOP, partial_s=0.01), TWO_CORES), abs=1
    )


@pytest.mark.parametrize("slower", [{"final_s": 2.0}, {"partial_s": 0.5}])
def test_capacity_is_lower_with_slower_decodes(slower: dict[str, float]) -> None:
    assert estimate_capacity(replace(LAPTOP, **slower), TWO_CORES) < estimate_capacity(LAPTOP, TWO_CORES)


def test_capacity_is_higher_with_a_batch_speedup() -> None:
    assert estimate_capacity(replace(LAPTOP, batch_speedup=4), TWO_CORES) > 3 * estimate_capacity(LAPTOP, TWO_CORES)


def test_capacity_is_at_least_one_stream() -> None:
    assert estimate_capacity(SelfTest(final_s=60, partial_s=20), TWO_CORES) == 1


def test_capacity_is_bounded_by_the_event_loop() -> None:
    assert estimate_capacity(SelfTest(final_s=1e-6, partial_s=1e-6), ComputePlan(16, 8, 0)) < 1 / EVENT_LOOP_RTF
