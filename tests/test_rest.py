"""What was said after a pause joins the text once, if it can be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stt_service.audio import SAMPLE_RATE_HZ
from stt_service.rest import completed, rest_of
from stt_service.transcript import DecodeOptions, Transcript, Window, Word

FIRST = Transcript(
    text="It was a losing game.",
    language="en",
    language_probability=1.0,
    average_log_probability=-0.2,
    no_speech_probability=0.02,
    compression_ratio=1.0,
    words=(Word("game.", 3.0, 3.4, 0.9),),
)
REST = replace(FIRST, text="Five of clubs.", average_log_probability=-0.5, words=(Word("Five", 0.5, 0.8, 0.9),))


def test_the_rest_stands_after_the_first_with_its_words_at_their_times() -> None:
    whole = completed(FIRST, REST, 3.4)
    assert whole.text == "It was a losing game. Five of clubs."
    assert whole.words == (Word("game.", 3.0, 3.4, 0.9), Word("Five", 3.9, 4.2, 0.9))


def test_the_whole_is_as_sure_as_its_less_sure_part() -> None:
    assert completed(FIRST, REST, 3.4).average_log_probability == -0.5


@pytest.mark.parametrize("text", ["Losing game!", "game", "a losing GAME"])
def test_a_rest_that_the_first_ends_with_is_not_doubled(text: str) -> None:
    assert completed(FIRST, replace(REST, text=text), 3.4) == FIRST


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(replace(REST, text=""), id="nothing"),
        pytest.param(replace(REST, average_log_probability=-1.5), id="low confidence"),
        pytest.param(replace(REST, text="Thank you."), id="what Whisper says to a breath"),
    ],
)
def test_a_rest_that_cannot_be_trusted_is_left_out(rest: Transcript) -> None:
    assert completed(FIRST, rest, 3.4) == FIRST


def test_the_window_of_the_rest_begins_where_the_first_ends_and_has_no_rest_of_its_own() -> None:
    window = Window(np.arange(5 * SAMPLE_RATE_HZ, dtype=np.float32), DecodeOptions("en"), speech_end_s=4.5)
    rest = rest_of(window, 3.0)
    assert rest.samples[0] == 3 * SAMPLE_RATE_HZ
    assert rest.speech_end_s == 0.0
