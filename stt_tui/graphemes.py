"""Grapheme boundaries, and the width of text in terminal columns. Pure.

A character here is a grapheme cluster: a letter with its accents, a flag, a family of emoji. Offsets count code points.
"""

from __future__ import annotations

import re
import unicodedata

from wcwidth import grapheme_boundary_before, iter_graphemes, wcswidth

# Characters of one column that never join with their neighbors: nearly all English and Russian text. A match is as fast
# as a regular expression; all other characters need a look-up each.
SIMPLE = re.compile(r"[ -~¡-¬¯-˿Ѐ-҂Ҋ-԰‐-‧‰-⁞₠-₿№]*")
# C0, DEL and C1 control characters, which only a terminal interprets, and UTF-16 surrogates, which no file can contain.
# Format characters are text: without joiners Persian is misspelled, and a family of emoji falls apart.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
SOFT_HYPHEN, SOFT_HYPHEN_SHOWN = "\u00ad", "¬"  # shown as in word processors; terminals differ in its width
WITHIN_WORDS = "'’\u200c\u200d\u2060" + SOFT_HYPHEN  # apostrophes, joiners
MAX_GRAPHEME_CODE_POINTS = 256  # of a character with its combining marks
TAB_COLUMNS = 4  # in any column, so that a row can be wrapped without the rows before it


def boundary_after(text: str, offset: int) -> int:
    """Return the end of the character that begins at the offset."""
    if offset >= len(text):
        return len(text)
    if SIMPLE.fullmatch(text, offset, offset + 2):
        return offset + 1
    return offset + len(next(iter_graphemes(text, offset)))


def boundary_before(text: str, offset: int) -> int:
    """Return the start of the character that ends at the offset or contains it."""
    if offset <= 0:
        return 0
    if offset > 1 and SIMPLE.fullmatch(text, offset - 2, offset):
        return offset - 1
    near = _nearby_boundary(text, offset)
    return near + grapheme_boundary_before(text[near:offset], offset - near)


def boundary_at(text: str, offset: int) -> int:
    """Return the offset if it is a boundary, else the end of the character that contains it."""
    if offset <= 0 or offset >= len(text):
        return min(max(offset, 0), len(text))
    if SIMPLE.fullmatch(text, offset - 1, offset + 1):
        return offset
    start = boundary_before(text, offset + 1)
    return offset if start == offset else boundary_after(text, start)


def _nearby_boundary(text: str, offset: int) -> int:
    """Return a boundary shortly before the offset, so that a search need not read a long text from its start."""
    furthest = max(0, offset - MAX_GRAPHEME_CODE_POINTS)
    for boundary in range(offset - 1, furthest, -1):
        if SIMPLE.fullmatch(text, boundary - 1, boundary + 1):
            return boundary
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


def prefix_of_width(text: str, columns: int) -> str:
    """Return the longest prefix of the text that fits into the columns."""
    if SIMPLE.fullmatch(text, 0, columns):
        return text[:columns]
    taken, end = 0, 0
    for character in iter_graphemes(text):
        taken += columns_of(character)
        if taken > columns:
            break
        end += len(character)
    return text[:end]


def printable(text: str) -> str:
    """Return the text to draw, which takes as many columns as `text_columns` counts.

    A terminal would interpret control characters and bidirectional overrides, and terminals differ in how they draw
    zero-width characters: each is replaced by a visible character.
    """
    if SIMPLE.fullmatch(text):
        return text
    return "".join(map(_printable, iter_graphemes(text)))


def _printable(character: str) -> str:
    if character == "\t":
        return " " * TAB_COLUMNS
    if character == SOFT_HYPHEN:
        return SOFT_HYPHEN_SHOWN
    if wcswidth(character) > 0 and not CONTROLS.search(character):
        return character
    if unicodedata.category(character[0]).startswith("M") and wcswidth(f"◌{character}") == 1:
        return f"◌{character}"  # a combining mark without a base
    return chr(0x2400 + ord(character)) if len(character) == 1 and ord(character) < 0x20 else "\ufffd"


def is_word(text: str, offset: int) -> bool:
    """Return whether the code point belongs to a word; an apostrophe or a joiner does between two letters."""
    character = text[offset]
    if character in WITHIN_WORDS:
        return (
            0 < offset < len(text) - 1 and _is_word_character(text[offset - 1]) and _is_word_character(text[offset + 1])
        )
    return character == "_" or _is_word_character(character)


def _is_word_character(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def without_controls(text: str) -> str:
    """Return the text without control characters; tabs, line feeds and all other characters stay."""
    return CONTROLS.sub("", text)
