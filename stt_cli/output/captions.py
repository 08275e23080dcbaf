"""Splits finals into readable captions. Pure.

The limits are those of television subtitles: two lines of 42 columns, about six seconds.
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
LINE_CHARACTERS = 8 * LINE_COLUMNS  # characters of zero width, as in emoji; no real text has more
PAUSE_MARKS = (".!?…。！？", ",;:،、，；：")  # preferred caption ends, best first
MIN_FILL_SHARE = 0.5  # of a caption before it may end at a mark


@dataclass(frozen=True, slots=True)
class Caption:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _TimedText:
    """A word with the following space and its times."""

    text: str
    start_ms: int
    end_ms: int


def captions(final: Final) -> list[Caption]:
    """Return the final's captions, in order; they do not overlap."""
    result: list[Caption] = []
    for pieces in _split(list(_timed_pieces(final))):
        start_ms = max(pieces[0].start_ms, result[-1].end_ms if result else final.start_ms)
        end_ms = max(pieces[-1].end_ms, start_ms + 1)  # a cue needs a duration
        result.append(Caption(start_ms, end_ms, wrap("".join(piece.text for piece in pieces).strip())))
    return result


def display_width(text: str) -> int:
    """Return the width of the text in columns."""
    return len(text) if text.isascii() else sum(map(_character_width, text))


@lru_cache(4096)
def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str) -> tuple[str, ...]:
    """Return the text on the fewest lines, of similar length."""
    if display_width(text) <= LINE_COLUMNS:
        return (text,)
    widths = range(display_width(text) // LINES, LINE_COLUMNS)
    narrowest = bisect_left(widths, True, key=lambda width: len(_wrap_at(text, width)) <= LINES)
    return tuple(_wrap_at(text, widths[narrowest] if narrowest < len(widths) else LINE_COLUMNS))


def _wrap_at(text: str, width: int) -> list[str]:
    lines = [""]
    for word in filter(None, text.split(" ")):
        for part in _split_word(word + " ", width):
            if lines[-1] and display_width((lines[-1] + part).rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.strip() for line in lines]


def _split_word(word: str, width: int) -> list[str]:
    """Return the word in parts of at most this width. Its trailing space does not count."""
    if len(word) <= width and word.isascii():
        return [word]
    parts, taken = [list[str]()], 0
    for character in word:
        own = _character_width(character)
        is_full = taken + own > width or len(parts[-1]) >= LINE_CHARACTERS
        if is_full and not character.isspace():
            parts.append([])
            taken = 0
        parts[-1].append(character)
        taken += own
    return ["".join(part) for part in parts]


def _timed_pieces(final: Final) -> Iterator[_TimedText]:
    """Yield the final's text in timed parts that fit a line."""
    text = sanitize_text(final.text)
    timed = _timed_by_words(final, text) or _timed_by_length(final, text)
    for piece in timed:
        yield from _share_time(_split_word(piece.text, LINE_COLUMNS), piece.start_ms, piece.end_ms)


def _timed_by_words(final: Final, text: str) -> list[_TimedText]:
    """Return the words with their times; an empty list if the text does not contain them."""
    positions: list[int] = []
    end = 0
    for word in final.words:
        word_text = sanitize_text(word.text)
        position = text.find(word_text, end)
        if position < 0:
            return []
        positions.append(position)
        end = position + len(word_text)
    if not positions:
        return []
    bounds = [0, *positions[1:], len(text)]
    texts = [text[start:stop] for start, stop in pairwise(bounds)]
    return [_TimedText(text, word.start_ms, word.end_ms) for text, word in zip(texts, final.words, strict=True) if text]


def _timed_by_length(final: Final, text: str) -> list[_TimedText]:
    return _share_time([word + " " for word in text.split(" ") if word], final.start_ms, final.end_ms)


def _share_time(parts: list[str], start_ms: int, end_ms: int) -> list[_TimedText]:
    """Return the parts with times proportional to their lengths."""
    total, done, pieces = sum(map(len, parts)), 0, []
    for part in parts:
        part_start_ms = start_ms + (end_ms - start_ms) * done // total
        done += len(part)
        pieces.append(_TimedText(part, part_start_ms, start_ms + (end_ms - start_ms) * done // total))
    return pieces


def _split(pieces: list[_TimedText]) -> Iterator[list[_TimedText]]:
    begin = 0
    while begin < len(pieces):
        end = _end_that_fits(pieces, begin)
        if end < len(pieces):
            end = begin + _count_to_pause(pieces[begin:end])
        yield pieces[begin:end]
        begin = end


def _end_that_fits(pieces: list[_TimedText], begin: int) -> int:
    """Return the end index of the longest caption from `begin`. It has at least one part."""
    end, taken, characters = begin, 0, 0
    while end < len(pieces) and pieces[end].end_ms - pieces[begin].start_ms <= CAPTION_MS:
        taken += display_width(pieces[end].text)
        characters += len(pieces[end].text)
        if taken > LINES * (LINE_COLUMNS + 1) or characters > LINES * LINE_CHARACTERS:  # each line may end in a space
            break
        end += 1
    ends = range(begin + 1, end + 1)
    return begin + max(1, bisect_right(ends, False, key=lambda until: not _fits(pieces[begin:until])))


def _fits(pieces: list[_TimedText]) -> bool:
    return len(_wrap_at("".join(piece.text for piece in pieces), LINE_COLUMNS)) <= LINES


def _count_to_pause(pieces: list[_TimedText]) -> int:
    """Return the number of parts up to the best pause mark, if the caption stays full enough."""
    for marks in PAUSE_MARKS:
        for count in range(len(pieces), int(len(pieces) * MIN_FILL_SHARE), -1):
            if pieces[count - 1].text.rstrip().endswith(tuple(marks)):
                return count
    return len(pieces)
