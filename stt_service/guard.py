"""Is this transcript a hallucination, and why: a verdict from the decoder's own figures and what the VAD heard.

Whisper was trained on subtitles and fills silence and noise with what stands at their ends. The layers: no text,
too little speech by the VAD, no speech by the decoder, low confidence, repetition, known phrases.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from stt_service.checks import MAX_COMPRESSION_RATIO, MAX_NO_SPEECH_PROBABILITY
from stt_service.transcript import Transcript


class Reason(Enum):
    """Why an utterance yields no text."""

    EMPTY = "EMPTY"
    NO_SPEECH = "NO_SPEECH"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    REPETITION = "REPETITION"
    KNOWN_PHRASE = "KNOWN_PHRASE"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the VAD heard of the utterance."""

    voiced_s: float
    length_s: float


# faster-whisper's thresholds are 0.6 and -1. On our tailed windows all noise but one in 25 had the first above 0.6,
# of 123 utterances of people one, and that at -0.22; where the VAD heard a second of speech, the decoder's doubt
# has to be greater.
NO_SPEECH_LOG_PROBABILITY, NO_SPEECH_LOG_PROBABILITY_IF_VOICED = -0.3, -0.6
WELL_VOICED_S = 1.0
# Tailed decodes of noise, hum and an office came out at -1.4 or lower, of speech at -0.7 or higher (our recordings).
LOG_PROBABILITY = -1.2
CAPTION_NO_SPEECH_PROBABILITY = 0.3
REPEATS = 5  # the same one to four words so often in a row
# Where the VAD heard this little, ordinary phrases that Whisper says to noise are noise.
LITTLE_VOICED_S, LITTLE_VOICED_SHARE = 0.4, 0.15
LITTLE_LOG_PROBABILITY = -0.6
# Nobody dictates these: credits of the subtitles that Whisper was trained on. They are whole transcripts.
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
# People do say these, so they are refused only where the decoder or the VAD doubts.
COMMON = frozenset(
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


def verdict(transcript: Transcript, evidence: Evidence) -> Reason | None:
    """Return why the text cannot be trusted; None when it can."""
    text = _plain(transcript.text)
    if not text:
        return Reason.EMPTY
    if _is_silence(transcript, evidence):
        return Reason.NO_SPEECH
    if transcript.compression_ratio > MAX_COMPRESSION_RATIO or _repeats(text.split()):
        return Reason.REPETITION
    if CREDITS.fullmatch(text) or _is_caption(transcript) or (text in COMMON and _is_doubtful(transcript, evidence)):
        return Reason.KNOWN_PHRASE
    if transcript.average_log_probability < LOG_PROBABILITY:
        return Reason.LOW_CONFIDENCE
    return None


def _plain(text: str) -> str:
    return _NOT_WORD.sub(" ", text.casefold().replace("ё", "е")).strip() or ("♪" if "♪" in text else "")


def _is_silence(transcript: Transcript, evidence: Evidence) -> bool:
    voiced = evidence.voiced_s >= WELL_VOICED_S
    unsure = NO_SPEECH_LOG_PROBABILITY_IF_VOICED if voiced else NO_SPEECH_LOG_PROBABILITY
    unheard = transcript.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
    return evidence.voiced_s <= 0 or (unheard and transcript.average_log_probability < unsure)


def _is_doubtful(transcript: Transcript, evidence: Evidence) -> bool:
    little = evidence.voiced_s < max(LITTLE_VOICED_S, LITTLE_VOICED_SHARE * evidence.length_s)
    unsure = transcript.average_log_probability < LITTLE_LOG_PROBABILITY
    return little or unsure or transcript.no_speech_probability > MAX_NO_SPEECH_PROBABILITY


def _is_caption(transcript: Transcript) -> bool:
    """Tell whether it describes a sound, ТЕЛЕФОННЫЙ ЗВОНОК: in capitals, of more than one word, and not heard well."""
    capitals = transcript.text.isupper() and len(transcript.text.split()) > 1
    return capitals and transcript.no_speech_probability > CAPTION_NO_SPEECH_PROBABILITY


def _repeats(words: list[str]) -> bool:
    """Tell whether a group of one to four words stands there again and again; single short words may."""
    for size in range(1, 5):
        run = size
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else size
            if run >= size * REPEATS and (size > 1 or run >= 2 * REPEATS):
                return True
    return False
