"""Measurements since the last sample, and their percentiles."""

from __future__ import annotations

import math

from stt_service.telemetry.recent import MAX_VALUES, RecentValues, percentile


def test_values_are_taken_once() -> None:
    values = RecentValues()
    values.add(1.0)
    values.add(2.0)
    assert values.take() == [1.0, 2.0]
    assert values.take() == []


def test_only_the_latest_values_are_kept() -> None:
    values = RecentValues()
    for number in range(MAX_VALUES + 3):
        values.add(float(number))
    taken = values.take()
    assert (len(taken), taken[0], taken[-1]) == (MAX_VALUES, 3.0, MAX_VALUES + 2.0)


def test_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]
    assert (percentile(hundred, 50), percentile(hundred, 95), percentile(hundred, 100)) == (50.0, 95.0, 100.0)
    assert (percentile([0.3], 50), percentile([0.3], 95)) == (0.3, 0.3)


def test_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 95))
