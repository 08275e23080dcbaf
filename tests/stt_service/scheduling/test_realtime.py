"""Recordings run ahead of the clock, people do not: whatever the network and the server make of it."""

from __future__ import annotations

import math

import pytest

from stt_service.scheduling.realtime import AHEAD_S, RealtimeTracker


def ahead(pace: RealtimeTracker, *observed: tuple[float, float]) -> list[bool]:
    """Return what is said at each (seconds of sound, clock)."""
    return [pace.is_ahead(heard_s, now) for heard_s, now in observed]


def test_who_speaks_is_not_ahead() -> None:
    assert ahead(RealtimeTracker(100), *((second, 100 + second) for second in range(60))) == [False] * 60


def test_a_recording_at_full_speed_is_ahead() -> None:
    assert ahead(RealtimeTracker(0), (1, 0.1), (AHEAD_S + 0.5, 0.2), (60, 1)) == [False, True, True]


def test_who_has_spoken_for_a_while_and_sends_a_recording_then_is_ahead() -> None:
    spoken = [(float(second), float(second)) for second in range(60)]
    assert ahead(RealtimeTracker(0), *spoken, (59 + AHEAD_S + 1, 59.5)) == [False] * 60 + [True]


def test_sound_that_the_network_kept_back_is_not_ahead() -> None:
    assert ahead(RealtimeTracker(0), (10, 10), (10, 18), (18, 18.1), (20, 20.1)) == [False] * 4


def test_who_resumes_with_what_he_kept_is_soon_live_again() -> None:
    pace = RealtimeTracker(0)
    assert ahead(pace, (20, 0.5)) == [True]
    assert ahead(pace, *((20 + second, second) for second in range(1, 40)))[-20:] == [False] * 20


def test_a_recording_at_twice_the_speed_of_speech_stays_ahead_once_it_is() -> None:
    pace = RealtimeTracker(0, lead_s=AHEAD_S + 1)
    assert all(ahead(pace, *((2.1 * second, second) for second in range(60))))


def test_a_recording_that_the_server_holds_stays_ahead() -> None:
    pace = RealtimeTracker(0)
    assert pace.is_ahead(10, 0.1)
    pace.hold(10, 0.1)
    assert pace.is_ahead(10, 30)
    pace.release(60)
    assert pace.is_ahead(11, 60.1)


def test_who_speaks_is_live_still_when_the_server_has_held_him() -> None:
    pace = RealtimeTracker(0)
    pace.hold(10, 10)
    pace.release(20)
    assert not pace.is_ahead(20, 20.1)


@pytest.mark.parametrize("now", [0.0, 1e6])
def test_an_infinite_lead_is_never_lost(now: float) -> None:
    assert RealtimeTracker(0, lead_s=math.inf).is_ahead(0, now)
