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


def is_ahead_at(tracker: RealtimeTracker, *observed: tuple[float, float]) -> list[bool]:
    """Return whether the stream is ahead at each (seconds of audio, clock)."""
    return [tracker.is_ahead(received_s, now) for received_s, now in observed]


def test_realtime_stream_is_not_ahead() -> None:
    assert is_ahead_at(RealtimeTracker(100), *((second, 100 + second) for second in range(60))) == [False] * 60


def test_recording_at_full_speed_is_ahead() -> None:
    assert is_ahead_at(RealtimeTracker(0), (1, 0.1), (MAX_LEAD_S + 0.5, 0.2), (60, 1)) == [False, True, True]


def test_recording_after_realtime_speech_is_ahead() -> None:
    realtime = [(float(second), float(second)) for second in range(60)]
    assert is_ahead_at(RealtimeTracker(0), *realtime, (59 + MAX_LEAD_S + 1, 59.5)) == [False] * 60 + [True]


def test_audio_delayed_by_the_network_is_not_ahead() -> None:
    assert is_ahead_at(RealtimeTracker(0), (10, 10), (10, 18), (18, 18.1), (20, 20.1)) == [False] * 4


def test_resumed_stream_with_buffered_audio_is_soon_realtime_again() -> None:
    tracker = RealtimeTracker(0)
    assert is_ahead_at(tracker, (20, 0.5)) == [True]
    assert is_ahead_at(tracker, *((20 + second, second) for second in range(1, 40)))[-20:] == [False] * 20


def test_recording_at_twice_real_time_stays_ahead() -> None:
    tracker = RealtimeTracker(0, initial_lead_s=MAX_LEAD_S + 1)
    assert all(is_ahead_at(tracker, *((2.1 * second, second) for second in range(60))))


def test_recording_stays_ahead_while_reading_is_paused() -> None:
    tracker = RealtimeTracker(0)
    assert tracker.is_ahead(10, 0.1)
    tracker.pause_reading(10, 0.1)
    assert tracker.is_ahead(10, 30)
    tracker.resume_reading(60)
    assert tracker.is_ahead(11, 60.1)


def test_realtime_stream_is_not_ahead_after_a_pause_of_reading() -> None:
    tracker = RealtimeTracker(0)
    tracker.pause_reading(10, 10)
    tracker.resume_reading(20)
    assert not tracker.is_ahead(20, 20.1)


@pytest.mark.parametrize("now", [0.0, 1e6])
def test_infinite_lead_never_decays(now: float) -> None:
    assert RealtimeTracker(0, initial_lead_s=math.inf).is_ahead(0, now)


LATE, FAST, BETWEEN = LATE_PARTIAL_S + 0.1, RECOVERED_WAIT_S - 0.1, (LATE_PARTIAL_S + RECOVERED_WAIT_S) / 2


def transitions(monitor: PartialLatencyMonitor, *partials: tuple[float, float]) -> list[LatencyTransition | None]:
    """Return the transition that each partial (its wait, clock) reports."""
    return [monitor.observe_result(waited_s, now) for waited_s, now in partials]


def shed_monitor() -> PartialLatencyMonitor:
    monitor = PartialLatencyMonitor()
    assert monitor.observe_wait(LATE) is LatencyTransition.SHED
    return monitor


def test_fast_partials_report_no_transition() -> None:
    assert transitions(PartialLatencyMonitor(), *((FAST, second) for second in range(20))) == [None] * 20


def test_late_partials_are_reported_once() -> None:
    assert transitions(PartialLatencyMonitor(), (LATE, 0), (LATE, 2), (BETWEEN, 3), (LATE, 5)) == [
        LatencyTransition.SHED,
        None,
        None,
        None,
    ]


def test_queued_partial_that_is_late_is_reported_before_its_result() -> None:
    monitor = PartialLatencyMonitor()
    assert [monitor.observe_wait(waited_s) for waited_s in (BETWEEN, LATE, LATE + 1)] == [
        None,
        LatencyTransition.SHED,
        None,
    ]
    assert transitions(monitor, (LATE + 2, 0)) == [None]


def test_recovery_is_reported_once() -> None:
    partials = [(FAST, 10.0), (FAST, 10 + RECOVERY_TIME_S / 2), (FAST, 10 + RECOVERY_TIME_S), (FAST, 30)]
    assert transitions(shed_monitor(), *partials) == [None, None, LatencyTransition.RESTORED, None]


def test_slower_partial_restarts_the_recovery_time() -> None:
    partials = [(FAST, 0.0), (BETWEEN, RECOVERY_TIME_S - 1), (FAST, RECOVERY_TIME_S), (FAST, 2 * RECOVERY_TIME_S)]
    assert transitions(shed_monitor(), *partials) == [None, None, None, LatencyTransition.RESTORED]


@pytest.mark.parametrize("waited_s", [BETWEEN, LATE])
def test_waiting_partial_restarts_the_recovery_time(waited_s: float) -> None:
    monitor = shed_monitor()
    transitions(monitor, (FAST, 0))
    assert monitor.observe_wait(waited_s) is None
    assert transitions(monitor, (FAST, RECOVERY_TIME_S), (FAST, 2 * RECOVERY_TIME_S)) == [
        None,
        LatencyTransition.RESTORED,
    ]


def test_short_wait_does_not_restart_the_recovery_time() -> None:
    monitor = shed_monitor()
    transitions(monitor, (FAST, 0))
    assert monitor.observe_wait(FAST) is None
    assert transitions(monitor, (FAST, RECOVERY_TIME_S)) == [LatencyTransition.RESTORED]


def test_restored_partials_can_be_shed_again() -> None:
    monitor = shed_monitor()
    assert transitions(monitor, (FAST, 0), (FAST, RECOVERY_TIME_S), (LATE, 20)) == [
        None,
        LatencyTransition.RESTORED,
        LatencyTransition.SHED,
    ]
