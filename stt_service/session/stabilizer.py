"""Splits the text of an open utterance into a stable prefix, which is never changed, and an unstable rest.

LocalAgreement (Macháček et al. 2023, "Turning Whisper into Real-Time Transcription System"): the common prefix of the
latest hypotheses is stable, except the newest words, which the next audio may still change.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum
from unicodedata import category

from stt_service.settings.schema import frames

# A unit is a word with the space before it, or one character of a script that is written without spaces.
# Punctuation is not a unit of its own: otherwise a dash that appears and disappears would shift the words.
_CHARACTER = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]"
_PUNCTUATION = r"[^\w\s]+"
_WORD = rf"(?:{_CHARACTER}|(?:(?!{_CHARACTER})\S)+)"
_UNIT = re.compile(rf"\s*(?:{_PUNCTUATION}\s+)*{_WORD}(?:\s*{_PUNCTUATION}(?=\s|$|{_CHARACTER}))*")


@dataclass(frozen=True, slots=True)
class StabilizerConfig:
    """When text becomes stable. The values were measured on our dictations: docs/measurements.md."""

    min_agreements: int = 3  # hypotheses that must agree
    min_span_frames: int = 0  # from the oldest of these hypotheses to the newest
    held_back_units: int = 4  # newest units, which are not stable yet


class Stability(Enum):
    """How soon text becomes stable: the later, the fewer stable words are not in the final (docs/measurements.md).

    The spans are those of the measurement, with a hypothesis every 0.4 s: a fast machine makes more hypotheses in less
    time, and these are no better evidence.
    """

    DEFAULT = StabilizerConfig(min_agreements=3, min_span_frames=frames(2.0), held_back_units=4)
    VERY_LOW = StabilizerConfig(min_agreements=2, min_span_frames=frames(0.4), held_back_units=1)
    LOW = StabilizerConfig(min_agreements=2, min_span_frames=frames(0.4), held_back_units=2)
    MEDIUM = StabilizerConfig(min_agreements=4, min_span_frames=frames(1.2), held_back_units=4)
    HIGH = StabilizerConfig(min_agreements=5, min_span_frames=frames(1.6), held_back_units=4)
    VERY_HIGH = StabilizerConfig(min_agreements=6, min_span_frames=frames(2.0), held_back_units=4)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The units of a hypothesis after the stable text."""

    end_frame: int
    units: list[str]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text of an open utterance: stable + unstable."""

    stable: str
    unstable: str


class Stabilizer:
    """The hypotheses of one utterance."""

    def __init__(self, config: StabilizerConfig) -> None:
        self._config = config
        self._stable: list[str] = []
        self._tails: deque[_Tail] = deque()  # the latest hypotheses, which must agree

    def add_hypothesis(self, text: str, end_frame: int = 0) -> Hypothesis:
        """Add the newest hypothesis, of audio up to `end_frame`; return its text with the part that is stable now."""
        tail = self._after_stable(text)
        self._tails.append(_Tail(end_frame, tail))
        while self._is_enough(1):
            self._tails.popleft()
        agreed = self._count_agreed() if self._is_enough(0) else 0
        newly_stable = min(agreed, max(0, len(tail) - self._config.held_back_units))
        self._stable += tail[:newly_stable]
        for each in self._tails:
            del each.units[:newly_stable]
        return self._hypothesis(tail)

    def commit(self, text: str) -> None:
        """Make the text, a prefix of the final, stable; text that was stable before is not changed."""
        self._stable += self._after_stable(text)
        self._tails.clear()

    def _after_stable(self, text: str) -> list[str]:
        all_units = units(text)
        return all_units[_matching_prefix_length(self._stable, all_units) :]

    def _hypothesis(self, tail: list[str]) -> Hypothesis:
        stable, unstable = "".join(self._stable), "".join(tail)
        return Hypothesis(stable.lstrip(), unstable if stable else unstable.lstrip())

    def _is_enough(self, first: int) -> bool:
        """Return whether the hypotheses from index `first` on are enough for a decision."""
        count = len(self._tails) - first
        return (
            count >= self._config.min_agreements
            and self._tails[-1].end_frame - self._tails[first].end_frame >= self._config.min_span_frames
        )

    def _count_agreed(self) -> int:
        """Return the length of the common prefix of all hypotheses, in units."""
        agreed = 0
        for units in zip(*(tail.units for tail in self._tails), strict=False):
            if len({letters(unit) for unit in units}) > 1:
                break
            agreed += 1
        return agreed


def units(text: str) -> list[str]:
    """Return the units of the text, which become stable one by one: words with the space before them, or characters."""
    return _UNIT.findall(text)


def letters(text: str) -> str:
    """Return the characters that distinguish texts: letters, their marks (vowels, in many scripts) and digits."""
    return "".join(character for character in text.casefold() if category(character)[0] in "LMN")


def _matching_prefix_length(stable: list[str], units: list[str]) -> int:
    """Return the length of the prefix of `units` with the smallest edit distance to the stable units.

    Of equal ones, the prefix that ends like the stable text: otherwise an inserted word would repeat the one after it.
    """
    stable_keys, row = [letters(unit) for unit in stable], list(range(len(stable) + 1))
    best, length = row[-1], 0
    for count, unit in enumerate(units, 1):
        key, diagonal, row[0] = letters(unit), row[0], count
        for column, stable_key in enumerate(stable_keys, 1):
            cost = min(diagonal + (stable_key != key), row[column] + 1, row[column - 1] + 1)
            diagonal, row[column] = row[column], cost
        if row[-1] < best or (row[-1] == best and (count <= len(stable) or key == stable_keys[-1])):
            best, length = row[-1], count
    return length
