"""Windows whose text is too short for their audio are decoded in halves."""

from __future__ import annotations

import numpy as np
import pytest

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.whisper.sparse_text import better, halves, is_sparse
from stt_service.whisper.types import DecodeOptions, Transcript, Window, Word

LOUD = np.full(20 * SAMPLE_RATE_HZ, 0.1, np.float32)
WINDOW = Window(LOUD, DecodeOptions("en"), speech_end_s=19.5)


def text(letters: int, language: str = "en") -> Transcript:
    word = Word("x" * letters, 0.0, 1.0, 0.9)
    return Transcript("x" * letters, language, 1.0, -0.2, 0.02, 1.0, words=(word,))


@pytest.mark.parametrize(("letters", "language", "sparse"), [(70, "en", True), (80, "en", False), (30, "zh", False)])
def test_window_is_sparse_where_its_text_is_slower_than_speech(letters: int, language: str, sparse: bool) -> None:
    assert is_sparse(WINDOW, text(letters, language)) is sparse


def test_short_window_is_never_sparse() -> None:
    assert not is_sparse(Window(LOUD, DecodeOptions("en"), speech_end_s=7.0), text(3))


def test_window_without_a_known_end_of_speech_is_never_sparse() -> None:
    assert not is_sparse(Window(LOUD, DecodeOptions("en")), text(3))


def test_halves_meet_at_the_quietest_point_of_the_middle_third() -> None:
    samples = LOUD.copy()
    samples[int(8.0 * SAMPLE_RATE_HZ) : int(8.2 * SAMPLE_RATE_HZ)] = 0.001
    samples[int(2.0 * SAMPLE_RATE_HZ) : int(2.5 * SAMPLE_RATE_HZ)] = 0.0  # quieter, but not in the middle
    first, second = halves(Window(samples, DecodeOptions("en"), speech_end_s=19.5))
    at_s = len(first.samples) / SAMPLE_RATE_HZ
    assert at_s == pytest.approx(8.1, abs=0.1)
    assert np.array_equal(np.concatenate([first.samples, second.samples]), samples)
    assert first.speech_end_s == at_s
    assert second.speech_end_s == pytest.approx(19.5 - at_s)


def test_halves_replace_the_whole_where_they_hold_much_more_text() -> None:
    joined = better(text(40), [text(60), text(70)], 8.1)
    assert len(joined.text) == 60 + 1 + 70
    assert [word.start_s for word in joined.words] == [0.0, 8.1]


def test_whole_stands_where_its_speaker_was_slow() -> None:
    assert better(text(40), [text(20), text(25)], 8.1) == text(40)
