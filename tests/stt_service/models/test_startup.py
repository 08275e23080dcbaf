"""How many streams a machine carries, by what its self-test took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.models.loader import ComputePlan, SelfTest
from stt_service.models.startup import EVENT_LOOP_RTF, estimate_capacity

TWO_CORES = ComputePlan(workers=1, slots=1, threads=2)
LAPTOP = SelfTest(final_s=0.5, partial_s=0.13)


def test_two_cores_carry_a_handful() -> None:
    assert estimate_capacity(LAPTOP, TWO_CORES) in range(3, 6)


def test_twice_the_workers_carry_twice_as_many() -> None:
    assert estimate_capacity(replace(LAPTOP, partial_s=0.01), replace(TWO_CORES, workers=2)) == pytest.approx(
        2 * estimate_capacity(replace(LAPTOP, partial_s=0.01), TWO_CORES), abs=1
    )


@pytest.mark.parametrize("dearer", [{"final_s": 2.0}, {"partial_s": 0.5}])
def test_dearer_decodes_carry_fewer(dearer: dict[str, float]) -> None:
    assert estimate_capacity(replace(LAPTOP, **dearer), TWO_CORES) < estimate_capacity(LAPTOP, TWO_CORES)


def test_decodes_that_gain_by_company_carry_more() -> None:
    assert estimate_capacity(replace(LAPTOP, batch_speedup=4), TWO_CORES) > 3 * estimate_capacity(LAPTOP, TWO_CORES)


def test_one_stream_is_always_carried() -> None:
    assert estimate_capacity(SelfTest(final_s=60, partial_s=20), TWO_CORES) == 1


def test_the_event_loop_bounds_what_any_gpu_can_carry() -> None:
    assert estimate_capacity(SelfTest(final_s=1e-6, partial_s=1e-6), ComputePlan(16, 8, 0)) < 1 / EVENT_LOOP_RTF
