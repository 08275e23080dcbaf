"""What came of an evaluation, for people as a table, for programs as a line of JSON a trial. Prints nothing itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import StringIO

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stt_service.evaluation.metrics import RecordingStats
from stt_service.evaluation.runner import EvaluationReport, TrialResult
from stt_service.evaluation.settings_grid import DEFAULT_COMPARISONS
from stt_service.evaluation.wer import WordErrors

UNKNOWN = "–"
TIMES = {
    "cpu": "Times: those of such a machine with nothing else to do (CPU time, over a worker's threads: {threads}).",
    "cuda": "Times: by the clock, so that other work on this machine makes them longer.",
}
OFFLINE_NOTE = (
    "Differs from offline: {names}, which no text lies beside, from a transcript by the same weights in windows of up "
    "to 28 s, full context, 5 beams. It tells what streaming loses, not which weights are better."
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of a trial; None where there was nothing to measure."""

    word_error_rate_percent: float | None
    words: int
    offline_difference_percent: float | None
    offline_words: int
    first_text_p50_s: float | None
    word_lag_p50_s: float | None
    word_lag_p95_s: float | None
    final_after_speech_p50_s: float | None
    final_after_speech_p95_s: float | None
    final_after_endpoint_p50_s: float | None
    final_after_endpoint_p95_s: float | None
    finals_compute: float  # seconds for a second of sound, as the next two
    early_compute: float
    partials_compute: float
    partials: int
    early_in_vain: int
    utterances: int
    sound_s: float


def summarize(figures: RecordingStats) -> Summary:
    sound_s = figures.audio_s
    return Summary(
        word_error_rate_percent=_percent(figures.errors),
        words=figures.errors.words,
        offline_difference_percent=_percent(figures.offline),
        offline_words=figures.offline.words,
        first_text_p50_s=_percentile(figures.first_texts_s, 50),
        word_lag_p50_s=_percentile(figures.word_lags_s, 50),
        word_lag_p95_s=_percentile(figures.word_lags_s, 95),
        final_after_speech_p50_s=_percentile(figures.after_speech_s, 50),
        final_after_speech_p95_s=_percentile(figures.after_speech_s, 95),
        final_after_endpoint_p50_s=_percentile(figures.after_endpoint_s, 50),
        final_after_endpoint_p95_s=_percentile(figures.after_endpoint_s, 95),
        finals_compute=round(figures.finals_s / sound_s, 4),
        early_compute=round(figures.speculative_s / sound_s, 4),
        partials_compute=round(figures.partials_s / sound_s, 4),
        partials=figures.partials,
        early_in_vain=figures.discarded,
        utterances=figures.utterances,
        sound_s=round(figures.audio_s, 3),
    )


def json_lines(report: EvaluationReport) -> Iterator[str]:
    """Return the summary of each trial, and what was tried."""
    for outcome in report.results:
        about = {
            "settings": dict(outcome.trial.changed),
            "finals_model": outcome.models.finals,
            "partials_model": outcome.models.partials,
            "device": outcome.device.active,
        }
        yield json.dumps({**about, **asdict(summarize(outcome.stats))}, ensure_ascii=False)


def render_table(report: EvaluationReport, width: int) -> Iterator[str]:
    """Return the table, so many columns wide at most, and what it has to be read with."""
    console = Console(file=StringIO(), width=width, highlight=False)
    with console.capture() as capture:
        console.print(_table(report.results))
        for note in _notes(report):
            console.print(note, markup=False)
    return (line.rstrip() for line in capture.get().splitlines())


def _table(outcomes: Sequence[TrialResult]) -> Table:
    """Return a row for each trial: the settings that differ, and the figures that are known."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    settings = {name.replace("_", "_\n"): [o.trial.value(name) for o in outcomes] for name in _names(outcomes)}
    figures = {header: [cell(summarize(o.stats)) for o in outcomes] for header, cell in COLUMNS.items()}
    columns = settings | {header: cells for header, cells in figures.items() if {*cells} != {UNKNOWN}}
    for header in columns:
        table.add_column(header, justify="right", overflow="fold")
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def _names(outcomes: Sequence[TrialResult]) -> list[str]:
    return list(dict.fromkeys(name for outcome in outcomes for name, _ in outcome.trial.changed))


def _notes(report: EvaluationReport) -> Iterator[str]:
    outcomes, recordings = report.results, report.recordings
    same = [name for name in ("LANGUAGE", *DEFAULT_COMPARISONS) if name not in _names(outcomes)]
    used = dict.fromkeys(f"{o.models.finals} (partials {o.models.partials}) on {o.device.active}" for o in outcomes)
    in_all = [*(f"{name}={outcomes[0].trial.value(name)}" for name in same), f"models {', '.join(used)}"]
    yield f"In all rows: {', '.join(in_all)}."
    yield TIMES[outcomes[0].device.active].format(threads=outcomes[0].threads)
    written = [recording.path.with_suffix(".txt").name for recording in recordings if recording.text]
    if written:
        yield f"Word error rate: against {', '.join(written)}."
    unwritten = [recording.path.name for recording in recordings if not recording.text]
    if unwritten:
        yield OFFLINE_NOTE.format(names=", ".join(unwritten))


def _percent(errors: WordErrors) -> float | None:
    return round(errors.percent, 2) if errors.words else None


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) + 0.0 if values else None  # never -0.0


def _numbers(*numbers: float | None) -> str:
    known = [f"{number:.2f}" for number in numbers if number is not None]
    return " ".join(known) or UNKNOWN


COLUMNS: Mapping[str, Callable[[Summary], str]] = {
    "word\nerror\nrate, %": lambda s: _numbers(s.word_error_rate_percent),
    "differs\nfrom off-\nline, %": lambda s: _numbers(s.offline_difference_percent),
    "first\ntext, s\np50": lambda s: _numbers(s.first_text_p50_s),
    "word\nlag, s\np50 p95": lambda s: _numbers(s.word_lag_p50_s, s.word_lag_p95_s),
    "final\nafter\nspeech, s\np50 p95": lambda s: _numbers(s.final_after_speech_p50_s, s.final_after_speech_p95_s),
    "after\nend-\npoint, s\np50 p95": lambda s: _numbers(s.final_after_endpoint_p50_s, s.final_after_endpoint_p95_s),
    "compute\nfinals\nearly\npartials": lambda s: _numbers(s.finals_compute, s.early_compute, s.partials_compute),
    "utter-\nances": lambda s: str(s.utterances),
}
