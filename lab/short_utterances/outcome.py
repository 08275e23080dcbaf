"""Compares a recognized text with the accepted ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum

SPOKEN_SIGNS = "%&@#*/"  # punctuation that stands for a word; Unicode's symbols (+ = $ <) do too
APOSTROPHES = re.compile("['’ʼ]")
Words = tuple[str, ...]


class Outcome(Enum):
    """Result of an utterance."""

    EXACT = "exact"
    DOUBLED = "doubled"  # a text repeated twice or more in a row that was spoken once
    LOST = "lost"  # neither text nor a suppression
    SUPPRESSED = "suppressed"
    WRONG = "wrong"


def normalize(text: str) -> Words:
    """Return the words: lower case, е for ё, without punctuation and stress marks."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    joined = APOSTROPHES.sub("", folded)
    return tuple("".join(_spoken(joined)).split())


def _spoken(text: str) -> Iterator[str]:
    for character in text:
        category = unicodedata.category(character)
        if category[0] in "LN" or category == "Mc":
            yield character
        elif category[0] == "S" or character in SPOKEN_SIGNS:
            yield f" {character} "
        elif category[0] != "M":
            yield " "


def classify(text: str, accepted: Sequence[str], suppressed: bool = False) -> Outcome:
    """Return the result of an utterance.

    Args:
        text: all finals of the stream, joined by spaces.
        accepted: its correct texts.
        suppressed: whether the server reported a suppressed utterance.
    """
    words, correct = normalize(text), [normalize(each) for each in accepted]
    if not words:
        return Outcome.SUPPRESSED if suppressed else Outcome.LOST
    if words in correct:
        return Outcome.EXACT
    return Outcome.DOUBLED if _is_doubled(words, correct) else Outcome.WRONG


def _is_doubled(words: Words, correct: Sequence[Words]) -> bool:
    if any(_has_repetition(each) for each in correct):  # repeated in the audio
        return False
    return _has_repetition(words) or _copies(words, correct) > 1


def _has_repetition(words: Words) -> bool:
    """Return whether any sequence of words is repeated immediately."""
    return any(
        words[start : start + size] == words[start + size : start + 2 * size]
        for size in range(1, len(words) // 2 + 1)
        for start in range(len(words) - 2 * size + 1)
    )


def _copies(words: Words, correct: Sequence[Words]) -> int:
    """Return how many correct texts, such as `8` and `eight`, the words consist of; 0 if of other words."""
    if not words:
        return 0
    for each in correct:
        if each and words[: len(each)] == each:
            rest = words[len(each) :]
            if not rest or (more := _copies(rest, correct)):
                return 1 + (more if rest else 0)
    return 0
