"""A text with a cursor, a selection and an undo history. Pure: no screen, no clock, no file.

The cursor is always on a grapheme boundary. Objects that store positions subscribe to changes.
"""

from __future__ import annotations

from collections.abc import Callable

from stt_tui import movement
from stt_tui.graphemes import boundary_at
from stt_tui.history import Edit, History, Kind
from stt_tui.lines import LF, START, Change, Lines, Position, end_of, map_position_past

Range = tuple[Position, Position]
ChangeListener = Callable[[Change, str], None]  # receives the change and the inserted text


class Document:
    def __init__(self, text: str = "") -> None:
        self.lines = Lines(text)
        self._cursor = START
        self._anchor: Position | None = None  # the other end of the selection
        self._history = History()
        self._listeners: list[ChangeListener] = []

    @property
    def cursor(self) -> Position:
        return self._cursor

    @property
    def selection(self) -> Range | None:
        """Start and end of the selection; None if it is empty."""
        if self._anchor is None or self._anchor == self._cursor:
            return None
        return min(self._anchor, self._cursor), max(self._anchor, self._cursor)

    def subscribe(self, listener: ChangeListener) -> None:
        """Call the listener after each change, before the cursor is updated."""
        self._listeners.append(listener)

    def text(self) -> str:
        """Return the text as it is saved: each line with its own line end."""
        return self.lines.text()

    def selected_text(self) -> str:
        return self.lines.between(*self.selection) if self.selection else ""

    # Moving

    def move(self, position: Position) -> None:
        self._set_cursor(position)
        self._anchor = None

    def extend(self, position: Position) -> None:
        """Move the cursor and extend the selection, which starts at the old cursor if it was empty."""
        if self._anchor is None:
            self._anchor = self._cursor
        self._set_cursor(position)

    def select(self, anchor: Position, cursor: Position) -> None:
        self._set_cursor(cursor)
        self._anchor = self._on_boundary(anchor)

    def select_all(self) -> None:
        self.select(START, self.lines.end)

    def _set_cursor(self, position: Position) -> None:
        self._history.seal()
        self._cursor = self._on_boundary(position)

    # Changing

    def type(self, text: str) -> None:
        """Insert typed text in place of the selection."""
        self._insert_at_selection(text, Kind.WHOLE if "\n" in text else Kind.TYPED)

    def paste(self, text: str) -> None:
        """Insert text in place of the selection, as one undo step."""
        self._insert_at_selection(text, Kind.WHOLE)

    def delete_before(self) -> None:
        """Delete the selection, or the character before the cursor."""
        if self.selection:
            self._replace(*self.selection, "", Kind.WHOLE)
        else:
            self._replace(movement.left(self.lines, self._cursor), self._cursor, "", Kind.DELETED_BEFORE)

    def delete_after(self) -> None:
        """Delete the selection, or the character after the cursor."""
        if self.selection:
            self._replace(*self.selection, "", Kind.WHOLE)
        else:
            self._replace(self._cursor, movement.right(self.lines, self._cursor), "", Kind.DELETED_AFTER)

    def insert(self, position: Position, text: str) -> None:
        """Insert text at any position, as one undo step. Cursor and selection stay with the text around them.

        A cursor at the position moves after the text, unless it ends a selection, which would grow.
        """
        position = self._on_boundary(position)
        selected = self.selection
        change = self._record_change(position, position, text, Kind.WHOLE)
        stays = position if selected is not None and selected[1] == position else None
        self._cursor = self._after_insert(self._cursor, change, stays)
        if self._anchor is not None:
            self._anchor = self._after_insert(self._anchor, change, stays)

    def _after_insert(self, position: Position, change: Change, stays: Position | None) -> Position:
        """Return the mapped position on a boundary; the inserted text may have joined the grapheme before it."""
        return self._on_boundary(position if position == stays else map_position_past(position, change))

    def replace_all(self, text: str) -> None:
        """Replace the whole text, as one undo step."""
        self._replace(START, self.lines.end, text, Kind.WHOLE)

    def undo(self) -> bool:
        """Undo the last step; return whether there was one."""
        edit = self._history.undo()
        if edit is not None:
            self._apply(edit.start, edit.inserted, edit.removed)
        return edit is not None

    def redo(self) -> bool:
        edit = self._history.redo()
        if edit is not None:
            self._apply(edit.start, edit.removed, edit.inserted)
        return edit is not None

    def _insert_at_selection(self, text: str, kind: Kind) -> None:
        """Replace the selection by the text, whose line ends become those of the surrounding lines."""
        if not text:
            return  # the text had only control characters: the selection stays
        start, end = self.selection or (self._cursor, self._cursor)
        self._replace(start, end, text.replace(LF, self.lines.end_at(start.line)), kind)

    def _replace(self, start: Position, end: Position, text: str, kind: Kind) -> None:
        if start == end and not text:
            return
        change = self._record_change(start, end, text, kind)
        self._cursor = self._on_boundary(change.new_end)
        self._anchor = None

    def _apply(self, start: Position, old: str, new: str) -> None:
        change = self.lines.replace(start, end_of(start, old), new)
        self._notify(change, new)
        self._cursor = self._on_boundary(change.new_end)
        self._anchor = None

    def _record_change(self, start: Position, end: Position, text: str, kind: Kind) -> Change:
        self._history.record(Edit(start, self.lines.between(start, end), text, kind))
        change = self.lines.replace(start, end, text)
        self._notify(change, text)
        return change

    def _notify(self, change: Change, text: str) -> None:
        for follower in self._listeners:
            follower(change, text)

    def _on_boundary(self, position: Position) -> Position:
        line, offset = self.lines.clamp(position)
        return Position(line, boundary_at(self.lines[line], offset))
