"""Where the cursor goes within the text: by character, word and line. Pure.

Up and down go by the rows on the screen, which `view.py` knows.
"""

from __future__ import annotations

from stt_tui.graphemes import border_after, border_at, border_before, is_word
from stt_tui.lines import Lines, Position


def left(lines: Lines, position: Position) -> Position:
    line, offset = position
    if offset > 0:
        return Position(line, border_before(lines[line], offset))
    return Position(line - 1, len(lines[line - 1])) if line > 0 else position


def right(lines: Lines, position: Position) -> Position:
    line, offset = position
    if offset < len(lines[line]):
        return Position(line, border_after(lines[line], offset))
    return Position(line + 1, 0) if line + 1 < len(lines) else position


def word_left(lines: Lines, position: Position) -> Position:
    """Return the start of the word before; at the start of a line the end of the one before."""
    line, offset = position
    if offset == 0:
        return left(lines, position)
    text = lines[line]
    while offset > 0 and not is_word(text, offset - 1):
        offset -= 1
    while offset > 0 and is_word(text, offset - 1):
        offset -= 1
    return Position(line, border_before(text, offset + 1))


def word_right(lines: Lines, position: Position) -> Position:
    """Return the start of the next word; at the end of a line the start of the next."""
    line, offset = position
    text = lines[line]
    if offset == len(text):
        return right(lines, position)
    while offset < len(text) and is_word(text, offset):
        offset += 1
    while offset < len(text) and not is_word(text, offset):
        offset += 1
    return Position(line, border_at(text, offset))


def word_around(lines: Lines, position: Position) -> tuple[Position, Position]:
    """Return the word at the position, or what stands there between words: what a double click selects."""
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
    return Position(line, border_before(text, start + 1)), Position(line, border_at(text, end))


def line_around(lines: Lines, position: Position) -> tuple[Position, Position]:
    """Return the whole line, over however many rows it is shown."""
    return Position(position.line, 0), Position(position.line, len(lines[position.line]))
