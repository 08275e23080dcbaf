"""Successive hypotheses of an open utterance → a stable prefix, never taken back, and an unstable tail.

LocalAgreement (Macháček et al. 2023, "Turning Whisper into Real-Time Transcription System"): what the latest
hypotheses agree on from the beginning is stable, but for the newest words, which the next sound may still
change.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from unicodedata import category

# A unit is a word with the space before it, or one sign of a script that is written without spaces.
# Punctuation is none of its own, or a dash that comes and goes would shift the words.
_SIGN = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]"
_PUNCTUATION = r"[^\w\s]+"
_WORD = rf"(?:{_SIGN}|(?:(?!{_SIGN})\S)+)"
_UNIT = re.compile(rf"\s*(?:{_PUNCTUATION}\s+)*{_WORD}(?:\s*{_PUNCTUATION}(?=\s|$|{_SIGN}))*")


@dataclass(frozen=True, slots=True)
class StabilizerConfig:
    """How sure is sure: measured over our dictations, docs/measurements.md."""

    agreements: int = 3  # hypotheses that must agree, at least
    span: int = 0  # frames from the oldest of these to the newest, at least
    held_back: int = 4  # newest words that are never stable yet


@dataclass(frozen=True, slots=True)
class _Tail:
    """What a hypothesis has after the stable text."""

    at: int
    units: list[str]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text of an open utterance: stable + unstable."""

    stable: str
    unstable: str


class Stabilizer:
    """One utterance's hypotheses."""

    def __init__(self, config: StabilizerConfig) -> None:
        self._config = config
        self._stable: list[str] = []
        self._tails: deque[_Tail] = deque()  # the latest that must agree

    def push(self, text: str, at: int = 0) -> Hypothesis:
        """Take the newest hypothesis, of sound up to frame `at`; return what is stable now, and the rest."""
        tail = self._after_stable(text)
        self._tails.append(_Tail(at, tail))
        while self._suffice(1):
            self._tails.popleft()
        agreed = self._agreed() if self._suffice(0) else 0
        newly = min(agreed, max(0, len(tail) - self._config.held_back))
        self._stable += tail[:newly]
        for each in self._tails:
            del each.units[:newly]
        return self._hypothesis(tail)

    def commit(self, text: str) -> None:
        """Take the beginning of the final: all of it is stable, and what was stable is not taken back."""
        self._stable += self._after_stable(text)
        self._tails.clear()

    def _after_stable(self, text: str) -> list[str]:
        said = units(text)
        return said[_length_of_match(self._stable, said) :]

    def _hypothesis(self, tail: list[str]) -> Hypothesis:
        stable, unstable = "".join(self._stable), "".join(tail)
        return Hypothesis(stable.lstrip(), unstable if stable else unstable.lstrip())

    def _suffice(self, first: int) -> bool:
        """Tell whether the hypotheses from that one on are enough to judge by."""
        left = len(self._tails) - first
        return left >= self._config.agreements and self._tails[-1].at - self._tails[first].at >= self._config.span

    def _agreed(self) -> int:
        """Return how many units all hypotheses begin with."""
        agreed = 0
        for units in zip(*(tail.units for tail in self._tails), strict=False):
            if len({letters(unit) for unit in units}) > 1:
                break
            agreed += 1
        return agreed


def units(text: str) -> list[str]:
    """Return what may become stable one after another: words with the space before them, or signs."""
    return _UNIT.findall(text)


def letters(text: str) -> str:
    """Return what tells texts apart: letters, their marks (vowels, in many scripts) and digits."""
    return "".join(sign for sign in text.casefold() if category(sign)[0] in "LMN")


def _length_of_match(stable: list[str], units: list[str]) -> int:
    """Return how many of the units tell what is stable already: the prefix at the least edit distance.

    Of equal ones that which ends as the stable text does: an inserted word shall not double the one after it.
    """
    wanted, row = [letters(unit) for unit in stable], list(range(len(stable) + 1))
    best, length = row[-1], 0
    for count, unit in enumerate(units, 1):
        key, diagonal, row[0] = letters(unit), row[0], count
        for column, want in enumerate(wanted, 1):
            cost = min(diagonal + (want != key), row[column] + 1, row[column - 1] + 1)
            diagonal, row[column] = row[column], cost
        if row[-1] < best or (row[-1] == best and (count <= len(stable) or key == wanted[-1])):
            best, length = row[-1], count
    return length
