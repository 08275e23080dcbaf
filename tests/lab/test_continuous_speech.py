"""Pauses of live text: gaps between changes, and the delay until moments of speech are covered."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.comparison.systems import MessageKind
from lab.load.continuous_speech import STEP, ScreenState, ages, gaps, messages, trimmed, voiced


def shown(at_s: float, covers_s: float, text: str, *, utterance: int = 0, final: bool = False) -> ScreenState:
    return ScreenState(at_s, utterance, covers_s, text, final)


STATES = [
    shown(1.0, 0.5, "one"),
    shown(2.0, 1.5, "one two"),
    shown(3.0, 2.5, "one two"),
    shown(5.0, 4.0, "One two three.", final=True),
]


def test_gaps_are_between_text_changes_during_speech() -> None:
    assert gaps(STATES, speech_end_s=6.0) == [1.0, 3.0]
    assert gaps(STATES, speech_end_s=4.5) == [1.0]


def test_age_of_a_moment_is_the_time_until_a_text_covers_it() -> None:
    assert ages(STATES, [0.5, 1.0, 2.0, 4.0]) == pytest.approx([0.5, 1.0, 1.0, 1.0])


def test_uncovered_moment_is_as_old_as_the_last_text() -> None:
    assert ages(STATES, [4.5]) == pytest.approx([0.5])


def test_partials_of_all_open_utterances_are_shown_together() -> None:
    states = [shown(1.0, 1.0, "one"), shown(2.0, 2.0, "two", utterance=1), shown(3.0, 1.0, "One.", final=True)]
    assert [(message.kind, message.text) for message in messages(states)] == [
        (MessageKind.PARTIAL, "one"),
        (MessageKind.PARTIAL, "one two"),
        (MessageKind.FINAL, "One."),
        (MessageKind.PARTIAL, "two"),
    ]


def test_silence_around_a_recording_is_trimmed() -> None:
    speech = np.full(3 * STEP, 10_000, np.int16)
    recording = np.concatenate([np.zeros(2 * STEP, np.int16), speech, np.full(STEP, 50, np.int16)])
    assert voiced(recording).tolist() == [False, False, True, True, True, False]
    assert len(trimmed(recording)) == len(speech)
