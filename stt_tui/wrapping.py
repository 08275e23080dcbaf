"""Cuts a line into the rows of a screen, at the borders of words. Pure.

Rows are found from the line's start on, only as far as somebody looks, and kept: a key in a line of a million
characters costs the rows it changes that are on the screen.
"""

from __future__ import annotations

from bisect import bisect_right

from wcwidth import iter_graphemes

from stt_tui.graphemes import SIMPLE, border_after, columns_of


def next_row(text: str, start: int, columns: int) -> int:
    """Return where the row ends that begins at `start`, and the next one begins.

    Text takes at most `columns`; a space that ends the row may stand one column further.
    """
    reach = start + columns + 1
    if SIMPLE.fullmatch(text, start, reach + 1):
        if len(text) < reach:
            return len(text)
        space = text.rfind(" ", start, reach)
        return space + 1 if space >= 0 else reach - 1
    return _next_row(text, start, columns)


def _next_row(text: str, start: int, columns: int) -> int:
    """Do the same character by character. Beside a wide one, as in Chinese, a row may end too."""
    filled, offset, may_end = 0, start, 0
    for character in iter_graphemes(text[start : start + 8 * columns + 256]):
        width = columns_of(character)
        if width == 2 and filled + width <= columns + 1 and offset > start:
            may_end = offset
        if filled + width > columns + (character == " "):
            return may_end or max(offset, border_after(text, start))
        filled += width
        offset += len(character)
        if character == " " or width == 2:
            may_end = offset
    return offset if offset == len(text) else (may_end or offset)


class Rows:
    """The rows of one line; each begins where the one before ends."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._starts = [0]
        self._is_whole = False

    def cut(self, offset: int) -> None:
        """Forget the rows that a change of the text from `offset` on may change."""
        row = max(0, bisect_right(self._starts, offset) - 2)  # a shorter word may go back to the row before
        del self._starts[row + 1 :]
        self._is_whole = False

    def count(self, text: str) -> int:
        self._find(text, len(text) + 1)
        return len(self._starts)

    def row_at(self, text: str, offset: int) -> int:
        """Return the row that the offset is on; where two meet, the second."""
        self._find(text, offset)
        return bisect_right(self._starts, offset) - 1

    def range(self, text: str, row: int) -> tuple[int, int] | None:
        """Return where the row begins and ends; None if there is none."""
        while len(self._starts) <= row + 1 and not self._is_whole:
            self._find_one(text)
        if row >= len(self._starts):
            return None
        return self._starts[row], self._starts[row + 1] if row + 1 < len(self._starts) else len(text)

    def _find(self, text: str, offset: int) -> None:
        while not self._is_whole and self._starts[-1] <= offset:
            self._find_one(text)

    def _find_one(self, text: str) -> None:
        end = next_row(text, self._starts[-1], self._columns)
        if end >= len(text):
            self._is_whole = True
        else:
            self._starts.append(end)
