"""Hallucinations are suppressed, and human speech passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.whisper.fallback import compression_ratio
from stt_service.whisper.hallucination import SpeechStats, SuppressionReason, suppression_reason
from stt_service.whisper.types import Transcript
from tests.support.models.sample_texts import SAMPLE_TEXTS

# Statistics of clear speech: a sentence of 3 s, 2.4 s of it voiced.
SPEECH = Transcript(
    text="Мама мыла раму.",
    language="ru",
    language_probability=1.0,
    average_log_probability=-0.2,
    no_speech_probability=0.02,
    compression_ratio=1.1,
)
CLEAR = SpeechStats(voiced_s=2.4, length_s=3.0)
CLICK = SpeechStats(voiced_s=0.06, length_s=3.0)


def reason_for(text: str, speech: SpeechStats = CLEAR, log_probability: float = -0.2) -> SuppressionReason | None:
    return suppression_reason(replace(SPEECH, text=text, average_log_probability=log_probability), speech)


@pytest.mark.parametrize(
    "text",
    [
        "Мама мыла раму.",
        "Да.",
        "Привет! Как дела? Сегодня мы поговорим о том, как устроены субтитры.",
        "Редактор сказал, что корректор заболел.",
        "Мы весь вечер слушали музыку.",
        "Играла спокойная музыка, и никто не говорил.",
        "Ему помогал редактор субтитров.",
        "США ООН НАТО",
        "The quick brown fox jumps over the lazy dog.",
        "今天天气很好。",
        "42",
        "A thank you note for watching the cat.",
    ],
)
def test_clear_speech_passes(text: str) -> None:
    assert reason_for(text) is None


def test_speech_with_medium_confidence_passes() -> None:
    assert reason_for("Мама мыла раму.", log_probability=-0.7) is None


@pytest.mark.parametrize("text", ["", "  ", "...", "…!?", " - "])
def test_text_without_a_word_is_empty(text: str) -> None:
    assert reason_for(text) is SuppressionReason.EMPTY


def test_text_without_a_voiced_frame_is_no_speech() -> None:
    assert reason_for("Мама мыла раму.", SpeechStats(voiced_s=0, length_s=3)) is SuppressionReason.NO_SPEECH


def test_high_no_speech_probability_with_low_confidence_is_no_speech() -> None:
    unsure = replace(SPEECH, no_speech_probability=0.9, average_log_probability=-1.1)
    assert suppression_reason(unsure, CLEAR) is SuppressionReason.NO_SPEECH


def test_high_no_speech_probability_with_high_confidence_passes() -> None:
    assert suppression_reason(replace(SPEECH, no_speech_probability=0.9), CLEAR) is None


@pytest.mark.parametrize(("voiced_s", "reason"), [(0.5, SuppressionReason.NO_SPEECH), (2.4, None)])
def test_medium_confidence_is_no_speech_only_where_the_vad_found_little_speech(
    voiced_s: float, reason: SuppressionReason | None
) -> None:
    unsure = replace(SPEECH, no_speech_probability=0.9, average_log_probability=-0.45)
    assert suppression_reason(unsure, SpeechStats(voiced_s, length_s=3.0)) is reason


SENTENCE = SpeechStats(voiced_s=3.0, length_s=4.5)
WORD = SpeechStats(voiced_s=0.3, length_s=1.5)


def test_sentence_without_confidence_is_rejected() -> None:
    assert reason_for("Слишком много всего.", SENTENCE, -1.4) is SuppressionReason.LOW_CONFIDENCE


@pytest.mark.parametrize(("no_speech", "reason"), [(0.3, None), (0.6, SuppressionReason.LOW_CONFIDENCE)])
def test_word_without_confidence_passes_where_the_decoder_finds_speech(
    no_speech: float, reason: SuppressionReason | None
) -> None:
    fifth = replace(SPEECH, text="Fifth.", average_log_probability=-1.4, no_speech_probability=no_speech)
    assert suppression_reason(fifth, WORD) is reason


@pytest.mark.parametrize(("no_speech", "reason"), [(0.74, None), (0.76, SuppressionReason.NO_SPEECH)])
def test_word_in_doubt_passes_below_the_no_speech_probability_of_noise(
    no_speech: float, reason: SuppressionReason | None
) -> None:
    letter = replace(SPEECH, text="M.", average_log_probability=-0.5, no_speech_probability=no_speech)
    assert suppression_reason(letter, WORD) is reason


@pytest.mark.parametrize("text", ["Спасибо!", "Okay.", "Bye.", "You."])
def test_common_phrase_alone_passes_where_decoder_and_vad_are_sure(text: str) -> None:
    assert reason_for(text, WORD) is None


@pytest.mark.parametrize("text", ["$", "%", "#.", "+"])
def test_dictated_symbol_is_a_text(text: str) -> None:
    assert reason_for(text, WORD) is None


LOOPS = [
    pytest.param("я пошёл в лес, " * 6, id="four words, six times"),
    pytest.param("Так вот " * 12, id="two words, twelve times"),
    pytest.param("you " * 20, id="a word, twenty times"),
    pytest.param("Начало было хорошее, а потом " + "потом и " * 8, id="at the end"),
    pytest.param("И снова, и снова! И снова? И СНОВА. и снова " * 2, id="in any case and punctuation"),
]


@pytest.mark.parametrize("text", LOOPS)
def test_more_repetition_than_can_be_spoken_is_a_loop(text: str) -> None:
    assert reason_for(text) is SuppressionReason.REPETITION


@pytest.mark.parametrize("text", LOOPS)
def test_repetition_that_can_be_spoken_passes_where_the_decoder_is_sure(text: str) -> None:
    assert reason_for(text, SpeechStats(voiced_s=len(text) / 15, length_s=len(text) / 13)) is None


@pytest.mark.parametrize("text", LOOPS)
def test_repetition_that_the_decoder_doubts_is_a_loop(text: str) -> None:
    assert reason_for(text, SpeechStats(len(text) / 15, len(text) / 13), -0.8) is SuppressionReason.REPETITION


@pytest.mark.parametrize(
    "text", ["We meet at the harbour tomorrow morning. Nobody has seen the captain since Monday. " * 5, "no " * 12]
)
def test_text_that_compresses_well_passes_where_the_decoder_is_sure(text: str) -> None:
    repeated = replace(SPEECH, text=text, compression_ratio=compression_ratio(text))
    assert suppression_reason(repeated, SpeechStats(len(text) / 14, 28.0)) is None


@pytest.mark.parametrize("language", SAMPLE_TEXTS)
def test_prose_passes_in_any_script(language: str) -> None:
    text = SAMPLE_TEXTS[language][: 13 * 28]
    spoken = replace(SPEECH, text=text, language=language, compression_ratio=compression_ratio(text))
    assert suppression_reason(spoken, SpeechStats(22.0, 28.0)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Да, да, да, да.",
        "Ха-ха-ха-ха-ха!",
        "Раз, два, три. Раз, два, три.",
        "Номер восемь, восемь, восемь, ноль, ноль, ноль, один.",
        "I had had it, and that that was that.",
    ],
)
def test_spoken_repetition_passes(text: str) -> None:
    assert reason_for(text) is None


@pytest.mark.parametrize(
    ("text", "log_probability"),
    [
        # Texts of 30 s windows with hum and an office, with their confidence.
        ("Редактор субтитров А.Семкин Корректор А.Егорова", -0.36),
        ("СПОКОЙНАЯ МУЗЫКА", -0.61),
        ("Субтитры сделал DimaTorzok", -0.2),
        ("Субтитры создавал DimaTorzok.", -0.2),
        ("Корректор субтитров А. Кулакова", -0.2),
        ("Весёлая музыка", -0.2),
        ("♪♪♪", -0.2),
        ("Subtitles by the Amara.org community", -0.2),
        ("Sous-titres réalisés par la communauté d'Amara.org", -0.2),
        ("Untertitel im Auftrag des ZDF, 2017", -0.2),
    ],
)
def test_subtitle_credits_are_suppressed_at_any_confidence(text: str, log_probability: float) -> None:
    assert reason_for(text, log_probability=log_probability) is SuppressionReason.KNOWN_PHRASE


COMMON = [
    "Продолжение следует…",
    "Слышь, я не могу.",
    "Спасибо за просмотр!",
    "Thank you for watching.",
    "Thank you.",
    "you",
    "ご視聴ありがとうございました",
    "谢谢观看",
]


@pytest.mark.parametrize("text", COMMON)
def test_common_phrase_is_suppressed_where_the_vad_found_only_a_click(text: str) -> None:
    assert reason_for(text, CLICK) is SuppressionReason.KNOWN_PHRASE


@pytest.mark.parametrize("text", COMMON)
def test_common_phrase_is_suppressed_at_low_confidence(text: str) -> None:
    assert reason_for(text, log_probability=-1.1) is SuppressionReason.KNOWN_PHRASE
    without_speech = replace(SPEECH, text=text, average_log_probability=-0.7, no_speech_probability=0.59)
    assert suppression_reason(without_speech, CLEAR) is SuppressionReason.KNOWN_PHRASE


@pytest.mark.parametrize("text", COMMON)
def test_clearly_spoken_common_phrase_passes(text: str) -> None:
    assert reason_for(text, SpeechStats(voiced_s=0.9, length_s=1.6)) is None


def test_common_phrase_is_suppressed_at_high_no_speech_probability() -> None:
    assert (
        suppression_reason(replace(SPEECH, text="Thank you.", no_speech_probability=0.9), CLEAR)
        is SuppressionReason.KNOWN_PHRASE
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [("СТУК В ДВЕРЬ", SuppressionReason.KNOWN_PHRASE), ("США", None), ("Стук в дверь", None), ("1 000", None)],
)
def test_caption_of_a_sound_in_capitals_is_suppressed(text: str, reason: SuppressionReason | None) -> None:
    assert suppression_reason(replace(SPEECH, text=text, no_speech_probability=0.5), CLEAR) is reason


def test_common_phrase_within_a_sentence_passes_at_low_confidence() -> None:
    assert reason_for("Thank you for the tea.", log_probability=-1.0) is None


def test_voiced_time_is_relative_to_the_length_of_the_window() -> None:
    assert reason_for("Thank you.", SpeechStats(voiced_s=1.0, length_s=20.0)) is SuppressionReason.KNOWN_PHRASE


@pytest.mark.parametrize("text", ["Продолжение следует…", "you", "Слышь, я не могу.", "СПОКОЙНАЯ МУЗЫКА"])
def test_typical_texts_of_noise_in_a_short_window_are_suppressed(text: str) -> None:
    """With noise, hum and an office, decodes in short context had an average log probability of -1.4 or lower."""
    assert reason_for(text, log_probability=-1.4) is not None
