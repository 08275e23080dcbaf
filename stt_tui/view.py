"""The visible part of the text: rows, cursor, scrolling, and the positions of clicks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from stt_tui.dictated_text import Dictation
from stt_tui.document import Document
from stt_tui.layout import Cell, Layout, Row
from stt_tui.lines import Change, Position

FIRST_ROW = Row(0, 0)


class Style(Enum):
    PLAIN = auto()
    SELECTED = auto()
    PREEDIT = auto()


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class ScreenContent:
    """The visible text: a list of spans for each row of the screen, and the column and row of the cursor."""

    rows: list[list[Span]]
    cursor: tuple[int, int] | None


class View:
    def __init__(self, document: Document, dictation: Dictation, columns: int = 80, height: int = 24) -> None:
        self._document = document
        self._dictation = dictation
        self._columns = columns
        self._height = height
        self._layout = Layout(document.lines, columns)
        self._top = FIRST_ROW
        self._goal_column: int | None = None  # the column that up and down return to
        self._follows_cursor = True  # until the user scrolls
        document.subscribe(self._on_change)

    def resize(self, columns: int, height: int) -> None:
        """Set the size of the screen; the text in the top row stays there."""
        if columns != self._columns:
            top = self._layout.position(Cell(self._valid(self._top), 0))
            self._columns = columns
            self._layout = Layout(self._document.lines, columns)
            self._layout.set_preedits(self._dictation.preedits())
            self._top = self._layout.cell(top).row
        self._height = max(1, height)

    # Scrolling

    def content(self) -> ScreenContent:
        """Return the visible text, scrolled to the cursor unless the user has scrolled away."""
        self._layout.set_preedits(self._dictation.preedits())
        self._top = self._valid(self._top)
        cursor = self._layout.cell(self._document.cursor)
        if self._follows_cursor:
            self._reveal_preedit()
            self._reveal(cursor.row)
        rows = self._visible()
        spans = [self._spans(row) for row in rows]
        cursor_cell = (cursor.column, rows.index(cursor.row)) if cursor.row in rows else None
        return ScreenContent(spans + [[]] * (self._height - len(rows)), cursor_cell)

    def scroll(self, rows: int) -> None:
        """Scroll down, or up if negative; the cursor stays at its position in the text."""
        self._follows_cursor = False
        step = self._layout.below if rows > 0 else self._layout.above
        for _ in range(abs(rows)):
            self._top = step(self._valid(self._top)) or self._top

    def follow_cursor(self) -> None:
        """Scroll to the cursor again from now on."""
        self._follows_cursor = True

    def _visible(self) -> list[Row]:
        rows, row = list[Row](), self._top
        while len(rows) < self._height:
            rows.append(row)
            below = self._layout.below(row)
            if below is None:
                break
            row = below
        return rows

    def _reveal(self, row: Row) -> None:
        if row < self._top:
            self._top = row
        elif row not in self._visible():
            self._top = self._up(row, self._height - 1)

    def _reveal_preedit(self) -> None:
        """Show the end of the preedits after the cursor; the start of long ones may scroll off the screen."""
        end = self._layout.preedit_end(self._document.cursor)
        if end is not None:
            self._reveal(end)

    def _up(self, row: Row, rows: int) -> Row:
        for _ in range(rows):
            row = self._layout.above(row) or row
        return row

    def _valid(self, row: Row) -> Row:
        """Return the row, or the last existing row before it."""
        last = len(self._document.lines) - 1
        if row.line > last:
            return self._layout.cell(self._document.lines.end).row
        while row.number > 0 and self._layout.range(row) is None:
            row = Row(row.line, row.number - 1)
        return row

    def _on_change(self, change: Change, _text: str) -> None:
        if change.end.line < self._top.line:
            self._top = Row(self._top.line + change.new_end.line - change.end.line, self._top.number)
        self._layout.apply_change(change, self._dictation.preedits())

    # Drawing

    def _spans(self, row: Row) -> list[Span]:
        bounds = self._layout.range(row)
        assert bounds is not None
        text = self._layout.shown_line(row.line)
        ghosts = self._layout.preedit_ranges(row.line)
        selected = self._selected(row.line, len(text))
        cuts = {*bounds, *(cut for pair in [*ghosts, selected] for cut in pair if bounds[0] < cut < bounds[1])}
        spans, ordered = list[Span](), sorted(cuts)
        for start, end in pairwise(ordered):
            spans.append(Span(text[start:end], self._style(start, ghosts, selected)))
        if selected[0] <= len(text) < selected[1] and bounds[1] == len(text):
            spans.append(Span(" ", Style.SELECTED))  # the end of the line is selected too
        return spans

    def _style(self, offset: int, ghosts: list[tuple[int, int]], selected: tuple[int, int]) -> Style:
        if any(start <= offset < end for start, end in ghosts):
            return Style.PREEDIT
        return Style.SELECTED if selected[0] <= offset < selected[1] else Style.PLAIN

    def _selected(self, line: int, length: int) -> tuple[int, int]:
        """Return the selected range of the shown line; it goes past the line if the line end is selected."""
        if self._document.selection is None:
            return 0, 0
        start, end = self._document.selection
        if not start.line <= line <= end.line:
            return 0, 0
        first = self._layout.shown_offset(start) if start.line == line else 0
        return first, self._layout.shown_offset(end) if end.line == line else length + 1

    # Movement by rows

    def position_at(self, column: int, row: int) -> Position:
        """Return the position of a click; cells above and below the screen are the next hidden rows."""
        rows = self._visible()
        if row < 0:
            return self._layout.position(Cell(self._layout.above(rows[0]) or rows[0], column))
        if row >= len(rows):
            below = self._layout.below(rows[-1]) if len(rows) == self._height else None
            return self._document.lines.end if below is None else self._layout.position(Cell(below, column))
        return self._layout.position(Cell(rows[row], column))

    def rows_away(self, rows: int) -> Position:
        """Return the position so many rows below the cursor, or above if negative, in its original column."""
        spot = self._layout.cell(self._document.cursor)
        self._goal_column = spot.column if self._goal_column is None else self._goal_column
        row = spot.row
        step = self._layout.below if rows > 0 else self._layout.above
        for _ in range(abs(rows)):
            next_row = step(row)
            if next_row is None:
                return self._edge(rows)
            row = next_row
        return self._layout.position(Cell(row, self._goal_column))

    def pages_away(self, pages: int) -> Position:
        """Scroll by pages, with one row of overlap; return the new cursor position."""
        rows = max(1, self._height - 1) * pages
        step = self._layout.below if rows > 0 else self._layout.above
        for _ in range(abs(rows)):
            self._top = step(self._valid(self._top)) or self._top
        return self.rows_away(rows)

    def forget_column(self) -> None:
        """Make up and down start from the column of the cursor again."""
        self._goal_column = None

    def row_start(self) -> Position:
        return self._layout.position(Cell(self._layout.cell(self._document.cursor).row, 0))

    def row_end(self) -> Position:
        return self._layout.position(Cell(self._layout.cell(self._document.cursor).row, self._columns))

    def _edge(self, rows: int) -> Position:
        """Return the start of the text for a move above the first row, its end for a move below the last one."""
        return self._document.lines.end if rows > 0 else Position(0, 0)
