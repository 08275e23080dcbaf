"""The Grafana dashboard: the queries of each panel, and a picture of the panels with the data of Prometheus."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from lab.monitoring.prometheus import Series

FILE = Path(__file__).parents[2] / "docker" / "monitoring" / "grafana" / "dashboards" / "dashboard.json"
VARIABLES = {"$instance": ".*", "$__rate_interval": "15s"}  # the real one follows the scrape interval
COLUMNS, INCH, DPI = 24, 0.55, 110  # of the dashboard's grid
COLOURS = 64
UNITS = {"s": "{:.2f} s", "percentunit": "{:.0%}", "bytes": "{:.2g}", "none": "{:.3g}"}
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    legend: str  # with {{label}} as the placeholder of a label's value

    def name(self, series: Series) -> str:
        """Return the panel's name of the series."""
        name = self.legend
        for label, value in series.labels.items():
            name = name.replace("{{" + label + "}}", value)
        return name


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    kind: str  # stat or timeseries
    unit: str
    queries: tuple[Query, ...]
    position: tuple[int, int, int, int]  # x, y, width, height


Over = Callable[[str], Sequence[Series]]


def panels() -> Iterator[Panel]:
    """Yield the panels, their variables filled in."""
    for panel in json.loads(FILE.read_text(encoding="utf-8"))["panels"]:
        position = panel["gridPos"]
        yield Panel(
            panel["title"],
            panel["type"],
            panel["fieldConfig"]["defaults"]["unit"],
            tuple(Query(_filled(target["expr"]), target["legendFormat"]) for target in panel["targets"]),
            (position["x"], position["y"], position["w"], position["h"]),
        )


def draw(drawn: Sequence[Panel], over: Over, path: Path) -> None:
    """Draw the picture: each panel at its position, with the data of Prometheus."""
    height = max(y + h for panel in drawn for _, y, _, h in [panel.position])
    with mpl.rc_context({"font.size": 7}):
        figure = Figure((COLUMNS * INCH, height * INCH * 0.55), facecolor="#f4f5f5")
        for panel in drawn:
            x, y, w, h = panel.position
            left, bottom = (x + 0.9) / COLUMNS, 1 - (y + h - 1.7) / height
            axes = figure.add_axes((left, bottom, (w - 1.2) / COLUMNS, (h - 2.6) / height), facecolor="white")
            axes.set_title(panel.title, loc="left", fontsize=8, fontweight="bold")
            answers = [(query, over(query.text)) for query in panel.queries]
            (_number if panel.kind == "stat" else _lines)(axes, panel, answers)
        figure.savefig(path, dpi=DPI)
    with Image.open(path) as picture:
        picture.quantize(COLOURS).save(path, optimize=True)  # a third of the size


def _number(axes: Axes, panel: Panel, answers: Sequence[tuple[Query, Sequence[Series]]]) -> None:
    """Draw the last value of the panel, large, over its history."""
    axes.set_axis_off()
    for _, series_list in answers:
        for series in series_list:
            known = [(at, value) for at, value in series.values if not math.isnan(value)]
            if known:
                times, values = zip(*known, strict=True)
                axes.fill_between(times, values, color="#dbe9d5", linewidth=0)
                drawn = UNITS[panel.unit].format(max(values))
                axes.set_ylim(0, 2 * max(values) or 1)
                axes.text(0.5, 0.5, drawn, transform=axes.transAxes, ha="center", va="center", fontsize=17)


def _lines(axes: Axes, panel: Panel, answers: Sequence[tuple[Query, Sequence[Series]]]) -> None:
    """Draw a line for each series, over minutes."""
    start = min((series.values[0][0] for _, series_list in answers for series in series_list), default=0.0)
    for query, series_list in answers:
        for series in series_list:
            scale = MEGABYTE if panel.unit == "bytes" else 0.01 if panel.unit == "percentunit" else 1.0
            times = [at - start for at, _ in series.values]
            axes.plot(times, [value / scale for _, value in series.values], label=query.name(series), linewidth=1.1)
    if not any(series_list for _, series_list in answers):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no GPU in this machine", transform=axes.transAxes, ha="center", color="gray")
        return
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    unit = {"bytes": "MB", "percentunit": "%", "s": "s"}.get(panel.unit, "")
    axes.set_ylabel(unit, rotation=0, loc="top", labelpad=1)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, frameon=False, fontsize=6, handlelength=1)


def _filled(query: str) -> str:
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return query
