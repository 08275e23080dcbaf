"""Cursor movement in the text by character, word and line. Pure.

Movement by screen rows is in `view.py`.
"""

from __future__ import annotations

from stt_tui.graphemes import boundary_after, boundary_at, boundary_before, is_word
from stt_tui.lines import Lines, Position


def left(lines: Lines, position: Position) -> Position:
    line, offset = position
    if offset > 0:
        return Position(line, boundary_before(lines[line], offset))
    return Position(line - 1, len(lines[line - 1])) if line > 0 else position


def right(lines: Lines, position: Position) -> Position:
    line, offset = position
    if offset < len(lines[line]):
        return Position(line, boundary_after(lines[line], offset))
    return Position(line + 1, 0) if line + 1 < len(lines) else position


def word_left(lines: Lines, position: Position) -> Position:
    """Return the start of the previous word; at the start of a line, the end of the previous line."""
    line, offset = position
    if offset == 0:
        return left(lines, position)
    text = lines[line]
    while offset > 0 and not is_word(text, offset - 1):
        offset -= 1
    while offset > 0 and is_word(text, offset - 1):
        offset -= 1
    return Position(line, boundary_before(text, offset + 1))


def word_right(lines: Lines, position: Position) -> Position:
    """Return the start of the next word; at the end of a line, the start of the next line."""
    line, offset = position
    text = lines[line]
    if offset == len(text):
        return right(lines, position)
    while offset < len(text) and is_word(text, offset):
        offset += 1
    while offset < len(text) and not is_word(text, offset):
        offset += 1
    return Position(line, boundary_at(text, offset))


def word_around(lines: Lines, position: Position) -> tuple[Position, Position]:
    """Return the word at the position, or the text between two words there: the selection of a double click."""
    line, offset = position
    text = lines[line]
    if not text:
        return position, position
    start = min(offset, len(text) - 1)
    end, inside = start + 1, is_word(text, start)
    while start > 0 and is_word(text, start - 1) == inside:
        start -= 1
    while end < len(text) and is_word(text, end) == inside:
        end += 1
    return Position(line, boundary_before(text, start + 1)), Position(line, boundary_at(text, end))


def line_around(lines: Lines, position: Position) -> tuple[Position, Position]:
    """Return the whole line with all its rows: the selection of a triple click."""
    return Position(position.line, 0), Position(position.line, len(lines[position.line]))
