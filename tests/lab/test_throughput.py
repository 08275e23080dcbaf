"""Measurement at full speed: segments of speech, and ratios to the reference."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from benchmarks.comparison.raw_server import samples_of
from benchmarks.harness.word_errors import WordErrors
from benchmarks.recordings import Recording
from lab.load.throughput import BASELINE, Clip, Method, Task, clips, table
from stt_service.settings.schema import ServerSettings


@pytest.fixture(scope="module")
def dictation(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/dictation"]


@pytest.fixture(scope="module")
def segments(dictation: Recording) -> list[Clip]:
    return clips(dictation.pcm(), ServerSettings.model_validate({"early_transcription_on_silence": 0.0}))


def test_all_speech_is_within_segments(dictation: Recording, segments: list[Clip]) -> None:
    for spoken in dictation.utterances:
        assert any(clip["start"] <= spoken.start_s and spoken.end_s <= clip["end"] for clip in segments)


def test_segments_are_in_order_and_fit_a_window(segments: list[Clip]) -> None:
    assert all(clip["end"] - clip["start"] <= 28 for clip in segments)
    assert all(before["end"] <= after["start"] for before, after in pairwise(segments))


def way(name: str, *walls_s: float) -> Method:
    return Method(name, lambda task: "", lambda: 0.0, list(walls_s), list(walls_s))


def test_medians_are_relative_to_the_reference() -> None:
    lines = table([way("ours", 1.0, 3.0, 2.0), way(BASELINE, 9.0, 4.0, 4.0)], sound_s=8.0).splitlines()
    assert lines[2].startswith("| ours | 2.00 | 1.00 to 3.00 | 4.0 | 0.50 |")
    assert lines[3].split(" | ")[4] == "1.00"


def test_round_is_timed_and_its_words_are_counted() -> None:
    used_s = iter((10.0, 12.5))
    task = Task("one two three", "en", b"", samples_of(b""), ())
    ours = Method("ours", lambda task: "One, too three.", lambda: next(used_s))
    ours.run([task, task])
    assert (ours.cpus_s, ours.errors) == ([2.5], WordErrors(2, 6))
    assert len(ours.walls_s) == 1
