"""What the events of a replay say of the settings, and how a text is held against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stt_service.evaluation.metrics import RecordingStats, final_text, measure, spoken_language, word_errors
from stt_service.evaluation.simulator import Replay, TimedEvent
from stt_service.evaluation.wer import WordErrors, best_prefix_length, normalize
from stt_service.session.events import Event, Final, Partial, SpeechStarted, Suppressed
from stt_service.settings.schema import RuntimeSettings
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind, Word
from tests.support.simulated_stream import TIMING

SILENT = Final(
    utterance=0,
    text="",
    start_ms=1000,
    end_ms=4000,
    language="ru",
    language_probability=1.0,
    confidence=0.9,
    words=(),
    endpoint=Endpoint.SILENCE,
    endpoint_s=1.0,
    speculative=False,
    timing=TIMING,
    committed_ms=5000,
)


def spoken(said: str) -> Final:
    """Return the final of what was said from 1 s on, a word a second."""
    words = tuple(Word(text, 1.0 + second, 2.0 + second, 0.9) for second, text in enumerate(said.split()))
    return replace(SILENT, text=said, words=words)


FINAL = spoken("Мама мыла раму.")  # speech ends at 4 s, the endpoint is at 5 s
ONSET = TimedEvent(1.1, SpeechStarted(0, 1000))


def partial(at_s: float, stable: str, unstable: str = "", utterance: int = 0) -> TimedEvent:
    return TimedEvent(at_s, Partial(utterance, 0, stable, unstable, 1000, round(1000 * at_s)))


def figures(*told: TimedEvent) -> RecordingStats:
    return measure(Replay(list(told)), 10.0, "ru")


def lags(*told: TimedEvent) -> Sequence[float]:
    return figures(ONSET, *told).word_lags_s


def test_the_lag_of_a_word_ends_when_it_is_shown() -> None:
    told = partial(2.5, "", "Мама"), partial(3.75, "Мама", "мыла,"), TimedEvent(5.5, FINAL)
    assert lags(*told) == pytest.approx([0.5, 0.75, 1.5])


def test_a_word_that_changes_is_late_until_it_stays() -> None:
    told = partial(2.5, "", "Мама"), partial(3.0, "", "Рама"), partial(3.5, "", "Мама"), TimedEvent(5.0, FINAL)
    assert lags(*told)[0] == pytest.approx(1.5)


def test_a_word_that_only_the_final_has_waits_for_it() -> None:
    assert lags(partial(2.5, "", "Рама"), TimedEvent(5.5, FINAL)) == pytest.approx([3.5, 2.5, 1.5])


def test_a_word_that_is_said_again_is_not_there_yet() -> None:
    final = spoken("мама и раму и")
    assert lags(partial(3.0, "", "Дама и"), TimedEvent(5.5, final)) == pytest.approx([3.5, 0.0, 1.5, 0.5])


def test_a_word_is_not_right_before_it_is_begun() -> None:
    assert lags(partial(2.5, "", "Мама мыла раму"), TimedEvent(5.5, FINAL)) == pytest.approx([0.5, -0.5, -1.0])


def test_partials_of_another_utterance_do_not_count() -> None:
    other = TimedEvent(2.1, SpeechStarted(1, 2000))
    assert lags(other, partial(2.5, "Мама", utterance=1), TimedEvent(5.5, FINAL))[0] == pytest.approx(3.5)


def test_the_first_text_is_counted_from_the_onset() -> None:
    assert figures(ONSET, partial(1.8, "", "ма"), partial(2.5, "", "Мама")).first_texts_s == pytest.approx((0.8,))


def test_without_partials_the_first_text_is_the_final() -> None:
    assert figures(ONSET, TimedEvent(5.5, FINAL)).first_texts_s == pytest.approx((4.5,))


def test_a_final_is_late_after_the_end_of_speech_and_after_the_endpoint() -> None:
    late = figures(ONSET, TimedEvent(5.25, FINAL))
    assert (*late.after_speech_s, *late.after_endpoint_s) == pytest.approx((1.25, 0.25))


@pytest.mark.parametrize("endpoint", [Endpoint.MAX_LENGTH, Endpoint.END_OF_AUDIO])
def test_a_final_that_no_silence_brought_is_not_waited_for(endpoint: Endpoint) -> None:
    assert figures(ONSET, TimedEvent(5.25, replace(FINAL, endpoint=endpoint))).after_speech_s == ()


def test_the_figures_of_recordings_add_up() -> None:
    one = figures(ONSET, partial(2.5, "Мама"), TimedEvent(5.5, FINAL))
    both = replace(one, errors=WordErrors(1, 10)) + replace(one, errors=WordErrors(2, 20))
    assert (both.errors, both.audio_s, both.utterances, both.partials) == (WordErrors(3, 30), 20.0, 2, 2)
    assert both.word_lags_s == one.word_lags_s * 2


def test_the_compute_of_a_replay_is_kept_apart_by_kind() -> None:
    replay = Replay(busy_s={Kind.FINAL: 1.0, Kind.SPECULATIVE: 2.0, Kind.PARTIAL: 3.0}, discarded=4)
    found = measure(replay, 10.0, "ru")
    assert (found.finals_s, found.speculative_s, found.partials_s, found.discarded) == (1.0, 2.0, 3.0, 4)


def test_the_text_is_that_of_the_finals() -> None:
    refused: Event = Suppressed(1, 0, 0, SuppressionReason.NO_SPEECH, "Субтитры", Endpoint.SILENCE, 0)
    assert (
        final_text(Replay([partial(2.5, "Рама"), TimedEvent(5.5, FINAL), TimedEvent(6.0, refused)]))
        == "Мама мыла раму."
    )


@pytest.mark.parametrize(
    ("asked", "translate", "language"), [("auto", False, "ru"), ("de", False, "de"), ("auto", True, "en")]
)
def test_the_language_of_a_text(asked: str, translate: bool, language: str) -> None:
    live = RuntimeSettings.model_validate({"language": asked, "translate": translate})
    told = [TimedEvent(5.5, FINAL), TimedEvent(6.0, FINAL), TimedEvent(7.0, replace(FINAL, language="bg"))]
    assert spoken_language(live, Replay(told)) == language


def test_case_and_punctuation_are_no_errors() -> None:
    assert word_errors("Мама, мыла раму!", "мама мыла рамы", "ru") == WordErrors(1, 3)


def test_a_language_without_spaces_is_counted_in_characters() -> None:
    assert word_errors("今日は、いい天気。", "今日はいい電気", "ja") == WordErrors(1, 7)


def test_a_sign_on_a_letter_does_not_end_a_word() -> None:
    assert normalize("नमस्ते दुनिया।", "hi") == ["नमस्ते", "दुनिया"]


@pytest.mark.parametrize(
    ("number", "language"), [("42", "el"), ("8005550199123", "en"), ("0th", "pl"), ("123456", "am")]
)
def test_a_number_that_cannot_be_spelt_stays(number: str, language: str) -> None:
    assert normalize(number, language) == [number]


def test_a_text_is_held_against_the_beginning_that_it_fits() -> None:
    assert best_prefix_length("the cat and the dog".split(), ["the"]) == 1
    assert best_prefix_length("the cat and the dog".split(), "the cap and".split()) == 3
