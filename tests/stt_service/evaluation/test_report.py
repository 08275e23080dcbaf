"""Reports of an evaluation: a table with notes, or lines of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from stt_service.evaluation.metrics import RecordingStats
from stt_service.evaluation.report import json_lines, render_table
from stt_service.evaluation.runner import EvaluationReport, Recording, TrialResult
from stt_service.evaluation.settings_grid import plan_trials
from stt_service.evaluation.wer import WordErrors
from stt_service.models.devices import Device
from stt_service.models.loader import ModelNames
from stt_service.settings.schema import ServerSettings

STATS = RecordingStats(
    errors=WordErrors(3, 40),
    first_texts_s=(0.9, 1.0, 1.1),
    word_lags_s=(0.5, 0.5, 2.5),
    after_speech_s=(1.5, 1.5),
    after_endpoint_s=(-1e-12, -1e-12),
    audio_s=60.0,
    finals_s=6.0,
    speculative_s=12.0,
    partials_s=18.0,
    partials=30,
    discarded=2,
    utterances=4,
)
TALK = Recording(Path("talk.wav"), b"", "Mother washed the frame.")
MEMO = Recording(Path("memo.mp3"), b"", "")


def report(*recordings: Recording, stats: RecordingStats = STATS, device: str = "cpu") -> EvaluationReport:
    trials = plan_trials(ServerSettings.model_validate({}), ["BEAM_SIZE=1,5"])
    names, on = ModelNames("base", "tiny"), Device(device, device)
    return EvaluationReport(recordings, [TrialResult(trial, names, on, 2, stats) for trial in trials])


def table(evaluated: EvaluationReport, width: int = 120) -> str:
    return "\n".join(render_table(evaluated, width))


def test_table_row_has_the_settings_that_differ_and_the_measured_values() -> None:
    rows = [line.split() for line in table(report(TALK)).splitlines()]
    stats = ["7.50", "1.00", "0.50", "2.30", "1.50", "1.50", "0.00", "0.00", "0.10", "0.20", "0.30", "4"]
    assert ["1", *stats] in rows
    assert ["5", *stats] in rows


def test_table_names_the_reference_of_the_word_errors() -> None:
    assert "Word error rate: against talk.txt." in table(report(TALK))
    assert "offline" not in table(report(TALK))
    text = table(report(TALK, MEMO, stats=replace(STATS, offline=WordErrors(1, 50))), 200)
    assert "against talk.txt." in text
    assert "Differs from offline: memo.mp3 " in text
    assert " 2.00 " in text


def test_table_lists_the_settings_and_models_common_to_all_rows() -> None:
    common = "LANGUAGE=ru, ENCODER_CONTEXT=short, POST_SPEECH_SILENCE_DURATION=1.5"
    assert f"In all rows: {common}, models base (partials tiny) on cpu." in table(report(TALK), 200)


def test_table_names_the_clock_of_the_device() -> None:
    assert "CPU time divided by the threads of a worker (2)" in table(report(TALK))
    assert "wall-clock time" in table(report(TALK, device="cuda"))


def test_table_omits_columns_without_a_measured_value() -> None:
    silent = table(report(TALK, stats=RecordingStats(errors=WordErrors(0, 4), audio_s=1.0)))
    assert "word" in silent
    assert "lag" not in silent


def test_narrow_table_contains_all_values() -> None:
    text = table(report(TALK), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert all(text.count(value) >= 2 for value in ("7.50", "2.30", "0.30"))


def test_json_line_has_the_settings_and_the_measured_values() -> None:
    lines = [json.loads(line) for line in json_lines(report(TALK))]
    assert [line["settings"] for line in lines] == [{"BEAM_SIZE": "1"}, {"BEAM_SIZE": "5"}]
    assert lines[0] | {"settings": None} == {
        "settings": None,
        "finals_model": "base",
        "partials_model": "tiny",
        "device": "cpu",
        "word_error_rate_percent": 7.5,
        "words": 40,
        "offline_difference_percent": None,
        "offline_words": 0,
        "first_text_p50_s": 1.0,
        "word_lag_p50_s": 0.5,
        "word_lag_p95_s": 2.3,
        "final_after_speech_p50_s": 1.5,
        "final_after_speech_p95_s": 1.5,
        "final_after_endpoint_p50_s": 0.0,
        "final_after_endpoint_p95_s": 0.0,
        "finals_compute": 0.1,
        "speculative_compute": 0.2,
        "partials_compute": 0.3,
        "partials": 30,
        "speculative_discarded": 2,
        "utterances": 4,
        "audio_s": 60.0,
    }
