"""When a client is told that its partials come late, and that they do no more."""

from __future__ import annotations

import pytest

from stt_service.scheduling.load_shedding import (
    LATE_PARTIAL_S,
    QUICK_FOR_S,
    QUICK_S,
    LatencyTransition,
    PartialLatencyMonitor,
)

LATE, QUICK, BETWEEN = LATE_PARTIAL_S + 0.1, QUICK_S - 0.1, (LATE_PARTIAL_S + QUICK_S) / 2


def told(shedding: PartialLatencyMonitor, *came: tuple[float, float]) -> list[LatencyTransition | None]:
    """Return what is told at each partial: (what it waited, the clock)."""
    return [shedding.observe_result(waited_s, now) for waited_s, now in came]


def shed() -> PartialLatencyMonitor:
    shedding = PartialLatencyMonitor()
    assert shedding.observe_wait(LATE) is LatencyTransition.SHED
    return shedding


def test_of_quick_partials_nothing_is_told() -> None:
    assert told(PartialLatencyMonitor(), *((QUICK, second) for second in range(20))) == [None] * 20


def test_a_late_partial_is_told_once() -> None:
    assert told(PartialLatencyMonitor(), (LATE, 0), (LATE, 2), (BETWEEN, 3), (LATE, 5)) == [
        LatencyTransition.SHED,
        None,
        None,
        None,
    ]


def test_a_partial_that_is_late_already_is_told_before_it_comes() -> None:
    shedding = PartialLatencyMonitor()
    assert [shedding.observe_wait(waited_s) for waited_s in (BETWEEN, LATE, LATE + 1)] == [
        None,
        LatencyTransition.SHED,
        None,
    ]
    assert told(shedding, (LATE + 2, 0)) == [None]


def test_partials_that_are_quick_for_a_while_are_told_once() -> None:
    came = [(QUICK, 10.0), (QUICK, 10 + QUICK_FOR_S / 2), (QUICK, 10 + QUICK_FOR_S), (QUICK, 30)]
    assert told(shed(), *came) == [None, None, LatencyTransition.RESTORED, None]


def test_one_that_is_not_quick_begins_the_while_anew() -> None:
    came = [(QUICK, 0.0), (BETWEEN, QUICK_FOR_S - 1), (QUICK, QUICK_FOR_S), (QUICK, 2 * QUICK_FOR_S)]
    assert told(shed(), *came) == [None, None, None, LatencyTransition.RESTORED]


@pytest.mark.parametrize("waited_s", [BETWEEN, LATE])
def test_and_so_does_one_that_waits(waited_s: float) -> None:
    shedding = shed()
    told(shedding, (QUICK, 0))
    assert shedding.observe_wait(waited_s) is None
    assert told(shedding, (QUICK, QUICK_FOR_S), (QUICK, 2 * QUICK_FOR_S)) == [None, LatencyTransition.RESTORED]


def test_a_wait_that_is_still_short_says_nothing() -> None:
    shedding = shed()
    told(shedding, (QUICK, 0))
    assert shedding.observe_wait(QUICK) is None
    assert told(shedding, (QUICK, QUICK_FOR_S)) == [LatencyTransition.RESTORED]


def test_what_was_restored_may_be_shed_again() -> None:
    shedding = shed()
    assert told(shedding, (QUICK, 0), (QUICK, QUICK_FOR_S), (LATE, 20)) == [
        None,
        LatencyTransition.RESTORED,
        LatencyTransition.SHED,
    ]
