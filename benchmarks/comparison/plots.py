"""Plots of stored comparisons as SVG files: distribution of latencies, CPU time, latency by number of streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.comparison.results import Row, percentile

SIZE = (7.0, 4.0)  # inches
X_RANGE_S = (0.05, 60.0)  # of the latency axis
PERCENT = 95


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write the plots of each language into the folder; return their paths."""
    drawn: list[Path] = []
    for language in sorted({row.language for row in rows}):
        measured = [row for row in rows if row.language == language and not row.error]
        alone = [row for row in measured if row.streams == 1]
        if not alone:
            continue
        with _plot(folder / f"partial-lag-{language}.svg", drawn) as axes:
            _plot_partial_latency(axes, alone)
        with _plot(folder / f"final-lag-{language}.svg", drawn) as axes:
            _plot_final_latency(axes, alone)
        with _plot(folder / f"cpu-{language}.svg", drawn) as axes:
            _plot_cpu(axes, [row for row in measured if row.streams <= 1])
        with _plot(folder / f"streams-{language}.svg", drawn) as axes:
            _plot_streams(axes, [row for row in measured if row.streams])
    return drawn


@contextmanager
def _plot(path: Path, drawn: list[Path]) -> Iterator[Axes]:
    with mpl.rc_context({"svg.hashsalt": "comparison", "svg.fonttype": "none"}):  # the same results give the same file
        figure = Figure(SIZE, layout="constrained")
        axes = figure.subplots()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        yield axes
        figure.savefig(path, metadata={"Date": None})
    drawn.append(path)


def _plot_partial_latency(axes: Axes, rows: Sequence[Row]) -> None:
    _shares(axes, rows, lambda row: (row.metrics.partial_latencies_s, row.metrics.words))
    axes.set(xlabel="seconds after the end of a word", ylabel="words shown correctly and unchanged since, %")


def _plot_final_latency(axes: Axes, rows: Sequence[Row]) -> None:
    _shares(axes, rows, lambda row: (row.metrics.final_latencies_s, row.metrics.utterances))
    axes.set(xlabel="seconds after the end of an utterance", ylabel="utterances with their final, %")


def _shares(axes: Axes, rows: Sequence[Row], of: Callable[[Row], tuple[Sequence[float], int]]) -> None:
    """Plot the cumulative share by latency. The share is of all: a curve that ends below 100 % shows missing text."""
    axes.set(xscale="log", xlim=X_RANGE_S, ylim=(0, 101))
    axes.xaxis.set_major_formatter("{x:g}")
    for row in rows:
        latencies_s, count = of(row)
        shares = 100 * np.arange(len(latencies_s) + 1) / max(1, count)
        axes.step([*sorted(latencies_s), 10 * X_RANGE_S[1]], shares, where="pre", label=row.system)
    axes.legend(loc="lower right")


def _plot_cpu(axes: Axes, rows: Sequence[Row]) -> None:
    bars = axes.barh([row.system for row in rows], [row.cpu_per_audio or 0.0 for row in rows])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.margins(x=0.1)
    axes.invert_yaxis()
    axes.set(xlabel="CPU seconds per second of audio, one stream")


def _plot_streams(axes: Axes, rows: Sequence[Row]) -> None:
    for name in dict.fromkeys(row.system for row in rows):
        latencies = {
            row.streams: latency_s
            for row in sorted(rows, key=lambda row: row.streams)
            if row.system == name
            and (latency_s := percentile(row.metrics.final_latencies_at_pauses_s, PERCENT)) is not None
        }
        axes.plot(list(latencies), list(latencies.values()), marker="o", label=name)
    axes.set(xlabel="concurrent streams", ylabel=f"final latency at pauses, p{PERCENT}, s", ylim=(0, None))
    axes.set_xticks(sorted({row.streams for row in rows}))
    axes.legend()
