"""Where characters begin and end as people see them, and how many columns each takes. Pure.

A character here is a grapheme cluster: a letter with its accents, a flag, a family of emoji. Offsets count code points.
"""

from __future__ import annotations

import re
import unicodedata

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth

# Characters of one column that never join with their neighbours: nearly all of English and Russian, at the speed of a
# regular expression. Of a longer range, each would have to be asked about.
SIMPLE = re.compile(r"[ -~¡-¬¯-˿Ѐ-҂Ҋ-԰‐-‧‰-⁞₠-₿№]*")
# What only a terminal would obey, and half a UTF-16 pair, which no file can hold. Format characters are text: without
# joiners Persian is misspelled, and a family of emoji falls apart.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
SOFT_HYPHEN, SOFT_HYPHEN_SHOWN = "\u00ad", "¬"  # as word processors show it; terminals differ in its width
WITHIN_WORDS = "'’\u200c\u200d\u2060" + SOFT_HYPHEN  # apostrophes, joiners
LONGEST = 256  # code points of a character with all that may be heaped on it
TAB_COLUMNS = 4  # wherever it stands, so that a row can be cut without knowing what is before it


def border_after(text: str, offset: int) -> int:
    """Return the end of the character that begins at the offset."""
    if offset >= len(text):
        return len(text)
    if SIMPLE.fullmatch(text, offset, offset + 2):
        return offset + 1
    return offset + len(next(iter_graphemes(text, offset)))


def border_before(text: str, offset: int) -> int:
    """Return the start of the character that ends at the offset, or has it inside."""
    if offset <= 0:
        return 0
    if offset > 1 and SIMPLE.fullmatch(text, offset - 2, offset):
        return offset - 1
    near = _known_border(text, offset)
    return near + grapheme_boundary_before(text[near:offset], offset - near)


def border_at(text: str, offset: int) -> int:
    """Return the offset if it is a border, else the end of the character that it is inside of."""
    if offset <= 0 or offset >= len(text):
        return min(max(offset, 0), len(text))
    if SIMPLE.fullmatch(text, offset - 1, offset + 1):
        return offset
    start = border_before(text, offset + 1)
    return offset if start == offset else border_after(text, start)


def _known_border(text: str, offset: int) -> int:
    """Return a border some way before the offset: whoever looks for one must not read a long text from its start."""
    furthest = max(0, offset - LONGEST)
    for border in range(offset - 1, furthest, -1):
        if SIMPLE.fullmatch(text, border - 1, border + 1):
            return border
    return furthest


def columns_of(character: str) -> int:
    """Return how many columns of a terminal the character takes: 1, 2, or a tab's."""
    if character == "\t":
        return TAB_COLUMNS
    return max(1, wcswidth(character))


def text_columns(text: str) -> int:
    """Return how many columns the text takes on one row."""
    if SIMPLE.fullmatch(text):
        return len(text)
    return sum(map(columns_of, iter_graphemes(text)))


def beginning(text: str, columns: int) -> str:
    """Return the longest beginning of the text that takes no more columns."""
    if SIMPLE.fullmatch(text, 0, columns):
        return text[:columns]
    taken, end = 0, 0
    for character in iter_graphemes(text):
        taken += columns_of(character)
        if taken > columns:
            break
        end += len(character)
    return text[:end]


def shown(text: str) -> str:
    """Return what to draw for a stretch of text, in as many columns as the text takes.

    A terminal would obey control characters and bidirectional overrides, and terminals differ in what they make of
    characters without a width of their own: a visible character stands for each.
    """
    if SIMPLE.fullmatch(text):
        return text
    return "".join(map(_shown, iter_graphemes(text)))


def _shown(character: str) -> str:
    if character == "\t":
        return " " * TAB_COLUMNS
    if character == SOFT_HYPHEN:
        return SOFT_HYPHEN_SHOWN
    if wcswidth(character) > 0 and not CONTROLS.search(character):
        return character
    if unicodedata.category(character[0]).startswith("M") and wcswidth(f"◌{character}") == 1:
        return f"◌{character}"  # nothing to stand on
    return chr(0x2400 + ord(character)) if len(character) == 1 and ord(character) < 0x20 else "\ufffd"


def is_word(text: str, offset: int) -> bool:
    """Tell whether the code point belongs to a word; an apostrophe or a joiner does between two letters."""
    character = text[offset]
    if character in WITHIN_WORDS:
        return 0 < offset < len(text) - 1 and _is_of_words(text[offset - 1]) and _is_of_words(text[offset + 1])
    return character == "_" or _is_of_words(character)


def _is_of_words(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def without_controls(text: str) -> str:
    """Return the text without its control characters; tabs and line feeds stay, and so does every other character."""
    return CONTROLS.sub("", text)
