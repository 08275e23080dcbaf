"""Cuts finals into captions that can be read: at most two lines, a few seconds.

Pure. The measures are those of television subtitles: 42 columns, two lines, about six seconds.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stt_client.events import Final
from stt_client.sanitize import sanitize_text

LINE_COLUMNS = 42
LINES = 2
CAPTION_MS = 6_000
LINE_CHARACTERS = 8 * LINE_COLUMNS  # of which most take no column, as those of emoji; more belong to no text
PAUSES = (".!?…。！？", ",;:،、，；：")  # a caption had best end after the first, else after the second
LEAST_SHARE = 0.5  # ... once it is so full


@dataclass(frozen=True, slots=True)
class Caption:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word with the space that follows it in the text."""

    text: str
    start_ms: int
    end_ms: int


def captions(final: Final) -> list[Caption]:
    """Return the final's captions, in order; they do not overlap."""
    result: list[Caption] = []
    for pieces in _cut(list(_pieces(final))):
        start_ms = max(pieces[0].start_ms, result[-1].end_ms if result else final.start_ms)
        end_ms = max(pieces[-1].end_ms, start_ms + 1)  # a cue must last
        result.append(Caption(start_ms, end_ms, wrap("".join(piece.text for piece in pieces).strip())))
    return result


def columns(text: str) -> int:
    """Return the text's width in a terminal or in a subtitle."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(4096)
def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str) -> tuple[str, ...]:
    """Return the text on as few lines as it needs, of about the same length."""
    if columns(text) <= LINE_COLUMNS:
        return (text,)
    widths = range(columns(text) // LINES, LINE_COLUMNS)
    narrowest = bisect_left(widths, True, key=lambda width: len(_fill(text, width)) <= LINES)
    return tuple(_fill(text, widths[narrowest] if narrowest < len(widths) else LINE_COLUMNS))


def _fill(text: str, width: int) -> list[str]:
    lines = [""]
    for word in filter(None, text.split(" ")):
        for part in _chop(word + " ", width):
            if lines[-1] and columns((lines[-1] + part).rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.strip() for line in lines]


def _chop(word: str, width: int) -> list[str]:
    """Return the word in pieces that are no wider; the space after it counts for nothing."""
    if len(word) <= width and word.isascii():
        return [word]
    parts, taken = [list[str]()], 0
    for character in word:
        own = _columns(character)
        is_full = taken + own > width or len(parts[-1]) >= LINE_CHARACTERS
        if is_full and not character.isspace():
            parts.append([])
            taken = 0
        parts[-1].append(character)
        taken += own
    return ["".join(part) for part in parts]


def _pieces(final: Final) -> Iterator[_Piece]:
    """Yield the final's text in pieces that have times and that fit a line."""
    text = sanitize_text(final.text)
    timed = _timed_by_words(final, text) or _timed_by_length(final, text)
    for piece in timed:
        yield from _spread(_chop(piece.text, LINE_COLUMNS), piece.start_ms, piece.end_ms)


def _timed_by_words(final: Final, text: str) -> list[_Piece]:
    """Return the words as they stand in the text; nothing when they do not stand there."""
    places: list[int] = []
    end = 0
    for word in final.words:
        said = sanitize_text(word.text)
        place = text.find(said, end)
        if place < 0:
            return []
        places.append(place)
        end = place + len(said)
    if not places:
        return []
    bounds = [0, *places[1:], len(text)]
    texts = [text[start:stop] for start, stop in pairwise(bounds)]
    return [_Piece(text, word.start_ms, word.end_ms) for text, word in zip(texts, final.words, strict=True) if text]


def _timed_by_length(final: Final, text: str) -> list[_Piece]:
    return _spread([word + " " for word in text.split(" ") if word], final.start_ms, final.end_ms)


def _spread(parts: list[str], start_ms: int, end_ms: int) -> list[_Piece]:
    """Give each part a share of the time by its length."""
    total, said, pieces = sum(map(len, parts)), 0, []
    for part in parts:
        begins = start_ms + (end_ms - start_ms) * said // total
        said += len(part)
        pieces.append(_Piece(part, begins, start_ms + (end_ms - start_ms) * said // total))
    return pieces


def _cut(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    begin = 0
    while begin < len(pieces):
        end = _end_that_fits(pieces, begin)
        if end < len(pieces):
            end = begin + _count_to_pause(pieces[begin:end])
        yield pieces[begin:end]
        begin = end


def _end_that_fits(pieces: list[_Piece], begin: int) -> int:
    """Return the end of the longest caption that begins there; one piece fits always."""
    end, taken, characters = begin, 0, 0
    while end < len(pieces) and pieces[end].end_ms - pieces[begin].start_ms <= CAPTION_MS:
        taken += columns(pieces[end].text)
        characters += len(pieces[end].text)
        if taken > LINES * (LINE_COLUMNS + 1) or characters > LINES * LINE_CHARACTERS:  # a space may end each line
            break
        end += 1
    ends = range(begin + 1, end + 1)
    return begin + max(1, bisect_right(ends, False, key=lambda until: not _fits(pieces[begin:until])))


def _fits(pieces: list[_Piece]) -> bool:
    return len(_fill("".join(piece.text for piece in pieces), LINE_COLUMNS)) <= LINES


def _count_to_pause(pieces: list[_Piece]) -> int:
    """Return how many to take so that the caption ends at a pause, if that leaves it long enough."""
    for marks in PAUSES:
        for count in range(len(pieces), int(len(pieces) * LEAST_SHARE), -1):
            if pieces[count - 1].text.rstrip().endswith(tuple(marks)):
                return count
    return len(pieces)
