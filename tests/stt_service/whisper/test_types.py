"""Concatenation of transcripts of consecutive segments."""

from __future__ import annotations

import pytest

from stt_service.whisper.language import join_texts
from stt_service.whisper.types import Transcript, Word, concatenate

SHORT = Transcript("one", "en", 0.9, -0.9, 0.5, 1.0, words=(Word("one", 0.1, 0.2, 0.5),))
LONG = Transcript("two three", "ru", 0.8, -0.3, 0.1, 2.0, words=(Word("two", 0.1, 0.2, 0.5),))


def test_single_transcript_is_unchanged() -> None:
    assert concatenate([(SHORT, 3.0)]) is SHORT


def test_statistics_are_means_by_length_except_the_highest_compression_ratio() -> None:
    whole = concatenate([(SHORT, 0.0), (LONG, 2.0)])
    assert whole.average_log_probability == pytest.approx((3 * -0.9 + 9 * -0.3) / 12)
    assert whole.no_speech_probability == pytest.approx((3 * 0.5 + 9 * 0.1) / 12)
    assert whole.compression_ratio == 2.0


def test_language_is_that_of_the_longest_transcript() -> None:
    whole = concatenate([(SHORT, 0.0), (LONG, 2.0)])
    assert (whole.text, whole.language, whole.language_probability) == ("one two three", "ru", 0.8)


def test_word_times_are_relative_to_the_whole() -> None:
    assert [word.start_s for word in concatenate([(SHORT, 0.0), (LONG, 2.0)]).words] == pytest.approx([0.1, 2.1])


def test_empty_text_adds_no_space() -> None:
    assert join_texts(["one", "", "two"], "en") == "one two"
