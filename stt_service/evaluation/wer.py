"""Word errors of a text against a reference: normalization, error count and alignment.

Errors are counted with one call of rapidfuzz. jiwer uses the same library, but would be a further dependency of the
server, and takes strings instead of tokens. A test compares the counts with jiwer's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from num2words import num2words
from rapidfuzz.distance import Levenshtein

from stt_service.whisper.language import SPACELESS_LANGUAGES

_NUMBER = re.compile(r"(?<!\d)(\d{1,9})(st|nd|rd|th)?\b")  # num2words fails, or never ends, on longer ones


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of a text."""

    count: int
    words: int  # of the reference

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(self.count + other.count, self.words + other.words)

    @property
    def percent(self) -> float:
        return 100 * self.count / max(1, self.words)


def normalize(text: str, language: str) -> list[str]:
    """Return the words: lower case, no punctuation, е for ё, numbers spelled out where num2words knows the language.

    Of a language that is written without spaces, return the characters.
    """
    text = unicodedata.normalize("NFKC", text).lower().replace("ё", "е").replace("’", "'")
    text = _NUMBER.sub(lambda found: f" {_spell_out(found, language)} ", text)
    words = "".join(char if _is_of_word(char) else " " for char in text).split()
    return list("".join(words)) if language in SPACELESS_LANGUAGES else words


def _is_of_word(char: str) -> bool:
    """Return whether it is a letter, a sign on one, a digit or an apostrophe."""
    return char == "'" or unicodedata.category(char)[0] in "LMN"


def _spell_out(number: re.Match[str], language: str) -> str:
    try:
        return str(num2words(int(number[1]), lang=language, ordinal=bool(number[2])))
    except (NotImplementedError, LookupError, TypeError):  # not in this language, or not this number
        return number[0]


def count_errors(reference: Sequence[str], text: Sequence[str]) -> WordErrors:
    """Return the word errors of the text."""
    return WordErrors(Levenshtein.distance(reference, text), len(reference))


def aligned_words(reference: Sequence[str], text: Sequence[str]) -> dict[int, int]:
    """Return the index in the text of each matched word, by its index in the reference."""
    blocks = Levenshtein.editops(reference, text).as_matching_blocks()
    return {block.a + i: block.b + i for block in blocks for i in range(block.size)}


def best_prefix_length(reference: Sequence[str], text: Sequence[str]) -> int:
    """Return the length of the prefix of the reference that matches the text best.

    Compared with the whole reference, a word such as `the` could match a later one.
    """
    return min(range(len(reference) + 1), key=lambda count: Levenshtein.distance(reference[:count], text))
