"""The part of the text that is on the screen: its rows, the cursor among them, scrolling, what a click means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from stt_tui.dictation import Dictation
from stt_tui.document import Document
from stt_tui.layout import Layout, Row, Spot
from stt_tui.lines import Change, Position

TOP = Row(0, 0)


class Style(Enum):
    PLAIN = auto()
    SELECTED = auto()
    GHOST = auto()


@dataclass(frozen=True, slots=True)
class Span:
    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class ScreenContent:
    """What is to be seen: a list of spans for each row of the screen, and the cursor's column and row."""

    rows: list[list[Span]]
    cursor: tuple[int, int] | None


class View:
    def __init__(self, document: Document, dictation: Dictation, columns: int = 80, height: int = 24) -> None:
        self._document = document
        self._dictation = dictation
        self._columns = columns
        self._height = height
        self._layout = Layout(document.lines, columns)
        self._top = TOP
        self._goal: int | None = None  # the column that up and down keep
        self._follows = True  # the cursor, until one looks elsewhere
        document.follow(self._shift)

    def resize(self, columns: int, height: int) -> None:
        """Lay out anew where the width has changed; the text at the top stays there."""
        if columns != self._columns:
            top = self._layout.position(Spot(self._valid(self._top), 0))
            self._columns = columns
            self._layout = Layout(self._document.lines, columns)
            self._layout.set_preedit(self._dictation.ghosts())
            self._top = self._layout.spot(top).row
        self._height = max(1, height)

    # Looking

    def picture(self) -> ScreenContent:
        """Return what is to be seen now, scrolled so that the cursor is among it."""
        self._layout.set_preedit(self._dictation.ghosts())
        self._top = self._valid(self._top)
        cursor = self._layout.spot(self._document.cursor)
        if self._follows:
            self._reveal_ghost()
            self._reveal(cursor.row)
        rows = self._visible()
        pictured = [self._spans(row) for row in rows]
        place = (cursor.column, rows.index(cursor.row)) if cursor.row in rows else None
        return ScreenContent(pictured + [[]] * (self._height - len(rows)), place)

    def scroll(self, rows: int) -> None:
        """Look further down, or up; the cursor stays where it is in the text."""
        self._follows = False
        step = self._layout.below if rows > 0 else self._layout.above
        for _ in range(abs(rows)):
            self._top = step(self._valid(self._top)) or self._top

    def follow(self) -> None:
        """Look at the cursor again."""
        self._follows = True

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

    def _reveal_ghost(self) -> None:
        """Show the end of what is being said after the cursor, which may then go out of sight."""
        end = self._layout.ghost_end(self._document.cursor)
        if end is not None:
            self._reveal(end)

    def _up(self, row: Row, rows: int) -> Row:
        for _ in range(rows):
            row = self._layout.above(row) or row
        return row

    def _valid(self, row: Row) -> Row:
        """Return the row, or the last one before it that there is."""
        last = len(self._document.lines) - 1
        if row.line > last:
            return self._layout.spot(self._document.lines.end).row
        while row.number > 0 and self._layout.range(row) is None:
            row = Row(row.line, row.number - 1)
        return row

    def _shift(self, change: Change, _text: str) -> None:
        if change.end.line < self._top.line:
            self._top = Row(self._top.line + change.new_end.line - change.end.line, self._top.number)
        self._layout.change(change, self._dictation.ghosts())

    # Drawing

    def _spans(self, row: Row) -> list[Span]:
        bounds = self._layout.range(row)
        assert bounds is not None
        text = self._layout.shown(row.line)
        ghosts = self._layout.ghost_ranges(row.line)
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
            return Style.GHOST
        return Style.SELECTED if selected[0] <= offset < selected[1] else Style.PLAIN

    def _selected(self, line: int, length: int) -> tuple[int, int]:
        """Return which part of the shown line is selected; beyond its end where its end is."""
        if self._document.selection is None:
            return 0, 0
        start, end = self._document.selection
        if not start.line <= line <= end.line:
            return 0, 0
        first = self._layout.shown_offset(start) if start.line == line else 0
        return first, self._layout.shown_offset(end) if end.line == line else length + 1

    # Going by rows

    def position_at(self, column: int, row: int) -> Position:
        """Return the position that a click there means."""
        rows = self._visible()
        if row < 0:
            return self._layout.position(Spot(self._layout.above(rows[0]) or rows[0], column))
        if row >= len(rows):
            below = self._layout.below(rows[-1]) if len(rows) == self._height else None
            return self._document.lines.end if below is None else self._layout.position(Spot(below, column))
        return self._layout.position(Spot(rows[row], column))

    def by_rows(self, rows: int) -> Position:
        """Return where the cursor goes by so many rows down, or up if negative, in the column where it set out."""
        spot = self._layout.spot(self._document.cursor)
        self._goal = spot.column if self._goal is None else self._goal
        row = spot.row
        step = self._layout.below if rows > 0 else self._layout.above
        for _ in range(abs(rows)):
            further = step(row)
            if further is None:
                return self._edge(rows)
            row = further
        return self._layout.position(Spot(row, self._goal))

    def by_page(self, pages: int) -> Position:
        """Scroll by pages, with one row of overlap; return where the cursor goes."""
        rows = max(1, self._height - 1) * pages
        step = self._layout.below if rows > 0 else self._layout.above
        for _ in range(abs(rows)):
            self._top = step(self._valid(self._top)) or self._top
        return self.by_rows(rows)

    def forget_column(self) -> None:
        """The cursor went elsewhere: up and down start from its column."""
        self._goal = None

    def row_start(self) -> Position:
        return self._layout.position(Spot(self._layout.spot(self._document.cursor).row, 0))

    def row_end(self) -> Position:
        return self._layout.position(Spot(self._layout.spot(self._document.cursor).row, self._columns))

    def _edge(self, rows: int) -> Position:
        """Beyond the first row is the start of the text, beyond the last one its end."""
        return self._document.lines.end if rows > 0 else Position(0, 0)
