"""Whether a decode is good enough, or has to be made again: faster-whisper's checks."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

# faster-whisper's own thresholds and fallbacks.
MAX_COMPRESSION_RATIO = 2.4
MIN_AVERAGE_LOG_PROBABILITY = -1.0
MAX_NO_SPEECH_PROBABILITY = 0.6


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decode's tokens and figures."""

    tokens: tuple[int, ...]
    text: str
    average_log_probability: float
    no_speech_probability: float
    compression_ratio: float
    complete: bool  # the decoder came to an end of its own accord
    temperature: float

    @property
    def repeats(self) -> bool:
        return self.compression_ratio > MAX_COMPRESSION_RATIO or not self.complete

    @property
    def doubtful(self) -> bool:
        unsure = self.average_log_probability < MIN_AVERAGE_LOG_PROBABILITY
        silent = unsure and self.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
        return self.repeats or (unsure and not silent)


def compression_ratio(text: str) -> float:
    """Return how much zlib makes of the text: above 2.4 it repeats itself."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))
