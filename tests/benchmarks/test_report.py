"""Report of the comparison: capacity, ratios, and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.comparison.latency import StreamMetrics
from benchmarks.comparison.plots import draw
from benchmarks.comparison.report import tables
from benchmarks.comparison.results import Lateness, Outcome, Row, append_row, estimated_streams, latest_rows, summary


def row(system: str = "ours", streams: int = 1, lag_s: float = 0.9, wrong: int = 5, missing: int = 0) -> Row:
    """Return a row of ten utterances and a hundred words."""
    lags_s = (lag_s,) * (10 - missing)
    metrics = StreamMetrics(
        partial_latencies_s=(lag_s / 2,) * 100,
        final_latencies_s=lags_s,
        final_latencies_at_pauses_s=lags_s,
        words=100,
        words_wrong=wrong,
        words_shown=100,
        utterances=10,
        utterances_without_final=missing,
    )
    outcome = Outcome("en/one", metrics)
    return Row(system, "en", streams, endpoint_s=0.7, outcomes=(outcome,), cpu_s=5.0, audio_s=10.0, machine="a machine")


def line_of(text: str, start: str) -> list[str]:
    """Return the cells of the last line of the tables that begins so."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in lines[-1].strip("|").split("|")]


@pytest.mark.parametrize(
    ("of_two", "capacity"),
    [
        pytest.param(row(streams=2, lag_s=1.2), 2, id="latency half a second above the silence"),
        pytest.param(row(streams=2, lag_s=1.3), 1, id="latency more than that above the silence"),
        pytest.param(row(streams=2, wrong=6), 1, id="more word errors than with one stream"),
        pytest.param(Row("ours", "en", 2, error="died"), 1, id="failed run"),
    ],
)
def test_capacity_in_streams(of_two: Row, capacity: int) -> None:
    assert estimated_streams([row(), of_two]) == capacity


def test_run_with_a_rejected_stream_is_beyond_capacity() -> None:
    refused = Row("ours", "en", 2, outcomes=(*row().outcomes, Outcome("en/one", StreamMetrics(), rejected="full")))
    assert estimated_streams([row(), refused]) == 1


def test_capacity_is_zero_if_one_stream_is_too_many() -> None:
    assert estimated_streams([row(lag_s=2.0)]) == 0


def test_capacity_is_unknown_without_a_run_of_one_stream() -> None:
    assert estimated_streams([row(streams=2)]) is None


def test_word_errors_are_compared_with_those_of_the_same_recordings() -> None:
    other = Outcome("en/two", StreamMetrics(words=100, words_wrong=50))
    alone = Row("ours", "en", 1, endpoint_s=0.7, outcomes=(*row().outcomes, other))
    assert estimated_streams([alone, row(streams=2, wrong=6)]) == 1


def test_endpoint_silence_is_subtracted() -> None:
    assert summary(row(lag_s=0.9))["final lag less silence p50, s"] == pytest.approx(0.2)
    unset = Row("peer", "en", 1, outcomes=row().outcomes)
    assert summary(unset)["final lag less silence p50, s"] is None


def test_ratios_are_relative_to_raw_and_to_the_best_peer() -> None:
    text = tables([row(), row("raw", lag_s=1.8), row("slow", lag_s=9.0), row("quick", lag_s=3.0)])
    assert line_of(text, "final latency p50, s") == "final latency p50, s|0.90|1.80|0.50|3.00|quick|0.30".split("|")


def test_peer_that_omits_many_utterances_is_not_the_best() -> None:
    text = tables([row(), row("hasty", lag_s=0.1, missing=2), row("slow", lag_s=9.0)])
    assert line_of(text, "final latency p50, s")[-2] == "slow"


def test_failed_system_is_listed_with_its_error() -> None:
    assert "- peer, 1: no such port" in tables([row(), Row("peer", "en", 1, error="no\nsuch port")])


def test_languages_have_separate_tables() -> None:
    russian = Row("ours", "ru", 1, outcomes=row().outcomes)
    text = tables([row(), russian, row("raw")])
    assert (text.count("## English"), text.count("## Russian")) == (1, 1)


def test_rows_are_read_as_they_were_stored(tmp_path: Path) -> None:
    whole = Row("ours", "en", 1, outcomes=row().outcomes, lateness=Lateness(0.1, ahead=True), versions={"av": "1"})
    append_row(tmp_path, whole, [])
    assert latest_rows(tmp_path) == [whole]


def test_latest_row_of_a_system_language_and_number_counts(tmp_path: Path) -> None:
    for one in (row(), row(streams=2), row(lag_s=5.0)):
        append_row(tmp_path, one, [])
    assert latest_rows(tmp_path) == [row(lag_s=5.0), row(streams=2)]


def test_each_language_has_its_plots(tmp_path: Path) -> None:
    drawn = draw([row(), row(streams=2), row("peer")], tmp_path)
    assert [path.name for path in drawn] == ["partial-lag-en.svg", "final-lag-en.svg", "cpu-en.svg", "streams-en.svg"]
    assert all("ours" in path.read_text(encoding="utf-8") for path in drawn)


def test_failed_system_is_not_plotted(tmp_path: Path) -> None:
    drawn = draw([row(), Row("dead", "en", 1, error="gone")], tmp_path)
    assert not any("dead" in path.read_text(encoding="utf-8") for path in drawn)


def test_same_rows_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        draw([row()], tmp_path / name)
    one, two = ((tmp_path / name / "final-lag-en.svg").read_bytes() for name in ("one", "two"))
    assert one == two


def test_run_with_a_slow_harness_is_listed() -> None:
    late = Row("peer", "en", 1, outcomes=row().outcomes, lateness=Lateness(ticks_max_s=0.4))
    assert "The harness was too slow for: peer 1." in tables([row(), late])
    assert "No run was affected." in tables([row()])
