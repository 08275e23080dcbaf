"""Decides whether a transcript is a hallucination, and why, from the decoder's statistics and the VAD's.

Whisper was trained on subtitles and fills silence and noise with typical subtitles and credits. The checks: no text,
no speech by the VAD, no speech by the decoder, repetition that cannot have been spoken, known phrases, low confidence.
A text that the decoder is sure of is never rejected for its repetitions alone: people do repeat themselves.

The thresholds were fitted on utterances of people, 392 of them of one to three words, and on noise, hum, silence and an
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
    """What the VAD found in the utterance."""

    voiced_s: float
    length_s: float  # of the window
    spoken_s: float | None = None  # time in which the text was spoken, where it is not the voiced one


# faster-whisper's thresholds are 0.6 and -1. Noise has a no-speech probability above 0.62 in short windows and above
# 0.7 in full ones, where words alone reach 0.7: up to 0.75 the decoder must doubt its text more. So it must
# where the VAD found a second of speech.
CERTAIN_NO_SPEECH_PROBABILITY = 0.75
NO_SPEECH_MIN_LOG_PROBABILITY, NO_SPEECH_LOG_PROBABILITY_IF_SPOKEN = -0.3, -0.6
NO_SPEECH_LOG_PROBABILITY_OF_WORD = -1.0  # noise in the full window has -1.1 or less, but for credits
WELL_VOICED_S = 1.0
# Decodes of noise, hum and an office have -1.4 or less, of sentences -0.7 or more (our recordings). A word alone is
# less sure, down to -1.45, but the decoder does not take it for silence then.
MIN_LOG_PROBABILITY, WORD_LOG_PROBABILITY = -1.2, -1.8
SPEECH_NO_SPEECH_PROBABILITY = 0.58
CAPTION_NO_SPEECH_PROBABILITY = 0.3
MIN_REPEATS = 5  # the same one to four words so often in a row
# A loop of the decoder has more text than anybody can speak, or the decoder doubts it. Auctioneers speak 20 letters a
# second; some of that time the VAD finds unvoiced.
MAX_LETTERS_PER_SECOND = 30
LOOP_LOG_PROBABILITY = -0.7
# Where the VAD found this little speech, ordinary phrases that Whisper produces for noise are noise. The shortest word
# of people had 0.22 s.
LITTLE_VOICED_S, LITTLE_VOICED_SHARE = 0.15, 0.1
PHRASE_LOG_PROBABILITY, PHRASE_LOG_PROBABILITY_IF_SPEECH = -0.6, -1.0
# Credits of the subtitles that Whisper was trained on, never dictated. They are whole transcripts.
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
# People do say these, so they are rejected only where the decoder or the VAD doubts.
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
    return SuppressionReason.LOW_CONFIDENCE if _is_unsure(transcript, speech) else None


def _plain(text: str) -> str:
    words = _NOT_WORD.sub(" ", text.casefold().replace("ё", "е")).strip()
    return words or ("♪" if "♪" in text else "".join(_SYMBOLS.findall(text)))


def _is_silence(transcript: Transcript, evidence: SpeechStats) -> bool:
    spoken = evidence.voiced_s >= WELL_VOICED_S or transcript.no_speech_probability < CERTAIN_NO_SPEECH_PROBABILITY
    unsure = NO_SPEECH_LOG_PROBABILITY_IF_SPOKEN if spoken else NO_SPEECH_MIN_LOG_PROBABILITY
    if transcript.no_speech_probability < CERTAIN_NO_SPEECH_PROBABILITY and evidence.length_s <= SHORT_WINDOW_S:
        unsure = NO_SPEECH_LOG_PROBABILITY_OF_WORD
    no_speech = transcript.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
    return evidence.voiced_s <= 0 or (no_speech and transcript.average_log_probability < unsure)


def _is_unsure(transcript: Transcript, evidence: SpeechStats) -> bool:
    is_speech = transcript.no_speech_probability < SPEECH_NO_SPEECH_PROBABILITY
    is_word = is_speech and evidence.length_s <= SHORT_WINDOW_S
    return transcript.average_log_probability < (WORD_LOG_PROBABILITY if is_word else MIN_LOG_PROBABILITY)


def _is_loop(transcript: Transcript, evidence: SpeechStats, words: list[str]) -> bool:
    if transcript.compression_ratio <= MAX_COMPRESSION_RATIO and not _repeats(words):
        return False
    spoken_s = evidence.voiced_s if evidence.spoken_s is None else evidence.spoken_s
    too_fast = len(transcript.text) > MAX_LETTERS_PER_SECOND * spoken_s
    return too_fast or transcript.average_log_probability < LOOP_LOG_PROBABILITY


def _is_doubtful(transcript: Transcript, evidence: SpeechStats) -> bool:
    little = evidence.voiced_s < max(LITTLE_VOICED_S, LITTLE_VOICED_SHARE * evidence.length_s)
    is_speech = transcript.no_speech_probability < SPEECH_NO_SPEECH_PROBABILITY
    limit = PHRASE_LOG_PROBABILITY_IF_SPEECH if is_speech else PHRASE_LOG_PROBABILITY
    return (
        little
        or transcript.average_log_probability < limit
        or transcript.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
    )


def _is_caption(transcript: Transcript) -> bool:
    """Return whether it describes a sound, ТЕЛЕФОННЫЙ ЗВОНОК: several words in capitals that may not be speech."""
    capitals = transcript.text.isupper() and len(transcript.text.split()) > 1
    return capitals and transcript.no_speech_probability > CAPTION_NO_SPEECH_PROBABILITY


def _repeats(words: list[str]) -> bool:
    """Return whether a group of one to four words is repeated REPEATS times, a single word twice as often."""
    for size in range(1, 5):
        run = size
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else size
            if run >= size * MIN_REPEATS and (size > 1 or run >= 2 * MIN_REPEATS):
                return True
    return False
