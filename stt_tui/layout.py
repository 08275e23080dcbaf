"""Where each piece of the text stands on the screen: rows of all lines, with what is being said among them. Pure.

What is being said, a ghost, is shown in the text and is no part of it: no position lies inside of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wcwidth import iter_graphemes

from stt_tui.graphemes import border_at, border_before, columns_of, text_columns
from stt_tui.lines import Change, Lines, Position
from stt_tui.wrapping import Rows


class Preedit(NamedTuple):
    at: Position
    text: str


class Row(NamedTuple):
    """One of the rows that a line is shown on."""

    line: int
    number: int


class Spot(NamedTuple):
    row: Row
    column: int


class Layout:
    def __init__(self, lines: Lines, columns: int) -> None:
        """Lay the lines out on a screen of so many columns; the last is left to the cursor and to spaces."""
        self._lines = lines
        self._columns = max(1, columns - 1)
        self._rows: list[Rows | None] = [None] * len(lines)
        self._ghosts: tuple[Preedit, ...] = ()
        self._shown: dict[int, str] = {}  # lines that have ghosts

    def change(self, change: Change, ghosts: Sequence[Preedit]) -> None:
        """Take over a change of the text, and where the ghosts are after it."""
        self._forget(self._ghosts)
        first = self._rows[change.start.line]
        if first is not None:
            first.cut(change.start.offset)
        added = [None] * (change.new_end.line - change.start.line)
        self._rows[change.start.line : change.end.line + 1] = [first, *added]
        self._ghosts = tuple(ghosts)
        self._forget(self._ghosts)

    def set_preedit(self, ghosts: Sequence[Preedit]) -> None:
        """Show these ghosts, in the order of their positions, instead of those before."""
        if self._ghosts != tuple(ghosts):
            self._forget(self._ghosts)
            self._ghosts = tuple(ghosts)
            self._forget(self._ghosts)

    def _forget(self, ghosts: Sequence[Preedit]) -> None:
        for ghost in ghosts:
            rows = self._rows[ghost.at.line]
            if rows is not None:
                rows.cut(ghost.at.offset)
            self._shown.pop(ghost.at.line, None)

    # Rows

    def shown(self, line: int) -> str:
        """Return the line with its ghosts."""
        if not any(ghost.at.line == line for ghost in self._ghosts):
            return self._lines[line]
        if line not in self._shown:
            self._shown[line] = self._with_ghosts(line)
        return self._shown[line]

    def _with_ghosts(self, line: int) -> str:
        text, pieces, end = self._lines[line], list[str](), 0
        for ghost in self._ghosts_on(line):
            pieces += [text[end : ghost.at.offset], ghost.text]
            end = ghost.at.offset
        return "".join([*pieces, text[end:]])

    def _ghosts_on(self, line: int) -> list[Preedit]:
        return [ghost for ghost in self._ghosts if ghost.at.line == line]

    def ghost_ranges(self, line: int) -> list[tuple[int, int]]:
        """Return where in the shown line the ghosts are."""
        ranges, before = list[tuple[int, int]](), 0
        for ghost in self._ghosts_on(line):
            ranges.append((ghost.at.offset + before, ghost.at.offset + before + len(ghost.text)))
            before += len(ghost.text)
        return ranges

    def ghost_end(self, position: Position) -> Row | None:
        """Return the row on which the last ghost ends that is on the position's line, and not before it."""
        ghosts, ranges = self._ghosts_on(position.line), self.ghost_ranges(position.line)
        if not ghosts or ghosts[-1].at < position:
            return None
        number = self._rows_of(position.line).row_at(self.shown(position.line), ranges[-1][1])
        return Row(position.line, number)

    def range(self, row: Row) -> tuple[int, int] | None:
        """Return which part of the shown line is on the row; None if the line has no such row."""
        return self._rows_of(row.line).range(self.shown(row.line), row.number)

    def below(self, row: Row) -> Row | None:
        if self.range(Row(row.line, row.number + 1)) is not None:
            return Row(row.line, row.number + 1)
        return Row(row.line + 1, 0) if row.line + 1 < len(self._lines) else None

    def above(self, row: Row) -> Row | None:
        if row.number > 0:
            return Row(row.line, row.number - 1)
        if row.line == 0:
            return None
        return Row(row.line - 1, self._rows_of(row.line - 1).count(self.shown(row.line - 1)) - 1)

    def _rows_of(self, line: int) -> Rows:
        rows = self._rows[line]
        if rows is None:
            rows = self._rows[line] = Rows(self._columns)
        return rows

    # Positions

    def shown_offset(self, position: Position) -> int:
        """Return where in the shown line the position is; one at a ghost is before it."""
        before = (len(ghost.text) for ghost in self._ghosts_on(position.line) if ghost.at.offset < position.offset)
        return position.offset + sum(before)

    def spot(self, position: Position) -> Spot:
        """Return where on the screen the position is."""
        text, offset = self.shown(position.line), self.shown_offset(position)
        number = self._rows_of(position.line).row_at(text, offset)
        row = Row(position.line, number)
        bounds = self.range(row)
        assert bounds is not None
        return Spot(row, text_columns(text[bounds[0] : offset]))

    def position(self, spot: Spot) -> Position:
        """Return the border of a character that is nearest to the spot, on its row."""
        bounds = self.range(spot.row)
        if bounds is None:
            return self._lines.end
        text = self.shown(spot.row.line)
        offset = self._offset(text, bounds, spot.column)
        return Position(spot.row.line, border_at(self._lines[spot.row.line], self._text_offset(spot.row.line, offset)))

    def _offset(self, text: str, bounds: tuple[int, int], column: int) -> int:
        start, end = bounds
        last = end if end == len(text) else border_before(text, end)  # the end itself is on the next row
        offset, filled = start, 0
        for character in iter_graphemes(text[start:last]):
            width = columns_of(character)
            if filled + (width + 1) // 2 > column:
                break
            filled += width
            offset += len(character)
        return offset

    def _text_offset(self, line: int, offset: int) -> int:
        """Return the offset in the text itself; inside a ghost it is where the ghost is."""
        before = 0
        for ghost in self._ghosts_on(line):
            start = ghost.at.offset + before
            if offset <= start:
                break
            if offset <= start + len(ghost.text):
                return ghost.at.offset
            before += len(ghost.text)
        return offset - before
