"""`stt-server evaluate` on recordings of people, with the real weights where models are needed."""

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
    """Return a recording without a text, in the folder in which the commands run: it has no .env."""
    monkeypatch.chdir(tmp_path)
    return Path(copy(recordings["en/jfk"].path, tmp_path / "talk.flac"))


def evaluate(*arguments: object, **settings: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)], env={**SETTINGS, **settings})


@pytest.mark.model
def test_each_combination_is_a_line_of_figures(talk: Path, recordings: Mapping[str, Recording]) -> None:
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
        assert line["finals_compute"] + line["early_compute"] > 0
    assert "talk.flac, 11 s" in result.stderr


@pytest.mark.model
def test_without_a_text_the_table_tells_what_differs_from_the_offline_transcript(talk: Path) -> None:
    settings = {"LANGUAGE": "en", "ENABLE_REALTIME_TRANSCRIPTION": "false"}
    result = evaluate(talk, "--setting", "ENCODER_CONTEXT=full", **settings)
    assert result.exit_code == 0, result.output
    assert "Differs from offline: talk.flac" in result.stdout
    assert "Word error rate" not in result.stdout
    assert "talk.flac, offline, for there is no talk.txt" in result.stderr


@dataclass
class Reader:
    """An engine's stand-in."""

    multilingual: bool

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        raise NotImplementedError


@pytest.mark.parametrize(("language", "reads"), [("en", True), ("ru", False), ("auto", False)])
def test_partials_that_their_model_cannot_read_go_to_that_of_finals(language: str, reads: bool) -> None:
    finals, english = Reader(multilingual=True), Reader(multilingual=False)
    chosen = transcribers(finals, english, language)
    assert chosen[Kind.FINAL] == chosen[Kind.SPECULATIVE] == finals.transcribe
    assert (chosen[Kind.PARTIAL] == english.transcribe) is reads
    assert transcribers(finals, finals, language)[Kind.PARTIAL] == finals.transcribe


def test_a_recording_has_the_text_that_lies_beside_it(talk: Path) -> None:
    assert read_recording(talk).text == ""
    talk.with_suffix(".txt").write_text("\ufeffAnd so.\n", encoding="utf-8")
    assert read_recording(talk).text == "And so."
    assert read_recording(talk).audio_s == pytest.approx(11.0, abs=0.1)


def test_a_text_that_is_none_is_refused(talk: Path) -> None:
    talk.with_suffix(".txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InvalidRequestError, match=r"talk\.txt cannot be read: must be text in UTF-8\."):
        read_recording(talk)


def test_what_is_no_recording_is_refused_with_one_sentence(talk: Path) -> None:
    letter = talk.with_name("letter.pdf")
    letter.write_bytes(b"%PDF-1.7 no sound")
    result = evaluate(talk, letter)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {letter}: The 17 bytes of audio cannot be decoded")


def test_a_setting_that_will_not_do_is_refused_before_anything_is_loaded(talk: Path) -> None:
    result = evaluate(talk, "--setting", "BEAM_SIZE=0")
    assert (result.exit_code, result.stderr) == (1, "Error: Invalid BEAM_SIZE='0': must be at least 1.\n")


def test_a_language_that_will_not_do_is_refused(talk: Path) -> None:
    result = evaluate(talk, "--language", "klingon")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Invalid LANGUAGE='klingon': must be")


def test_a_file_that_is_not_there_is_a_usage_error(talk: Path) -> None:
    assert evaluate(talk.with_name("none.wav")).exit_code == 2


def test_the_help_has_an_example() -> None:
    assert "stt-server evaluate talk.wav" in evaluate("--help").stdout


def test_the_server_loads_nothing_that_only_an_evaluation_needs() -> None:
    code = "import sys, stt_service.cli; print([n for n in ('num2words', 'rapidfuzz') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
