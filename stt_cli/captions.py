"""Cuts finals into captions that can be read: at most two lines, a few seconds.

Pure. The measures are those of television subtitles: 42 columns, two lines, about six seconds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from stt_cli.events import Final

LINE_COLUMNS = 42
LINES = 2
CAPTION_MS = 6_000
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
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str) -> tuple[str, ...]:
    """Return the text on as few lines as it needs, of about the same length."""
    if columns(text) <= LINE_COLUMNS:
        return (text,)
    widest = next(
        (width for width in range(columns(text) // LINES, LINE_COLUMNS) if len(_fill(text, width)) <= LINES),
        LINE_COLUMNS,
    )
    return tuple(_fill(text, widest))


def _fill(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        for part in _chop(word + " ", width):
            if lines[-1] and columns((lines[-1] + part).rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.strip() for line in lines]


def _chop(word: str, width: int) -> list[str]:
    """Return the word in pieces that are no wider; the space after it counts for nothing."""
    parts = [""]
    for character in word:
        if columns(parts[-1] + character) > width and not character.isspace():
            parts.append("")
        parts[-1] += character
    return parts


def _pieces(final: Final) -> Iterator[_Piece]:
    """Yield the final's text in pieces that have times and that fit a line."""
    timed = _timed_by_words(final) or _timed_by_length(final, final.text.split())
    for piece in timed:
        yield from _spread(_chop(piece.text, LINE_COLUMNS), piece.start_ms, piece.end_ms)


def _timed_by_words(final: Final) -> list[_Piece]:
    """Return the words as they stand in the text; nothing when they do not stand there."""
    places: list[int] = []
    end = 0
    for word in final.words:
        place = final.text.find(word.text.strip(), end)
        if place < 0:
            return []
        places.append(place)
        end = place + len(word.text.strip())
    if not places:
        return []
    bounds = [0, *places[1:], len(final.text)]
    texts = [final.text[start:stop] for start, stop in pairwise(bounds)]
    return [_Piece(text, word.start_ms, word.end_ms) for text, word in zip(texts, final.words, strict=True) if text]


def _timed_by_length(final: Final, words: list[str]) -> list[_Piece]:
    return _spread([word + " " for word in words], final.start_ms, final.end_ms)


def _spread(parts: list[str], start_ms: int, end_ms: int) -> list[_Piece]:
    """Give each part a share of the time by its length."""
    total, said, pieces = sum(map(len, parts)), 0, []
    for part in parts:
        begins = start_ms + (end_ms - start_ms) * said // total
        said += len(part)
        pieces.append(_Piece(part, begins, start_ms + (end_ms - start_ms) * said // total))
    return pieces


def _cut(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    while pieces:
        count = _count_that_fits(pieces)
        if count < len(pieces):
            count = _count_to_pause(pieces[:count])
        yield pieces[:count]
        pieces = pieces[count:]


def _count_that_fits(pieces: list[_Piece]) -> int:
    text, count = "", 0
    for piece in pieces:
        text += piece.text
        too_long = piece.end_ms - pieces[0].start_ms > CAPTION_MS or len(wrap(text.strip())) > LINES
        if count and too_long:
            break
        count += 1
    return count


def _count_to_pause(pieces: list[_Piece]) -> int:
    """Return how many to take so that the caption ends at a pause, if that leaves it long enough."""
    for marks in PAUSES:
        for count in range(len(pieces), int(len(pieces) * LEAST_SHARE), -1):
            if pieces[count - 1].text.rstrip().endswith(tuple(marks)):
                return count
    return len(pieces)
