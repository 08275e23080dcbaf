"""Word wrap: splits a line into the rows of a screen. Pure.

Rows are computed from the start of the line, only as far as needed, and cached: a key in a line of a million
characters recomputes only the changed rows on the screen.
"""

from __future__ import annotations

from bisect import bisect_right

from wcwidth import iter_graphemes

from stt_tui.graphemes import SIMPLE, boundary_after, columns_of


def next_row(text: str, start: int, columns: int) -> int:
    """Return the end of the row that starts at `start`, which is the start of the next row.

    Text takes at most `columns`; a space at the end of the row may take one more.
    """
    reach = start + columns + 1
    if SIMPLE.fullmatch(text, start, reach + 1):
        if len(text) < reach:
            return len(text)
        space = text.rfind(" ", start, reach)
        return space + 1 if space >= 0 else reach - 1
    return _next_row_of_graphemes(text, start, columns)


def _next_row_of_graphemes(text: str, start: int, columns: int) -> int:
    """Return the same, character by character. A row may also end next to a wide character, as in Chinese."""
    filled, offset, may_end = 0, start, 0
    for character in iter_graphemes(text[start : start + 8 * columns + 256]):
        width = columns_of(character)
        if width == 2 and filled + width <= columns + 1 and offset > start:
            may_end = offset
        if filled + width > columns + (character == " "):
            return may_end or max(offset, boundary_after(text, start))
        filled += width
        offset += len(character)
        if character == " " or width == 2:
            may_end = offset
    return offset if offset == len(text) else (may_end or offset)


class Rows:
    """The rows of one line; each starts at the end of the previous one."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._starts = [0]
        self._is_whole = False

    def invalidate_from(self, offset: int) -> None:
        """Discard the rows that a change of the text at `offset` can affect."""
        row = max(0, bisect_right(self._starts, offset) - 2)  # a shorter word may fit into the previous row
        del self._starts[row + 1 :]
        self._is_whole = False

    def count(self, text: str) -> int:
        self._find_through(text, len(text) + 1)
        return len(self._starts)

    def row_at(self, text: str, offset: int) -> int:
        """Return the row of the offset; a boundary between two rows belongs to the second."""
        self._find_through(text, offset)
        return bisect_right(self._starts, offset) - 1

    def range(self, text: str, row: int) -> tuple[int, int] | None:
        """Return the start and end of the row; None if it does not exist."""
        while len(self._starts) <= row + 1 and not self._is_whole:
            self._find_next(text)
        if row >= len(self._starts):
            return None
        return self._starts[row], self._starts[row + 1] if row + 1 < len(self._starts) else len(text)

    def _find_through(self, text: str, offset: int) -> None:
        while not self._is_whole and self._starts[-1] <= offset:
            self._find_next(text)

    def _find_next(self, text: str) -> None:
        end = next_row(text, self._starts[-1], self._columns)
        if end >= len(text):
            self._is_whole = True
        else:
            self._starts.append(end)
