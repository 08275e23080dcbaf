"""Tables and plots of comparison results.

`python -m benchmarks.comparison.report DIR` writes TABLES.md and SVG files.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import reduce
from itertools import groupby
from pathlib import Path

from benchmarks.comparison.plots import draw
from benchmarks.comparison.results import Lateness, Row, estimated_streams, latest_rows, summary

OURS, OURS_DEFAULT_ENDPOINT, BASELINE, OFFLINE = "ours", "ours-patient", "raw", "offline"
LANGUAGES = {"en": "English", "ru": "Russian"}
LIVE_COLUMNS = ("first partial p50, s", "first partial p95, s", "partial lag p50, s", "partial lag p95, s")
STEADY = ("words never right, %", "flicker, %", "WER, %")
FINAL_COLUMNS = ("final lag p50, s", "final lag p95, s", "final lag at pauses p50, s", "final lag at pauses p95, s")
NET_COLUMNS = (
    "final lag less silence p50, s",
    "final lag less silence p95, s",
    "utterances without a final",
    "utterances",
)
ENDPOINT_COLUMNS = ("final lag after decision p50, s", "final lag after decision p95, s", "finals early, %")
COST = ("CPU s / audio s", "peak MiB")
COMPARED = (*LIVE_COLUMNS, *STEADY, *FINAL_COLUMNS, *NET_COLUMNS[:2], *COST)
MAX_OMITTED_SHARE = 0.1  # of the utterances: a peer that omits more is not a valid speed reference
NOTES = """\
Times are seconds after the audio was spoken. First partial: from the start of an utterance to the first shown text with
a correct word of it. Partial latency: from the end of a word to the moment from which it is shown correctly until the
end of the stream; words never shown correctly at the end have none. Final latency: from the end of an utterance to the
final with its last correct word; at pauses: only utterances before a pause of at least a second, which no system may
join with the next. Flicker: share of shown words that were later changed or removed. All words of a rejected stream
count as wrong.
"""


def tables(rows: Sequence[Row]) -> str:
    """Return all tables in Markdown."""
    parts = ["# Speech-to-text systems side by side\n", NOTES]
    for language, group in groupby(sorted(rows, key=lambda row: row.language), key=lambda row: row.language):
        parts += _of_language(LANGUAGES.get(language, language), list(group))
    return "\n".join(parts)


def _of_language(language: str, rows: list[Row]) -> list[str]:
    measured = [row for row in rows if not row.error]
    live = [row for row in measured if row.streams]
    return [
        f"## {language}\n",
        "Live text\n",
        _table(live, (*LIVE_COLUMNS, *STEADY[:2])),
        "Finals\n",
        _table(measured, (*FINAL_COLUMNS, *NET_COLUMNS, "WER, %")),
        "This project's finals after the endpoint was decided\n",
        _table([*_named(live, OURS), *_named(live, OURS_DEFAULT_ENDPOINT)], ENDPOINT_COLUMNS),
        "Cost\n",
        _table(measured, COST),
        "Capacity in streams: the most whose final latency p95 at pauses is at most the endpoint silence (0.7 s if "
        "there is no such setting) and 0.5 s, and whose WER is at most 0.5 points above that with one stream\n",
        _capacity(live),
        "This project compared with the others, one stream; below 1 is better\n",
        _ratios([row for row in live if row.streams == 1]),
        *_remarks(rows),
    ]


def _named(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if row.system == name]


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines)) + "\n"


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if isinstance(value, int) or abs(value) >= 100 else f"{value:.2f}"


def _heading(column: str) -> str:
    """Return the heading of a column; the keys of results.jsonl keep the names of earlier versions."""
    return column.replace("lag", "latency").replace("finals early", "speculative finals")


def _table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    lines = []
    for row in rows:
        values = summary(row)
        streams = str(row.streams or "–") + (f", {row.rejected} rejected" if row.rejected else "")
        lines.append([row.system, streams, *(_cell(values[column]) for column in columns)])
    return _markdown(["system", "streams", *map(_heading, columns)], lines)


def _capacity(rows: Sequence[Row]) -> str:
    lines = []
    for name in dict.fromkeys(row.system for row in rows):
        of_system = _named(rows, name)
        tried = ", ".join(str(row.streams) for row in of_system)
        lines.append([name, tried, _cell(estimated_streams(of_system))])
    return _markdown(["system", "tried", "capacity"], lines)


def _ratios(rows: Sequence[Row]) -> str:
    ours = next(iter(_named(rows, OURS)), None)
    if ours is None:
        return "Not measured.\n"
    own = summary(ours)
    baseline = next((summary(row) for row in _named(rows, BASELINE)), {})
    others = [row for row in rows if row.system not in (OURS, OURS_DEFAULT_ENDPOINT, BASELINE)]
    peers = {row.system: summary(row) for row in others if _is_complete(row)}
    lines = []
    for column in COMPARED:
        there = {name: value for name, values in peers.items() if (value := values[column]) is not None}
        best = min(there, key=lambda name: there[name], default="–")
        cells = [baseline.get(column), _ratio(own[column], baseline.get(column)), there.get(best)]
        ratio = _cell(_ratio(own[column], there.get(best)))
        lines.append([_heading(column), _cell(own[column]), *map(_cell, cells), best, ratio])
    return _markdown(["value", OURS, BASELINE, "ours / raw", "best peer", "which", "ours / best peer"], lines)


def _is_complete(row: Row) -> bool:
    return row.metrics.utterances_without_final <= MAX_OMITTED_SHARE * row.metrics.utterances


def _ratio(own: float | None, other: float | None) -> float | None:
    return own / other if own is not None and other else None


def _remarks(rows: Sequence[Row]) -> list[str]:
    """Return the conditions of the measurements, and the failures."""
    remarks = [f"- {row.system}: {row.about}" for row in rows if row.streams <= 1 and row.about]
    for row in rows:
        errors = {row.error, *(outcome.rejected or outcome.error for outcome in row.outcomes)} - {""}
        remarks += [f"- {row.system}, {row.streams}: {' '.join(error.split())}" for error in sorted(errors)]
    live = [row for row in rows if row.streams and not row.error]
    if live:
        late = reduce(Lateness.worst, (row.lateness for row in live))
        load = max(row.load_before for row in live)
        remarks.append(f"- {live[-1].machine}, {live[-1].when} UTC. Load at most {load:.1f} before a run.")
        remarks.append(f"- The harness: {late.sentence}. {_harness_remark(live)}")
    return ["\n".join(remarks) + "\n"]


def _harness_remark(rows: Sequence[Row]) -> str:
    late = [f"{row.system} {row.streams}" for row in rows if not row.lateness.is_acceptable]
    return f"The harness was too slow for: {', '.join(late)}." if late else "No run was affected."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rows = latest_rows(folder)
    text = tables(rows)
    (folder / "TABLES.md").write_text(text, encoding="utf-8")
    print(text)
    print(*draw(rows, folder), sep="\n")


if __name__ == "__main__":
    main()
