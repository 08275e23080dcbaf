"""Stored results of a comparison: a row for each system, language and number of streams, and the messages behind it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter

from benchmarks.comparison.latency import StreamMetrics

ROWS = "results.jsonl"
MAX_LATENCY_ABOVE_ENDPOINT_S = 0.5  # above the endpoint silence, for the 95th percentile of final latencies
MAX_WER_INCREASE_POINTS = 0.5  # over the run with one stream
LATE_P99_S, LATE_MAX_S = 0.05, 0.3  # allowed delay of the harness itself: a tenth of the relevant latencies
USUAL_ENDPOINT_S = 0.7  # of a system that has no such setting


@dataclass(frozen=True, slots=True)
class Lateness:
    """Delay of the harness itself, in seconds."""

    ticks_p99_s: float = 0.0  # of the event loop that timestamps messages
    ticks_max_s: float = 0.0
    frames_max_s: float = 0.0
    blocked_max_s: float = 0.0  # while a system did not accept a frame
    ahead: bool = False  # the harness ran at a raised priority

    @property
    def is_acceptable(self) -> bool:
        """Return whether the harness was fast enough for its measurements to be valid."""
        return self.ticks_p99_s <= LATE_P99_S and max(self.ticks_max_s, self.frames_max_s) <= LATE_MAX_S

    @property
    def sentence(self) -> str:
        return (
            f"event loop late by {1000 * self.ticks_p99_s:.0f} ms (p99), {1000 * self.ticks_max_s:.0f} ms at most; "
            f"frames by {1000 * self.frames_max_s:.0f} ms at most; "
            f"a system held one up for {1000 * self.blocked_max_s:.0f} ms at most"
        )

    def worst(self, other: Lateness) -> Lateness:
        return Lateness(
            max(self.ticks_p99_s, other.ticks_p99_s),
            max(self.ticks_max_s, other.ticks_max_s),
            max(self.frames_max_s, other.frames_max_s),
            max(self.blocked_max_s, other.blocked_max_s),
            other.ahead,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one stream. Aliases are the keys of results.jsonl."""

    recording: str
    metrics: Annotated[StreamMetrics, Field(alias="figures")]
    rejected: Annotated[str, Field(alias="refused")] = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A system with a number of concurrent streams; 0 is a whole file, offline."""

    system: str
    language: str
    streams: int
    about: str = ""
    endpoint_s: float | None = None
    error: str = ""  # it did not start, or failed during the run
    outcomes: tuple[Outcome, ...] = ()
    start_s: float = 0.0
    cpu_s: float = 0.0
    audio_s: Annotated[float, Field(alias="sound_s")] = 0.0  # sent by all streams, including the silence after each
    peak_bytes: int = 0
    load_before: float = 0.0
    load_after: float = 0.0
    lateness: Lateness = field(default_factory=Lateness)
    when: str = ""
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> StreamMetrics:
        return sum((outcome.metrics for outcome in self.outcomes), StreamMetrics())

    @property
    def rejected(self) -> int:
        return sum(bool(outcome.rejected) for outcome in self.outcomes)

    @property
    def cpu_per_audio(self) -> float | None:
        return self.cpu_s / self.audio_s if self.audio_s else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def summary(row: Row) -> dict[str, float | None]:
    """Return the values of the tables. Less is better, except for `finals early` and the counts."""
    metrics, endpoint_s = row.metrics, row.endpoint_s
    spreads = {
        "first partial": metrics.first_partials_s,
        "partial lag": metrics.partial_latencies_s,
        "final lag": metrics.final_latencies_s,
        "final lag at pauses": metrics.final_latencies_at_pauses_s,
        "final lag less silence": ()
        if endpoint_s is None
        else [latency - endpoint_s for latency in metrics.final_latencies_s],
        "final lag after decision": metrics.after_decision_s,
    }
    values = {f"{name} p{p}, s": percentile(values, p) for name, values in spreads.items() for p in (50, 95)}
    finals = len(metrics.after_decision_s)
    return values | {
        "finals early, %": 100 * metrics.speculative_finals / finals if finals else None,
        "flicker, %": metrics.flicker_percent if metrics.words_shown else None,
        "words never right, %": metrics.never_right_percent if row.streams else None,
        "utterances": metrics.utterances if row.streams else None,
        "utterances without a final": metrics.utterances_without_final if row.streams else None,
        "WER, %": metrics.wer_percent,
        "CPU s / audio s": row.cpu_per_audio,
        "peak MiB": row.peak_bytes / 2**20 or None,
    }


def is_within_capacity(row: Row, alone: Row) -> bool:
    """Return whether the streams are served as well as one: `alone` is the same system with one.

    Only utterances before a long pause count for the latency: whether a short pause ends an utterance is a setting.
    """
    latency_s = percentile(row.metrics.final_latencies_at_pauses_s, 95)
    if row.rejected or latency_s is None:
        return False
    endpoint_s = USUAL_ENDPOINT_S if row.endpoint_s is None else row.endpoint_s
    by_name = {outcome.recording: outcome.metrics for outcome in alone.outcomes}
    same = sum((by_name.get(outcome.recording, StreamMetrics()) for outcome in row.outcomes), StreamMetrics())
    return (
        latency_s <= endpoint_s + MAX_LATENCY_ABOVE_ENDPOINT_S
        and row.metrics.wer_percent <= same.wer_percent + MAX_WER_INCREASE_POINTS
    )


def estimated_streams(rows: Sequence[Row]) -> int | None:
    """Return the capacity of one system and language in streams, 0 for none; None without a run of one stream."""
    alone = next((row for row in rows if row.streams == 1 and not row.error), None)
    return None if alone is None else max((row.streams for row in rows if is_within_capacity(row, alone)), default=0)


_ROW = TypeAdapter(Row)


def append_row(folder: Path, row: Row, raw: object) -> None:
    """Append the row, and write the messages behind it."""
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    line = {"summary": summary(row), **_ROW.dump_python(row, by_alias=True)}
    with (folder / ROWS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    path = folder / "raw" / f"{row.system}-{row.language}-{row.streams}.json.gz"
    with gzip.open(path, "wt", encoding="utf-8") as packed:
        json.dump(raw, packed, ensure_ascii=False)


def latest_rows(folder: Path) -> list[Row]:
    """Return the latest row of each system, language and number of streams, in the order of their first."""
    lines = (folder / ROWS).read_text(encoding="utf-8").splitlines()
    rows = map(_ROW.validate_json, lines)
    return list({(row.system, row.language, row.streams): row for row in rows}.values())
