"""Word errors: of a text against a reference, at the seams of finals, and of one text against another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import jiwer
from num2words import num2words

_NUMBER = re.compile(r"(\d+)(st|nd|rd|th)?\b")
_NOT_WORD = re.compile(r"[^\w\s']|_")


@dataclass(frozen=True, slots=True)
class Errors:
    """Word errors of a text."""

    count: int
    words: int  # of the reference

    def __add__(self, other: Errors) -> Errors:
        return Errors(self.count + other.count, self.words + other.words)

    @property
    def percent(self) -> float:
        return 100 * self.count / max(1, self.words)


def plain(text: str, language: str) -> list[str]:
    """Return the words: lower case, no punctuation, е for ё, numbers spelt out on both sides."""
    text = unicodedata.normalize("NFKC", text).lower().replace("ё", "е")
    text = _NUMBER.sub(lambda found: _spelt(int(found[1]), bool(found[2]), language), text)
    return _NOT_WORD.sub(" ", text).split()


def _spelt(number: int, ordinal: bool, language: str) -> str:
    return f" {num2words(number, lang=language, ordinal=ordinal)} "


def errors(reference: Sequence[str], text: Sequence[str]) -> Errors:
    """Return the errors of the text."""
    if not text:
        return Errors(len(reference), len(reference))
    found = jiwer.process_words(" ".join(reference), " ".join(text))
    return Errors(found.substitutions + found.deletions + found.insertions, len(reference))


def hits(reference: Sequence[str], text: Sequence[str]) -> dict[int, int]:
    """Return where each right word of the reference stands in the text."""
    found = jiwer.process_words(" ".join(reference), " ".join(text) or "-")
    return {
        chunk.ref_start_idx + i: chunk.hyp_start_idx + i
        for chunk in found.alignments[0]
        if chunk.type == "equal"
        for i in range(chunk.ref_end_idx - chunk.ref_start_idx)
    }


@dataclass(frozen=True, slots=True)
class Seams:
    """Words at the seams between finals that went wrong there and nowhere else."""

    lost: tuple[str, ...]  # right in the offline transcript, missing beside a seam here
    doubled: tuple[str, ...]  # told on both sides of a seam


def seams(reference: Sequence[str], offline: Sequence[str], finals: Sequence[Sequence[str]]) -> Seams:
    """Compare what stands at the ends of the finals with the reference and the offline transcript."""
    text = [word for final in finals for word in final]
    right, offline_right = hits(reference, text), hits(reference, offline)
    ends = list(accumulate(len(final) for final in finals))[:-1]
    lost = []
    for end in ends:
        before = max((r for r, h in right.items() if h < end), default=-1)
        after = min((r for r, h in right.items() if h >= end), default=len(reference))
        told = right.get(after, len(text)) - right.get(before, -1) - 1  # something else stands there: not lost
        missing = [r for r in range(before + 1, after) if r in offline_right]
        lost += [reference[r] for r in missing[told:]]
    doubled = [
        " ".join(text[end - size : end])
        for end in ends
        for size in (3, 2, 1)
        if text[end - size : end] == text[end : end + size] and not _said_twice(reference, text[end - size : end])
    ]
    return Seams(tuple(lost), tuple(doubled))


def _said_twice(reference: Sequence[str], words: Sequence[str]) -> bool:
    size = len(words)
    return any(
        list(reference[i : i + size]) == list(words) == list(reference[i + size : i + 2 * size])
        for i in range(len(reference) - 2 * size + 1)
    )
