"""`stt-server evaluate` on recordings of speech; with real weights where the test needs models."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import pytest
from click.testing import CliRunner, Result

from benchmarks.recordings import Recording
from stt_service.cli import main
from stt_service.errors import InvalidRequestError
from stt_service.evaluation.runner import read_recording, transcribers
from stt_service.whisper.types import Kind, Transcript, Window

SETTINGS = {"WHISPER_MODEL": "base", "REALTIME_MODEL": "base", "DEVICE": "cpu", "LANGUAGE": "ru"}


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: Mapping[str, Recording]) -> Path:
    """Return a recording without a transcript, in the working folder of the commands, which has no .env."""
    monkeypatch.chdir(tmp_path)
    return Path(copy(recordings["en/jfk"].path, tmp_path / "talk.flac"))


def evaluate(*arguments: object, **settings: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)], env={**SETTINGS, **settings})


@pytest.mark.model
def test_evaluate_prints_a_json_line_per_combination(talk: Path, recordings: Mapping[str, Recording]) -> None:
    talk.with_suffix(".txt").write_text(recordings["en/jfk"].text, encoding="utf-8")
    result = evaluate(talk, "--language", "en", "--setting", "BEAM_SIZE=1,5", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["settings"] for line in lines] == [{"BEAM_SIZE": "1"}, {"BEAM_SIZE": "5"}]
    for line in lines:
        assert line["word_error_rate_percent"] < 20
        assert line["offline_difference_percent"] is None
        assert line["utterances"] >= 1
        assert line["partials"] >= 1
        assert line["finals_compute"] + line["speculative_compute"] > 0
    assert "talk.flac, 11 s" in result.stderr


@pytest.mark.model
def test_table_without_a_reference_text_shows_the_difference_from_offline(talk: Path) -> None:
    settings = {"LANGUAGE": "en", "ENABLE_REALTIME_TRANSCRIPTION": "false"}
    result = evaluate(talk, "--setting", "ENCODER_CONTEXT=full", **settings)
    assert result.exit_code == 0, result.output
    assert "Differs from offline: talk.flac" in result.stdout
    assert "Word error rate" not in result.stdout
    assert "talk.flac, offline transcript (talk.txt not found)" in result.stderr


@dataclass
class FakeTranscriber:
    """An engine that must not be called."""

    multilingual: bool

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        raise NotImplementedError


@pytest.mark.parametrize(("language", "uses_partials_model"), [("en", True), ("ru", False), ("auto", False)])
def test_partials_in_an_unsupported_language_use_the_finals_model(language: str, uses_partials_model: bool) -> None:
    finals, english = FakeTranscriber(multilingual=True), FakeTranscriber(multilingual=False)
    chosen = transcribers(finals, english, language)
    assert chosen[Kind.FINAL] == chosen[Kind.SPECULATIVE] == finals.transcribe
    assert (chosen[Kind.PARTIAL] == english.transcribe) is uses_partials_model
    assert transcribers(finals, finals, language)[Kind.PARTIAL] == finals.transcribe


def test_recording_has_the_text_of_the_txt_file_next_to_it(talk: Path) -> None:
    assert read_recording(talk).text == ""
    talk.with_suffix(".txt").write_text("\ufeffAnd so.\n", encoding="utf-8")
    assert read_recording(talk).text == "And so."
    assert read_recording(talk).audio_s == pytest.approx(11.0, abs=0.1)


def test_reference_text_that_is_not_utf8_is_rejected(talk: Path) -> None:
    talk.with_suffix(".txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InvalidRequestError, match=r"talk\.txt cannot be read: must be text in UTF-8\."):
        read_recording(talk)


def test_file_that_is_not_a_recording_is_rejected_with_one_line(talk: Path) -> None:
    letter = talk.with_name("letter.pdf")
    letter.write_bytes(b"%PDF-1.7 no sound")
    result = evaluate(talk, letter)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {letter}: The 17 bytes of audio cannot be decoded")


def test_invalid_setting_is_rejected_before_models_are_loaded(talk: Path) -> None:
    result = evaluate(talk, "--setting", "BEAM_SIZE=0")
    assert (result.exit_code, result.stderr) == (1, "Error: Invalid BEAM_SIZE='0': must be at least 1.\n")


def test_invalid_language_is_rejected(talk: Path) -> None:
    result = evaluate(talk, "--language", "klingon")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Invalid LANGUAGE='klingon': must be")


def test_missing_file_is_a_usage_error(talk: Path) -> None:
    assert evaluate(talk.with_name("none.wav")).exit_code == 2


def test_help_has_an_example() -> None:
    assert "stt-server evaluate talk.wav" in evaluate("--help").stdout


def test_server_does_not_import_libraries_of_the_evaluation() -> None:
    code = "import sys, stt_service.cli; print([n for n in ('num2words', 'rapidfuzz') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
