"""Whether a decode is good enough or must be repeated: faster-whisper's checks, made independent of the script."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum, auto

# faster-whisper's own thresholds.
MAX_COMPRESSION_RATIO = 2.4
MIN_AVERAGE_LOG_PROBABILITY = -1.0
MAX_NO_SPEECH_PROBABILITY = 0.6


class DecodeEnd(Enum):
    """Why the decoder stopped."""

    END_OF_TEXT = auto()
    TOKEN_LIMIT = auto()  # more tokens than can be spoken in the audio: a loop
    CONTEXT_FULL = auto()  # Whisper's text context is full: the text continues after it


@dataclass(frozen=True, slots=True)
class DecodeAttempt:
    """One decode's tokens and statistics."""

    tokens: tuple[int, ...]
    text: str
    average_log_probability: float
    no_speech_probability: float
    compression_ratio: float
    end: DecodeEnd = DecodeEnd.END_OF_TEXT
    doubled: bool = False  # a word or two, written twice

    @property
    def is_repetitive(self) -> bool:
        """Whether the decoder may have looped. Speakers repeat themselves too: another decode decides."""
        return self.doubled or self.compression_ratio > MAX_COMPRESSION_RATIO or self.end is DecodeEnd.TOKEN_LIMIT

    @property
    def needs_fallback(self) -> bool:
        """Whether the window must be decoded again in another way."""
        unsure = self.average_log_probability < MIN_AVERAGE_LOG_PROBABILITY
        silent = unsure and self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
        return self.is_repetitive or (unsure and not silent)


def is_doubled(text: str) -> bool:
    """Return whether the text is the same words twice, such as "Golf Golf"."""
    words = text.casefold().split()
    half = len(words) // 2
    return bool(words) and len(words) == 2 * half and words[:half] == words[half:]


def compression_ratio(text: str) -> float:
    """Return letters per byte of the zlib-compressed text: above 2.4 the text is repetitive.

    Each distinct character is encoded as one byte, or two if there are more than 256. As UTF-8, scripts with two or
    three bytes per letter would compress two to three times as well as English, whatever the text.
    """
    codes = {character: code for code, character in enumerate(dict.fromkeys(text))}
    width = 1 if len(codes) <= 256 else 2
    encoded = b"".join(codes[character].to_bytes(width, "big") for character in text)
    return len(encoded) / len(zlib.compress(encoded))
