"""Timestamps of decoded audio: gaps become silence, wrong timestamps do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_media.timeline import MAX_GAP_S, MAX_SILENCE_S, TOLERANCE_S, Stamp, Timeline

FRAME_S = 0.02


def placed(*starts_s: float | None, frame_s: float = FRAME_S) -> tuple[list[float], Timeline]:
    """Return the silence before each frame."""
    timeline, stamps = Timeline(), [Stamp(start_s, frame_s) for start_s in starts_s]
    following: list[Stamp | None] = [*stamps[1:], None]
    return [timeline.place(*pair) for pair in zip(stamps, following, strict=False)], timeline


def consecutive(first_s: float, count: int) -> list[float]:
    return [first_s + place * FRAME_S for place in range(count)]


def test_consecutive_frames_have_no_silence_between_them() -> None:
    gaps, timeline = placed(*consecutive(0, 50))
    assert not any(gaps)
    assert timeline.position_s == pytest.approx(1)


def test_audio_that_starts_late_is_preceded_by_silence() -> None:
    gaps, _ = placed(*consecutive(10, 3))
    assert gaps == pytest.approx([10, 0, 0])


def test_missing_packets_become_silence() -> None:
    gaps, timeline = placed(*consecutive(0, 5), *consecutive(22, 5))
    assert gaps[5] == pytest.approx(21.9)
    assert timeline.position_s == pytest.approx(22.1)


def test_single_packets_with_gaps_between_them_keep_their_times() -> None:
    gaps, timeline = placed(0, 0.4, 0.8, 1.2)
    assert gaps == pytest.approx([0, 0.38, 0.38, 0.38])
    assert timeline.position_s == pytest.approx(1.22)


def test_rounding_errors_of_timestamps_do_not_accumulate() -> None:
    gaps, timeline = placed(*[round(place * 1024 / 44_100, 3) for place in range(2000)], frame_s=1024 / 44_100)
    assert not any(gaps)
    assert timeline.position_s == pytest.approx(2000 * 1024 / 44_100)


def test_drifting_clock_is_followed() -> None:
    _, timeline = placed(*[place * FRAME_S * 1.01 for place in range(5000)])
    assert timeline.position_s == pytest.approx(101, abs=TOLERANCE_S)


@pytest.mark.parametrize("wrong_s", [-50.0, 0.0, 30.0, 7200.0])
def test_single_wrong_timestamp_is_ignored(wrong_s: float) -> None:
    gaps, timeline = placed(*consecutive(0, 60), wrong_s, *consecutive(61 * FRAME_S, 60))
    assert not any(gaps)
    assert timeline.position_s == pytest.approx(121 * FRAME_S)


def test_position_continues_after_a_clock_restart() -> None:
    gaps, timeline = placed(*consecutive(0, 100), *consecutive(0, 100), *consecutive(3, 5))
    assert gaps[200] == pytest.approx(1)
    assert timeline.position_s == pytest.approx(5.1)


def test_small_overlap_is_absorbed_by_the_next_gap() -> None:
    gaps, timeline = placed(*consecutive(0, 50), *consecutive(0.5, 50), *consecutive(2, 1))
    assert gaps[100] == 0  # the audio has 2 s by then
    assert timeline.position_s == pytest.approx(2.02)


@pytest.mark.parametrize("far_s", [MAX_GAP_S + 1, 36_000.0, 1e12])
def test_timestamp_jump_of_hours_is_ignored_and_reported(far_s: float) -> None:
    gaps, timeline = placed(*consecutive(0, 5), *consecutive(far_s, 5))
    assert not any(gaps)
    assert timeline.ignored_s == pytest.approx(0.1)


def test_frames_without_timestamps_are_consecutive() -> None:
    gaps, timeline = placed(None, None, None)
    assert gaps == [0, 0, 0]
    assert timeline.position_s == pytest.approx(0.06)


@given(st.lists(st.one_of(st.none(), st.floats(-1e15, 1e15)), max_size=200))
def test_silence_is_bounded_for_any_timestamps(starts_s: list[float | None]) -> None:
    gaps, timeline = placed(*starts_s)
    assert all(0 <= gap <= MAX_GAP_S for gap in gaps)
    assert sum(gaps) <= MAX_SILENCE_S
    assert timeline.position_s == pytest.approx(sum(gaps) + len(gaps) * FRAME_S)
