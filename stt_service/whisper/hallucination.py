"""Decides whether a transcript is a hallucination, and why, from statistics of the decoder and the VAD.

Theory. Whisper was trained on subtitles and fills silence and noise with typical subtitles and credits. Neither the
decoder nor the VAD detects all of these, so most checks combine both: low confidence of the text and little speech.

Checks, in this order; the first one that applies is the reason:

1. EMPTY: no text.
2. NO_SPEECH: no voiced frame, or the decoder reports no speech and its confidence is below a threshold, which is
   higher where the VAD found little speech.
3. REPETITION: a loop with more text than can be spoken in the voiced time, or with low confidence. Repetition that
   the decoder is sure of passes, because speakers do repeat themselves.
4. KNOWN_PHRASE: subtitle credits; captions of sounds in capitals; common phrases, those only where the decoder or
   the VAD doubts, because speakers do say them.
5. LOW_CONFIDENCE: an average log probability below a threshold, which is lower for a single word.

The thresholds were fitted on human utterances, 392 of them of one to three words, and on noise, hum, silence and an
office (docs/measurements.md, One to three words).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from stt_service.whisper.fallback import MAX_COMPRESSION_RATIO, MAX_NO_SPEECH_PROBABILITY
from stt_service.whisper.types import SHORT_WINDOW_S, Transcript


class SuppressionReason(Enum):
    """Why an utterance yields no text."""

    EMPTY = "EMPTY"
    NO_SPEECH = "NO_SPEECH"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    REPETITION = "REPETITION"
    KNOWN_PHRASE = "KNOWN_PHRASE"


@dataclass(frozen=True, slots=True)
class SpeechStats:
    """Speech that the VAD found in the utterance."""

    voiced_s: float
    length_s: float  # of the window
    spoken_s: float | None = None  # time in which the text was spoken, if it is not the voiced time


# faster-whisper's thresholds are 0.6 and -1. Noise has a no-speech probability above 0.62 in short windows and above
# 0.7 in full ones, where single words reach 0.7. Up to 0.75 a text is rejected only at a lower log probability, and
# so it is where the VAD found a second of speech.
CERTAIN_NO_SPEECH_PROBABILITY = 0.75
NO_SPEECH_MIN_LOG_PROBABILITY, NO_SPEECH_LOG_PROBABILITY_IF_SPOKEN = -0.3, -0.6
NO_SPEECH_LOG_PROBABILITY_OF_WORD = -1.0  # noise in the full window has -1.1 or less, except for credits
WELL_VOICED_S = 1.0
# Decodes of noise, hum and an office have -1.4 or less, of sentences -0.7 or more (our recordings). A single word has
# a lower confidence, down to -1.45, but its no-speech probability is low.
MIN_LOG_PROBABILITY, WORD_LOG_PROBABILITY = -1.2, -1.8
SPEECH_NO_SPEECH_PROBABILITY = 0.58
CAPTION_NO_SPEECH_PROBABILITY = 0.3
MIN_REPEATS = 5  # of the same one to four words in a row
# A loop of the decoder has more text than can be spoken, or a low confidence. Auctioneers speak 20 letters per second,
# and the VAD finds some of that time unvoiced.
MAX_LETTERS_PER_SECOND = 30
LOOP_LOG_PROBABILITY = -0.7
# With less speech than this, common phrases that Whisper produces for noise are rejected. The shortest human word had
# 0.22 s.
LITTLE_VOICED_S, LITTLE_VOICED_SHARE = 0.15, 0.1
PHRASE_LOG_PROBABILITY, PHRASE_LOG_PROBABILITY_IF_SPEECH = -0.6, -1.0
# Credits of the subtitles that Whisper was trained on, never dictated. They must match the whole transcript.
CREDITS = re.compile(
    "|".join(
        (
            r"(редактор|корректор)\w* субтитров\b.*",
            r"субтитр\w* (сделал|создавал|подготовил|делал|добавил)\w*\b.*",
            r"субтитр\w* .*dimatorzok.*",
            r"dimatorzok",
            r"(спокойная|тревожная|торжественная|веселая|лирическая|динамичная|напряженная) музыка",
            r"(телефонный|дверной) (звонок|звук)",
            r"(subtitles|captions|transcri(bed|ption)|translat(ed|ion)) by .*",
            r"(sous titres|untertitel|subtítulos|legendas) .*(amara|zdf|ard|comunidad|communauté|community).*",
            r".*\bamara org\b.*",
            r"♪",
        )
    )
)
# Speakers do say these, so they are rejected only if the decoder or the VAD doubts.
COMMON_PHRASES = frozenset(
    (
        "продолжение следует",
        "спасибо за просмотр",
        "спасибо",
        "подписывайтесь на канал",
        "слышь я не могу",
        "до свидания",
        "thank you",
        "thank you for watching",
        "thanks for watching",
        "please subscribe",
        "you",
        "bye",
        "the end",
        "amen",
        "i m sorry",
        "okay",
        "музыка",
        "смех",
        "аплодисменты",
        "all right",
        "пошли",
        "vielen dank",
        "merci",
        "gracias",
        "ご視聴ありがとうございました",
        "谢谢观看",
    )
)
_NOT_WORD = re.compile(r"[\W_]+")
_SYMBOLS = re.compile(r"[$€£₽%+=#@&*/\\<>~^|]")  # a whole text of these is a dictated symbol


def suppression_reason(transcript: Transcript, speech: SpeechStats) -> SuppressionReason | None:
    """Return why the text cannot be trusted, or None."""
    text = _plain(transcript.text)
    if not text:
        return SuppressionReason.EMPTY
    if _is_silence(transcript, speech):
        return SuppressionReason.NO_SPEECH
    if _is_loop(transcript, speech, text.split()):
        return SuppressionReason.REPETITION
    if (
        CREDITS.fullmatch(text)
        or _is_caption(transcript)
        or (text in COMMON_PHRASES and _is_doubtful(transcript, speech))
    ):
        return SuppressionReason.KNOWN_PHRASE
    return SuppressionReason.LOW_CONFIDENCE if _has_low_confidence(transcript, speech) else None


def _plain(text: str) -> str:
    words = _NOT_WORD.sub(" ", text.casefold().replace("ё", "е")).strip()
    return words or ("♪" if "♪" in text else "".join(_SYMBOLS.findall(text)))


def _is_silence(transcript: Transcript, speech: SpeechStats) -> bool:
    spoken = speech.voiced_s >= WELL_VOICED_S or transcript.no_speech_probability < CERTAIN_NO_SPEECH_PROBABILITY
    unsure = NO_SPEECH_LOG_PROBABILITY_IF_SPOKEN if spoken else NO_SPEECH_MIN_LOG_PROBABILITY
    if transcript.no_speech_probability < CERTAIN_NO_SPEECH_PROBABILITY and speech.length_s <= SHORT_WINDOW_S:
        unsure = NO_SPEECH_LOG_PROBABILITY_OF_WORD
    no_speech = transcript.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
    return speech.voiced_s <= 0 or (no_speech and transcript.average_log_probability < unsure)


def _has_low_confidence(transcript: Transcript, speech: SpeechStats) -> bool:
    is_speech = transcript.no_speech_probability < SPEECH_NO_SPEECH_PROBABILITY
    is_word = is_speech and speech.length_s <= SHORT_WINDOW_S
    return transcript.average_log_probability < (WORD_LOG_PROBABILITY if is_word else MIN_LOG_PROBABILITY)


def _is_loop(transcript: Transcript, speech: SpeechStats, words: list[str]) -> bool:
    if transcript.compression_ratio <= MAX_COMPRESSION_RATIO and not _is_repetitive(words):
        return False
    spoken_s = speech.voiced_s if speech.spoken_s is None else speech.spoken_s
    is_too_fast = len(transcript.text) > MAX_LETTERS_PER_SECOND * spoken_s
    return is_too_fast or transcript.average_log_probability < LOOP_LOG_PROBABILITY


def _is_doubtful(transcript: Transcript, speech: SpeechStats) -> bool:
    has_little_speech = speech.voiced_s < max(LITTLE_VOICED_S, LITTLE_VOICED_SHARE * speech.length_s)
    is_speech = transcript.no_speech_probability < SPEECH_NO_SPEECH_PROBABILITY
    limit = PHRASE_LOG_PROBABILITY_IF_SPEECH if is_speech else PHRASE_LOG_PROBABILITY
    return (
        has_little_speech
        or transcript.average_log_probability < limit
        or transcript.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
    )


def _is_caption(transcript: Transcript) -> bool:
    """Return whether it is a caption of a sound, ТЕЛЕФОННЫЙ ЗВОНОК: several words in capitals, perhaps no speech."""
    capitals = transcript.text.isupper() and len(transcript.text.split()) > 1
    return capitals and transcript.no_speech_probability > CAPTION_NO_SPEECH_PROBABILITY


def _is_repetitive(words: list[str]) -> bool:
    """Return whether two to four words are repeated MIN_REPEATS times in a row, or a single word twice as often."""
    for size in range(1, 5):
        run = size
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else size
            if run >= size * MIN_REPEATS and (size > 1 or run >= 2 * MIN_REPEATS):
                return True
    return False
