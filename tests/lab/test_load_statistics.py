"""Statistics of the measurements of contended machines and abusive clients."""

from __future__ import annotations

import pytest

from lab.load import fairness
from lab.load.cpu_contention import Column, violations
from lab.load.live_client import Latencies, gaps, spread


def column(hogs: int, *, final_s: float = 1.0, gap_s: float = 1.0) -> Column:
    return Column(hogs, Latencies(finals_s=[final_s], gaps_s=[gap_s]), [0.01], cores=0.5, late_s=0.0)


@pytest.mark.parametrize(
    ("shown_s", "expected"),
    [
        pytest.param([], [4.0], id="no partial"),
        pytest.param([2.0, 3.0], [1.0, 1.0, 2.0], id="from the start, between partials, and to the end of speech"),
        pytest.param([0.5, 6.0], [4.0], id="partials before or after the speech do not count"),
    ],
)
def test_gaps_are_the_times_without_new_text_during_speech(shown_s: list[float], expected: list[float]) -> None:
    assert gaps(shown_s, 1.0, 5.0) == expected


def test_spread_has_the_median_the_95th_percentile_and_the_maximum() -> None:
    assert spread([1.0] * 50 + [2.0] * 50 + [9.0]) == "2.00 / 2.00 / 9.00"
    assert spread([]) == "none"


@pytest.mark.parametrize(
    ("busy", "missed"),
    [
        pytest.param(column(2, final_s=3.0, gap_s=3.0), [], id="at the limits"),
        pytest.param(column(2, final_s=3.5), ["MISSED: finals are 3.5 times as late with 2 hogs (p95)."], id="finals"),
        pytest.param(column(2, gap_s=3.5), ["MISSED: 3.5 s without a partial with 2 hogs."], id="partials"),
    ],
)
def test_contention_limits(busy: Column, missed: list[str]) -> None:
    assert violations(column(0), busy) == missed


def test_abusive_client_may_double_the_latency_of_others() -> None:
    alone = Latencies(finals_s=[1.0])
    assert fairness.violations("bulk", alone, Latencies(finals_s=[2.0])) == []
    [missed] = fairness.violations("bulk", alone, Latencies(finals_s=[2.5]))
    assert missed == "MISSED: next to bulk ordinary finals are 2.5 times as late (p95)."


def test_missing_finals_miss_the_limit() -> None:
    assert fairness.violations("bulk", Latencies(finals_s=[1.0]), Latencies(finals_s=[1.0], cut_off=1))
