"""Text that the decoder left out is found, decoded and joined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.whisper.truncation import (
    append_end,
    choose_longer,
    find_missing_end,
    is_sparse,
    split_at_pause,
    without_last_word,
)
from stt_service.whisper.types import DecodeOptions, Transcript, Window, Word

FIRST = Transcript(
    text="It was a losing game.",
    language="en",
    language_probability=1.0,
    average_log_probability=-0.2,
    no_speech_probability=0.02,
    compression_ratio=1.0,
    words=(Word("game.", 3.0, 3.4, 0.9),),
)
REMAINDER = replace(FIRST, text="Five of clubs.", average_log_probability=-0.5, words=(Word("Five", 0.5, 0.8, 0.9),))


def test_remainder_is_appended_with_shifted_word_times() -> None:
    whole = append_end(FIRST, REMAINDER, 3.4)
    assert whole.text == "It was a losing game. Five of clubs."
    assert whole.words == (Word("game.", 3.0, 3.4, 0.9), Word("Five", 3.9, 4.2, 0.9))


def test_confidence_of_the_whole_is_that_of_its_less_sure_part() -> None:
    assert append_end(FIRST, REMAINDER, 3.4).average_log_probability == -0.5


@pytest.mark.parametrize("text", ["Losing game!", "game", "a losing GAME"])
def test_remainder_that_repeats_the_last_words_is_not_appended(text: str) -> None:
    assert append_end(FIRST, replace(REMAINDER, text=text), 3.4) == FIRST


@pytest.mark.parametrize(
    "remainder",
    [
        pytest.param(replace(REMAINDER, text=""), id="nothing"),
        pytest.param(replace(REMAINDER, average_log_probability=-1.5), id="low confidence"),
        pytest.param(replace(REMAINDER, text="Thank you.", no_speech_probability=0.8), id="a phrase typical of noise"),
    ],
)
def test_remainder_that_cannot_be_trusted_is_not_appended(remainder: Transcript) -> None:
    assert append_end(FIRST, remainder, 3.4) == FIRST


LONG = Window(np.arange(20 * SAMPLE_RATE_HZ, dtype=np.float32), DecodeOptions("ka"), speech_end_s=19.0)


def ending_at(end_s: float) -> Transcript:
    """Return a transcript whose last word ends there."""
    return replace(FIRST, words=(Word("game.", end_s - 0.4, end_s, 0.9),))


def test_missing_end_begins_after_the_last_word_and_may_have_a_remainder_of_its_own() -> None:
    remainder = find_missing_end(LONG, ending_at(3.0), full=False)
    assert remainder is not None
    assert (remainder.start_s, remainder.window.samples[0]) == (3.0, 3 * SAMPLE_RATE_HZ)
    assert remainder.window.speech_end_s == 16.0


@pytest.mark.parametrize(
    ("end_s", "full"),
    [
        pytest.param(18.5, False, id="the text reaches the end of speech"),
        pytest.param(18.6, True, id="little is left after a full context"),
        pytest.param(0.4, True, id="no progress was made"),
    ],
)
def test_window_without_a_missing_end_has_no_remainder(end_s: float, full: bool) -> None:
    assert find_missing_end(LONG, ending_at(end_s), full=full) is None


def test_repeated_sentence_is_appended() -> None:
    again = replace(REMAINDER, text="It was a losing game.")
    assert append_end(FIRST, again, 3.4).text == "It was a losing game. It was a losing game."


def test_transcript_without_words_has_no_remainder() -> None:
    assert find_missing_end(LONG, replace(FIRST, words=()), full=False) is None


def test_end_after_a_full_context_may_have_a_remainder_of_its_own() -> None:
    remainder = find_missing_end(LONG, ending_at(9.0), full=True)
    assert remainder is not None
    assert remainder.window.speech_end_s == 10.0


def test_without_last_word_drops_the_word_that_the_limit_may_have_cut() -> None:
    words = (Word("a", 0, 1, 0.9), Word("losing", 1, 2, 0.9), Word("ga", 2, 2.1, 0.2))
    assert without_last_word(replace(FIRST, words=words)).text == "a losing"


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
    first, second = split_at_pause(Window(samples, DecodeOptions("en"), speech_end_s=19.5))
    at_s = len(first.samples) / SAMPLE_RATE_HZ
    assert at_s == pytest.approx(8.1, abs=0.1)
    assert np.array_equal(np.concatenate([first.samples, second.samples]), samples)
    assert first.speech_end_s == at_s
    assert second.speech_end_s == pytest.approx(19.5 - at_s)


def test_halves_replace_the_whole_where_they_hold_much_more_text() -> None:
    joined = choose_longer(text(40), [text(60), text(70)], 8.1)
    assert len(joined.text) == 60 + 1 + 70
    assert [word.start_s for word in joined.words] == [0.0, 8.1]


def test_whole_is_used_if_its_speaker_was_slow() -> None:
    assert choose_longer(text(40), [text(20), text(25)], 8.1) == text(40)
