"""Streams faster than real time are detected, and late partials are reported once."""

from __future__ import annotations

import math

import pytest

from stt_service.scheduling.realtime import (
    LATE_PARTIAL_S,
    MAX_LEAD_S,
    RECOVERED_WAIT_S,
    RECOVERY_TIME_S,
    LatencyTransition,
    PartialLatencyMonitor,
    RealtimeTracker,
)


def ahead(pace: RealtimeTracker, *observed: tuple[float, float]) -> list[bool]:
    """Return what is said at each (seconds of sound, clock)."""
    return [pace.is_ahead(heard_s, now) for heard_s, now in observed]


def test_who_speaks_is_not_ahead() -> None:
    assert ahead(RealtimeTracker(100), *((second, 100 + second) for second in range(60))) == [False] * 60


def test_a_recording_at_full_speed_is_ahead() -> None:
    assert ahead(RealtimeTracker(0), (1, 0.1), (MAX_LEAD_S + 0.5, 0.2), (60, 1)) == [False, True, True]


def test_who_has_spoken_for_a_while_and_sends_a_recording_then_is_ahead() -> None:
    spoken = [(float(second), float(second)) for second in range(60)]
    assert ahead(RealtimeTracker(0), *spoken, (59 + MAX_LEAD_S + 1, 59.5)) == [False] * 60 + [True]


def test_sound_that_the_network_kept_back_is_not_ahead() -> None:
    assert ahead(RealtimeTracker(0), (10, 10), (10, 18), (18, 18.1), (20, 20.1)) == [False] * 4


def test_who_resumes_with_what_he_kept_is_soon_live_again() -> None:
    pace = RealtimeTracker(0)
    assert ahead(pace, (20, 0.5)) == [True]
    assert ahead(pace, *((20 + second, second) for second in range(1, 40)))[-20:] == [False] * 20


def test_a_recording_at_twice_the_speed_of_speech_stays_ahead_once_it_is() -> None:
    pace = RealtimeTracker(0, initial_lead_s=MAX_LEAD_S + 1)
    assert all(ahead(pace, *((2.1 * second, second) for second in range(60))))


def test_a_recording_that_the_server_holds_stays_ahead() -> None:
    pace = RealtimeTracker(0)
    assert pace.is_ahead(10, 0.1)
    pace.pause_reading(10, 0.1)
    assert pace.is_ahead(10, 30)
    pace.resume_reading(60)
    assert pace.is_ahead(11, 60.1)


def test_who_speaks_is_live_still_when_the_server_has_held_him() -> None:
    pace = RealtimeTracker(0)
    pace.pause_reading(10, 10)
    pace.resume_reading(20)
    assert not pace.is_ahead(20, 20.1)


@pytest.mark.parametrize("now", [0.0, 1e6])
def test_an_infinite_lead_is_never_lost(now: float) -> None:
    assert RealtimeTracker(0, initial_lead_s=math.inf).is_ahead(0, now)


LATE, QUICK, BETWEEN = LATE_PARTIAL_S + 0.1, RECOVERED_WAIT_S - 0.1, (LATE_PARTIAL_S + RECOVERED_WAIT_S) / 2


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
    came = [(QUICK, 10.0), (QUICK, 10 + RECOVERY_TIME_S / 2), (QUICK, 10 + RECOVERY_TIME_S), (QUICK, 30)]
    assert told(shed(), *came) == [None, None, LatencyTransition.RESTORED, None]


def test_one_that_is_not_quick_begins_the_while_anew() -> None:
    came = [(QUICK, 0.0), (BETWEEN, RECOVERY_TIME_S - 1), (QUICK, RECOVERY_TIME_S), (QUICK, 2 * RECOVERY_TIME_S)]
    assert told(shed(), *came) == [None, None, None, LatencyTransition.RESTORED]


@pytest.mark.parametrize("waited_s", [BETWEEN, LATE])
def test_and_so_does_one_that_waits(waited_s: float) -> None:
    shedding = shed()
    told(shedding, (QUICK, 0))
    assert shedding.observe_wait(waited_s) is None
    assert told(shedding, (QUICK, RECOVERY_TIME_S), (QUICK, 2 * RECOVERY_TIME_S)) == [None, LatencyTransition.RESTORED]


def test_a_wait_that_is_still_short_says_nothing() -> None:
    shedding = shed()
    told(shedding, (QUICK, 0))
    assert shedding.observe_wait(QUICK) is None
    assert told(shedding, (QUICK, RECOVERY_TIME_S)) == [LatencyTransition.RESTORED]


def test_what_was_restored_may_be_shed_again() -> None:
    shedding = shed()
    assert told(shedding, (QUICK, 0), (QUICK, RECOVERY_TIME_S), (LATE, 20)) == [
        None,
        LatencyTransition.RESTORED,
        LatencyTransition.SHED,
    ]
