"""Measurements for a GPU, as far as they can be tested without one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.word_errors import WordErrors
from benchmarks.recordings import Recording
from lab.gpu.__main__ import TEXT, chosen
from lab.gpu.agreement import ModelResult, transcribe, violations
from lab.gpu.speed import Speed, Timing, speech
from lab.gpu.synthetic_models import Shape, make
from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.models.loader import TEST_S, ModelNames, SelfTest
from stt_service.models.store import resolve
from stt_service.whisper.engine import Engine, Placement
from stt_service.whisper.types import DecodeOptions, Kind, Transcript, Window

ROOT = Path(__file__).parents[2]
FINALS = (Kind.FINAL, "en")
CPU = ModelResult("base", "cpu, int8", {FINALS: WordErrors(5, 100)}, windows=4)
GPU = replace(CPU, where="cuda, float16")


class FakeEngine:
    """Returns `text` for a batch and `alone` for a single window."""

    def __init__(self, text: str, alone: str, *, multilingual: bool = True) -> None:
        self.multilingual = multilingual
        self._text, self._alone = text, alone

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        text = self._alone if len(windows) == 1 else self._text
        return [Transcript(text, "en", 1.0, -0.1, 0.0, 1.0) for _ in windows]


@pytest.fixture
def both(recordings: Mapping[str, Recording]) -> list[Recording]:
    return [recordings["en/go-forward"], recordings["en/brooklyn-bridge"], recordings["ru/tt-somethingwrong"]]


def test_missing_gpu_is_reported_at_once() -> None:
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, "-m", "lab.gpu"], cwd=ROOT, env=hidden, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("There is no GPU to measure: ")
    assert ran.stderr.count("\n") == 1


def test_number_of_recordings_is_per_language() -> None:
    assert [recording.language for recording in chosen(2)] == ["en", "en", "ru", "ru"]


def test_windows_with_another_text_alone_are_counted(both: list[Recording]) -> None:
    result = transcribe(FakeEngine("one", "two"), "base", "cpu", both)
    assert (result.windows, result.differing) == (6, 6)
    assert transcribe(FakeEngine("one", "one"), "base", "cpu", both).differing == 0


def test_error_rates_are_those_in_batches_by_kind_and_language(both: list[Recording]) -> None:
    result = transcribe(FakeEngine("go forward ten meters", ""), "base", "cpu", both)
    assert result.errors[FINALS] == WordErrors(6, 10)
    assert result.errors[Kind.PARTIAL, "ru"].count == result.errors[Kind.PARTIAL, "ru"].words


def test_english_model_transcribes_no_russian(both: list[Recording]) -> None:
    result = transcribe(FakeEngine("one", "one", multilingual=False), "tiny.en", "cpu", both)
    assert {language for _, language in result.errors} == {"en"}


def test_device_that_agrees_with_the_cpu_meets_all_limits() -> None:
    assert list(violations([CPU, replace(GPU, errors={FINALS: WordErrors(6, 100)})])) == []


def test_device_with_more_word_errors_misses_the_limit() -> None:
    [violation] = violations([CPU, replace(GPU, errors={FINALS: WordErrors(7, 100)})])
    assert violation.startswith("MISSED: base on cuda, float16: finals in en have 2.00 points")


def test_text_that_depends_on_the_batch_misses_the_limit() -> None:
    assert list(violations([CPU, replace(GPU, differing=1)])) == [
        "MISSED: base on cuda, float16: 1 windows have another text in a batch."
    ]


def test_unavailable_memory_usage_is_unknown() -> None:
    names = ModelNames("base", "tiny")
    slow = Speed(names, "real", "float16", SelfTest(0.5, 0.1), 4, None, (Timing(8, final_s=2.0, partial_s=0.5),))
    assert slow.row().endswith("| 4 | unknown |")
    assert slow.batch_rows() == ["| base | float16 | 8 | 2.000 | 4.0 | 0.500 | 16.0 |"]


def test_segments_have_the_length_of_the_self_test_and_differ() -> None:
    segments = speech(40)
    assert {len(segment) for segment in segments} == {TEST_S * SAMPLE_RATE_HZ}
    assert len({segment.tobytes() for segment in segments}) == 40


@pytest.mark.model
@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.PARTIAL])
def test_synthetic_model_recites_its_text_for_any_audio(kind: Kind, models_dir: Path, tmp_path: Path) -> None:
    make(Shape(64, 2, 1, 1, mels=128), TEXT, resolve("base", models_dir), tmp_path / "made")
    engine = Engine(Placement(tmp_path / "made"))
    noise = np.random.default_rng(1).normal(0, 0.1, (2, TEST_S * SAMPLE_RATE_HZ)).astype(np.float32)
    options = DecodeOptions("en", beam_size=5 if kind is Kind.FINAL else 1, kind=kind)
    transcripts = engine.transcribe([Window(audio, options) for audio in noise])
    assert [transcript.text for transcript in transcripts] == [TEXT] * 2
