"""The rows of all lines on the screen, with preedits among them. Pure.

A preedit is displayed within the text and is not part of it: no position is inside a preedit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wcwidth import iter_graphemes

from stt_tui.graphemes import boundary_at, boundary_before, columns_of, text_columns
from stt_tui.lines import Change, Lines, Position
from stt_tui.wrapping import Rows


class Preedit(NamedTuple):
    """A partial in display: text that is not part of the document yet."""

    at: Position
    text: str


class Row(NamedTuple):
    """One row of a line: its number counts from the start of the line."""

    line: int
    number: int


class Cell(NamedTuple):
    row: Row
    column: int


class Layout:
    def __init__(self, lines: Lines, columns: int) -> None:
        """Lay out the lines for a screen with so many columns; the last one is reserved for the cursor and spaces."""
        self._lines = lines
        self._columns = max(1, columns - 1)
        self._rows: list[Rows | None] = [None] * len(lines)
        self._preedits: tuple[Preedit, ...] = ()
        self._shown_lines: dict[int, str] = {}  # lines that have preedits

    def apply_change(self, change: Change, preedits: Sequence[Preedit]) -> None:
        """Update the rows after a change of the text; `preedits` have the positions after it."""
        self._invalidate(self._preedits)
        first = self._rows[change.start.line]
        if first is not None:
            first.invalidate_from(change.start.offset)
        added = [None] * (change.new_end.line - change.start.line)
        self._rows[change.start.line : change.end.line + 1] = [first, *added]
        self._preedits = tuple(preedits)
        self._invalidate(self._preedits)

    def set_preedits(self, preedits: Sequence[Preedit]) -> None:
        """Replace the preedits; they are in the order of their positions."""
        if self._preedits != tuple(preedits):
            self._invalidate(self._preedits)
            self._preedits = tuple(preedits)
            self._invalidate(self._preedits)

    def _invalidate(self, preedits: Sequence[Preedit]) -> None:
        for preedit in preedits:
            rows = self._rows[preedit.at.line]
            if rows is not None:
                rows.invalidate_from(preedit.at.offset)
            self._shown_lines.pop(preedit.at.line, None)

    # Rows

    def shown_line(self, line: int) -> str:
        """Return the line with its preedits."""
        if not any(preedit.at.line == line for preedit in self._preedits):
            return self._lines[line]
        if line not in self._shown_lines:
            self._shown_lines[line] = self._with_preedits(line)
        return self._shown_lines[line]

    def _with_preedits(self, line: int) -> str:
        text, segments, end = self._lines[line], list[str](), 0
        for preedit in self._preedits_on(line):
            segments += [text[end : preedit.at.offset], preedit.text]
            end = preedit.at.offset
        return "".join([*segments, text[end:]])

    def _preedits_on(self, line: int) -> list[Preedit]:
        return [preedit for preedit in self._preedits if preedit.at.line == line]

    def preedit_ranges(self, line: int) -> list[tuple[int, int]]:
        """Return the offsets of the preedits in the shown line."""
        ranges, before = list[tuple[int, int]](), 0
        for preedit in self._preedits_on(line):
            ranges.append((preedit.at.offset + before, preedit.at.offset + before + len(preedit.text)))
            before += len(preedit.text)
        return ranges

    def preedit_end(self, position: Position) -> Row | None:
        """Return the row where the line's last preedit ends; None if there is none at or after the position."""
        preedits, ranges = self._preedits_on(position.line), self.preedit_ranges(position.line)
        if not preedits or preedits[-1].at < position:
            return None
        number = self._rows_of(position.line).row_at(self.shown_line(position.line), ranges[-1][1])
        return Row(position.line, number)

    def range(self, row: Row) -> tuple[int, int] | None:
        """Return the start and end of the row in the shown line; None if the line has no such row."""
        return self._rows_of(row.line).range(self.shown_line(row.line), row.number)

    def below(self, row: Row) -> Row | None:
        if self.range(Row(row.line, row.number + 1)) is not None:
            return Row(row.line, row.number + 1)
        return Row(row.line + 1, 0) if row.line + 1 < len(self._lines) else None

    def above(self, row: Row) -> Row | None:
        if row.number > 0:
            return Row(row.line, row.number - 1)
        if row.line == 0:
            return None
        return Row(row.line - 1, self._rows_of(row.line - 1).count(self.shown_line(row.line - 1)) - 1)

    def _rows_of(self, line: int) -> Rows:
        rows = self._rows[line]
        if rows is None:
            rows = self._rows[line] = Rows(self._columns)
        return rows

    # Positions

    def shown_offset(self, position: Position) -> int:
        """Return the position's offset in the shown line; a position at a preedit is before it."""
        preedits = self._preedits_on(position.line)
        return position.offset + sum(len(preedit.text) for preedit in preedits if preedit.at.offset < position.offset)

    def cell(self, position: Position) -> Cell:
        """Return the row and column of the position."""
        text, offset = self.shown_line(position.line), self.shown_offset(position)
        number = self._rows_of(position.line).row_at(text, offset)
        row = Row(position.line, number)
        bounds = self.range(row)
        assert bounds is not None
        return Cell(row, text_columns(text[bounds[0] : offset]))

    def position(self, cell: Cell) -> Position:
        """Return the grapheme boundary that is nearest to the cell, on its row."""
        bounds = self.range(cell.row)
        if bounds is None:
            return self._lines.end
        text = self.shown_line(cell.row.line)
        offset = self._offset(text, bounds, cell.column)
        return Position(
            cell.row.line, boundary_at(self._lines[cell.row.line], self._text_offset(cell.row.line, offset))
        )

    def _offset(self, text: str, bounds: tuple[int, int], column: int) -> int:
        start, end = bounds
        last = end if end == len(text) else boundary_before(text, end)  # the end itself is on the next row
        offset, filled = start, 0
        for character in iter_graphemes(text[start:last]):
            width = columns_of(character)
            if filled + (width + 1) // 2 > column:
                break
            filled += width
            offset += len(character)
        return offset

    def _text_offset(self, line: int, offset: int) -> int:
        """Return the offset in the document; an offset inside a preedit maps to the position of the preedit."""
        before = 0
        for preedit in self._preedits_on(line):
            start = preedit.at.offset + before
            if offset <= start:
                break
            if offset <= start + len(preedit.text):
                return preedit.at.offset
            before += len(preedit.text)
        return offset - before
