"""A text with a cursor, a selection, and what can be undone. Pure: no screen, no clock, no file.

The cursor is always on the border of a character as people see it. Whoever keeps positions hears of every change.
"""

from __future__ import annotations

from collections.abc import Callable

from stt_tui import movement
from stt_tui.graphemes import border_at
from stt_tui.history import Edit, History, Kind
from stt_tui.lines import LF, START, Change, Lines, Position, end_of, pushed

Range = tuple[Position, Position]
Follow = Callable[[Change, str], None]  # hears of the change and the text that was put in


class Document:
    def __init__(self, text: str = "") -> None:
        self.lines = Lines(text)
        self._cursor = START
        self._anchor: Position | None = None  # the other end of the selection
        self._history = History()
        self._followers: list[Follow] = []

    @property
    def cursor(self) -> Position:
        return self._cursor

    @property
    def selection(self) -> Range | None:
        """What is selected, in order; None when it is nothing."""
        if self._anchor is None or self._anchor == self._cursor:
            return None
        return min(self._anchor, self._cursor), max(self._anchor, self._cursor)

    def follow(self, follower: Follow) -> None:
        """Call it after each change, before anything else happens."""
        self._followers.append(follower)

    def text(self) -> str:
        """Return the text as it is saved: each line with its own end."""
        return self.lines.text()

    def selected_text(self) -> str:
        return self.lines.between(*self.selection) if self.selection else ""

    # Moving

    def move(self, position: Position) -> None:
        self._go(position)
        self._anchor = None

    def extend(self, position: Position) -> None:
        """Move the cursor, and select from where it was, or on from where the selection began."""
        if self._anchor is None:
            self._anchor = self._cursor
        self._go(position)

    def select(self, anchor: Position, cursor: Position) -> None:
        self._go(cursor)
        self._anchor = self._on_border(anchor)

    def select_all(self) -> None:
        self.select(START, self.lines.end)

    def _go(self, position: Position) -> None:
        self._history.seal()
        self._cursor = self._on_border(position)

    # Changing

    def type(self, text: str) -> None:
        """Put in what was typed, in place of what is selected."""
        self._put(text, Kind.WHOLE if "\n" in text else Kind.TYPED)

    def paste(self, text: str) -> None:
        """The same in one step, however long."""
        self._put(text, Kind.WHOLE)

    def erase_before(self) -> None:
        """Remove what is selected, else the character before the cursor."""
        if self.selection:
            self._write(*self.selection, "", Kind.WHOLE)
        else:
            self._write(movement.left(self.lines, self._cursor), self._cursor, "", Kind.ERASED_BEFORE)

    def erase_after(self) -> None:
        """Remove what is selected, else the character after the cursor."""
        if self.selection:
            self._write(*self.selection, "", Kind.WHOLE)
        else:
            self._write(self._cursor, movement.right(self.lines, self._cursor), "", Kind.ERASED_AFTER)

    def insert(self, position: Position, text: str) -> None:
        """Put text in at any place, as one step. Cursor and selection stay with the text around them.

        A cursor right there comes after the text, unless it ends a selection, which would grow.
        """
        position = self._on_border(position)
        selected = self.selection
        change = self._change(position, position, text, Kind.WHOLE)
        stays = position if selected is not None and selected[1] == position else None
        self._cursor = self._after_insert(self._cursor, change, stays)
        if self._anchor is not None:
            self._anchor = self._after_insert(self._anchor, change, stays)

    def _after_insert(self, position: Position, change: Change, stays: Position | None) -> Position:
        """Return the border where the position is now; what was put in may have joined the character before it."""
        return self._on_border(position if position == stays else pushed(position, change))

    def replace_all(self, text: str) -> None:
        """Put another text in the place of all, as one step."""
        self._write(START, self.lines.end, text, Kind.WHOLE)

    def undo(self) -> bool:
        """Take back the last step; tell whether there was one."""
        edit = self._history.undo()
        if edit is not None:
            self._rewrite(edit.start, edit.inserted, edit.removed)
        return edit is not None

    def redo(self) -> bool:
        edit = self._history.redo()
        if edit is not None:
            self._rewrite(edit.start, edit.removed, edit.inserted)
        return edit is not None

    def _put(self, text: str, kind: Kind) -> None:
        """Put text in, in place of what is selected; its lines end as those around them."""
        if not text:
            return  # it was nothing but control characters: what is selected stays
        start, end = self.selection or (self._cursor, self._cursor)
        self._write(start, end, text.replace(LF, self.lines.end_at(start.line)), kind)

    def _write(self, start: Position, end: Position, text: str, kind: Kind) -> None:
        if start == end and not text:
            return
        change = self._change(start, end, text, kind)
        self._cursor = self._on_border(change.new_end)
        self._anchor = None

    def _rewrite(self, start: Position, old: str, new: str) -> None:
        change = self.lines.replace(start, end_of(start, old), new)
        self._tell(change, new)
        self._cursor = self._on_border(change.new_end)
        self._anchor = None

    def _change(self, start: Position, end: Position, text: str, kind: Kind) -> Change:
        self._history.record(Edit(start, self.lines.between(start, end), text, kind))
        change = self.lines.replace(start, end, text)
        self._tell(change, text)
        return change

    def _tell(self, change: Change, text: str) -> None:
        for follower in self._followers:
            follower(change, text)

    def _on_border(self, position: Position) -> Position:
        line, offset = self.lines.clamp(position)
        return Position(line, border_at(self.lines[line], offset))
