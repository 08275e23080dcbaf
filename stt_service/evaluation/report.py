"""Report of an evaluation, as a table or as one line of JSON per trial. It returns the lines and prints nothing."""

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
    "cpu": "Times: CPU time divided by the threads of a worker ({threads}), as on an otherwise idle machine.",
    "cuda": "Times: wall-clock time, so other work on this machine increases them.",
}
OFFLINE_NOTE = (
    "Differs from offline: {names} (no .txt file found), compared with a transcript by the same weights in windows of "
    "up to 28 s, full context, 5 beams. It shows the loss by streaming, not which weights are better."
)


@dataclass(frozen=True, slots=True)
class Summary:
    """Reported values of a trial. None: there was nothing to measure."""

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
    finals_compute: float  # real-time factor, like the next two
    speculative_compute: float
    partials_compute: float
    partials: int
    speculative_discarded: int
    utterances: int
    audio_s: float


def summarize(stats: RecordingStats) -> Summary:
    """Return the reported values of the measurements."""
    audio_s = stats.audio_s
    return Summary(
        word_error_rate_percent=_percent(stats.errors),
        words=stats.errors.words,
        offline_difference_percent=_percent(stats.offline),
        offline_words=stats.offline.words,
        first_text_p50_s=_percentile(stats.first_texts_s, 50),
        word_lag_p50_s=_percentile(stats.word_lags_s, 50),
        word_lag_p95_s=_percentile(stats.word_lags_s, 95),
        final_after_speech_p50_s=_percentile(stats.after_speech_s, 50),
        final_after_speech_p95_s=_percentile(stats.after_speech_s, 95),
        final_after_endpoint_p50_s=_percentile(stats.after_endpoint_s, 50),
        final_after_endpoint_p95_s=_percentile(stats.after_endpoint_s, 95),
        finals_compute=round(stats.finals_s / audio_s, 4),
        speculative_compute=round(stats.speculative_s / audio_s, 4),
        partials_compute=round(stats.partials_s / audio_s, 4),
        partials=stats.partials,
        speculative_discarded=stats.discarded,
        utterances=stats.utterances,
        audio_s=round(stats.audio_s, 3),
    )


def json_lines(report: EvaluationReport) -> Iterator[str]:
    """Return one line per trial: its settings, models and device, and its summary."""
    for result in report.results:
        about = {
            "settings": dict(result.trial.changed),
            "finals_model": result.models.finals,
            "partials_model": result.models.partials,
            "device": result.device.active,
        }
        yield json.dumps({**about, **asdict(summarize(result.stats))}, ensure_ascii=False)


def render_table(report: EvaluationReport, width: int) -> Iterator[str]:
    """Return the table, at most `width` columns wide, followed by its notes."""
    console = Console(file=StringIO(), width=width, highlight=False)
    with console.capture() as capture:
        console.print(_table(report.results))
        for note in _notes(report):
            console.print(note, markup=False)
    return (line.rstrip() for line in capture.get().splitlines())


def _table(results: Sequence[TrialResult]) -> Table:
    """Return a table with a row per trial: the settings that differ and the measured values."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    settings = {name.replace("_", "_\n"): [o.trial.value(name) for o in results] for name in _names(results)}
    measured = {header: [cell(summarize(o.stats)) for o in results] for header, cell in COLUMNS.items()}
    columns = settings | {header: cells for header, cells in measured.items() if {*cells} != {UNKNOWN}}
    for header in columns:
        table.add_column(header, justify="right", overflow="fold")
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def _names(results: Sequence[TrialResult]) -> list[str]:
    return list(dict.fromkeys(name for result in results for name, _ in result.trial.changed))


def _notes(report: EvaluationReport) -> Iterator[str]:
    results, recordings = report.results, report.recordings
    same = [name for name in ("LANGUAGE", *DEFAULT_COMPARISONS) if name not in _names(results)]
    used = dict.fromkeys(f"{o.models.finals} (partials {o.models.partials}) on {o.device.active}" for o in results)
    in_all = [*(f"{name}={results[0].trial.value(name)}" for name in same), f"models {', '.join(used)}"]
    yield f"In all rows: {', '.join(in_all)}."
    yield TIMES[results[0].device.active].format(threads=results[0].threads)
    with_text = [recording.path.with_suffix(".txt").name for recording in recordings if recording.text]
    if with_text:
        yield f"Word error rate: against {', '.join(with_text)}."
    without_text = [recording.path.name for recording in recordings if not recording.text]
    if without_text:
        yield OFFLINE_NOTE.format(names=", ".join(without_text))


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
    "compute\nfinals\nspec.\npartials": lambda s: _numbers(s.finals_compute, s.speculative_compute, s.partials_compute),
    "utter-\nances": lambda s: str(s.utterances),
}
