"""Latency and accuracy measured from the events of a replay; normalization and alignment of texts."""

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
from tests.support.timelines.simulated_stream import TIMING

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


def spoken(text: str) -> Final:
    """Return a final with this text, spoken from 1 s on at one word per second."""
    words = tuple(Word(word, 1.0 + second, 2.0 + second, 0.9) for second, word in enumerate(text.split()))
    return replace(SILENT, text=text, words=words)


FINAL = spoken("Мама мыла раму.")  # speech ends at 4 s, the endpoint is at 5 s
ONSET = TimedEvent(1.1, SpeechStarted(0, 1000))


def partial(at_s: float, stable: str, unstable: str = "", utterance: int = 0) -> TimedEvent:
    return TimedEvent(at_s, Partial(utterance, 0, stable, unstable, 1000, round(1000 * at_s)))


def stats(*events: TimedEvent) -> RecordingStats:
    return measure(Replay(list(events)), 10.0, "ru")


def lags(*events: TimedEvent) -> Sequence[float]:
    return stats(ONSET, *events).word_lags_s


def test_word_lag_ends_when_the_word_is_shown() -> None:
    events = partial(2.5, "", "Мама"), partial(3.75, "Мама", "мыла,"), TimedEvent(5.5, FINAL)
    assert lags(*events) == pytest.approx([0.5, 0.75, 1.5])


def test_word_lag_ends_when_a_changed_word_is_final() -> None:
    events = partial(2.5, "", "Мама"), partial(3.0, "", "Рама"), partial(3.5, "", "Мама"), TimedEvent(5.0, FINAL)
    assert lags(*events)[0] == pytest.approx(1.5)


def test_word_lag_of_a_word_that_only_the_final_has_ends_with_the_final() -> None:
    assert lags(partial(2.5, "", "Рама"), TimedEvent(5.5, FINAL)) == pytest.approx([3.5, 2.5, 1.5])


def test_word_lag_ignores_an_equal_word_at_another_position() -> None:
    final = spoken("мама и раму и")
    assert lags(partial(3.0, "", "Дама и"), TimedEvent(5.5, final)) == pytest.approx([3.5, 0.0, 1.5, 0.5])


def test_word_lag_of_a_predicted_word_counts_from_the_start_of_the_word() -> None:
    assert lags(partial(2.5, "", "Мама мыла раму"), TimedEvent(5.5, FINAL)) == pytest.approx([0.5, -0.5, -1.0])


def test_word_lag_ignores_partials_of_another_utterance() -> None:
    other = TimedEvent(2.1, SpeechStarted(1, 2000))
    assert lags(other, partial(2.5, "Мама", utterance=1), TimedEvent(5.5, FINAL))[0] == pytest.approx(3.5)


def test_first_text_latency_starts_at_the_onset() -> None:
    assert stats(ONSET, partial(1.8, "", "ма"), partial(2.5, "", "Мама")).first_texts_s == pytest.approx((0.8,))


def test_first_text_without_partials_is_the_final() -> None:
    assert stats(ONSET, TimedEvent(5.5, FINAL)).first_texts_s == pytest.approx((4.5,))


def test_final_latency_is_measured_from_the_end_of_speech_and_from_the_endpoint() -> None:
    late = stats(ONSET, TimedEvent(5.25, FINAL))
    assert (*late.after_speech_s, *late.after_endpoint_s) == pytest.approx((1.25, 0.25))


@pytest.mark.parametrize("endpoint", [Endpoint.MAX_LENGTH, Endpoint.END_OF_AUDIO])
def test_final_without_a_silence_endpoint_has_no_latency(endpoint: Endpoint) -> None:
    assert stats(ONSET, TimedEvent(5.25, replace(FINAL, endpoint=endpoint))).after_speech_s == ()


def test_stats_of_recordings_add_up() -> None:
    single = stats(ONSET, partial(2.5, "Мама"), TimedEvent(5.5, FINAL))
    both = replace(single, errors=WordErrors(1, 10)) + replace(single, errors=WordErrors(2, 20))
    assert (both.errors, both.audio_s, both.utterances, both.partials) == (WordErrors(3, 30), 20.0, 2, 2)
    assert both.word_lags_s == single.word_lags_s * 2


def test_decode_time_is_reported_per_kind() -> None:
    replay = Replay(busy_s={Kind.FINAL: 1.0, Kind.SPECULATIVE: 2.0, Kind.PARTIAL: 3.0}, discarded=4)
    measured = measure(replay, 10.0, "ru")
    assert (measured.finals_s, measured.speculative_s, measured.partials_s, measured.discarded) == (1.0, 2.0, 3.0, 4)


def test_final_text_joins_the_finals_only() -> None:
    suppressed: Event = Suppressed(1, 0, 0, SuppressionReason.NO_SPEECH, "Субтитры", Endpoint.SILENCE, 0)
    assert (
        final_text(Replay([partial(2.5, "Рама"), TimedEvent(5.5, FINAL), TimedEvent(6.0, suppressed)]))
        == "Мама мыла раму."
    )


@pytest.mark.parametrize(
    ("requested", "translate", "language"), [("auto", False, "ru"), ("de", False, "de"), ("auto", True, "en")]
)
def test_spoken_language_is_requested_detected_or_english_for_translation(
    requested: str, translate: bool, language: str
) -> None:
    settings = RuntimeSettings.model_validate({"language": requested, "translate": translate})
    events = [TimedEvent(5.5, FINAL), TimedEvent(6.0, FINAL), TimedEvent(7.0, replace(FINAL, language="bg"))]
    assert spoken_language(settings, Replay(events)) == language


def test_word_errors_ignore_case_and_punctuation() -> None:
    assert word_errors("Мама, мыла раму!", "мама мыла рамы", "ru") == WordErrors(1, 3)


def test_word_errors_of_a_spaceless_language_are_counted_in_characters() -> None:
    assert word_errors("今日は、いい天気。", "今日はいい電気", "ja") == WordErrors(1, 7)


def test_combining_mark_does_not_end_a_word() -> None:
    assert normalize("नमस्ते दुनिया।", "hi") == ["नमस्ते", "दुनिया"]


@pytest.mark.parametrize(
    ("number", "language"), [("42", "el"), ("8005550199123", "en"), ("0th", "pl"), ("123456", "am")]
)
def test_number_that_cannot_be_spelled_out_is_unchanged(number: str, language: str) -> None:
    assert normalize(number, language) == [number]


def test_best_prefix_length_is_that_of_the_best_matching_prefix() -> None:
    assert best_prefix_length("the cat and the dog".split(), ["the"]) == 1
    assert best_prefix_length("the cat and the dog".split(), "the cap and".split()) == 3
