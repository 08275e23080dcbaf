"""The editor without a screen: document, dictation and view under one hand, by commands, text and mouse. Pure."""

from __future__ import annotations

from collections.abc import Callable

from stt_tui import movement
from stt_tui.dictation import Dictation
from stt_tui.document import Document
from stt_tui.graphemes import without_controls
from stt_tui.keys import Command
from stt_tui.lines import START, Position
from stt_tui.view import ScreenContent, View

WHEEL_ROWS = 3


class Editor:
    def __init__(self, text: str = "") -> None:
        self.document = Document(text)
        self.dictation = Dictation(self.document)
        self._view = View(self.document, self.dictation)
        self._moves: dict[Command, Callable[[], Position]] = {
            Command.LEFT: self._left,
            Command.RIGHT: self._right,
            Command.WORD_LEFT: lambda: movement.word_left(self.document.lines, self.document.cursor),
            Command.WORD_RIGHT: lambda: movement.word_right(self.document.lines, self.document.cursor),
            Command.UP: lambda: self._view.by_rows(-1),
            Command.DOWN: lambda: self._view.by_rows(1),
            Command.PAGE_UP: lambda: self._view.by_page(-1),
            Command.PAGE_DOWN: lambda: self._view.by_page(1),
            Command.ROW_START: self._view.row_start,
            Command.ROW_END: self._view.row_end,
            Command.TEXT_START: lambda: START,
            Command.TEXT_END: lambda: self.document.lines.end,
        }
        self._changes: dict[Command, Callable[[], object]] = {
            Command.BREAK_LINE: lambda: self.document.type("\n"),
            Command.TAB: lambda: self.document.type("\t"),
            Command.ERASE_BEFORE: self.document.erase_before,
            Command.ERASE_AFTER: self.document.erase_after,
            Command.UNDO: self.document.undo,
            Command.REDO: self.document.redo,
        }

    def picture(self, columns: int, rows: int) -> ScreenContent:
        """Return what a screen of that size shows."""
        self._view.resize(columns, rows)
        return self._view.picture()

    # Keys

    def type(self, text: str) -> None:
        self.document.type(without_controls(text))
        self._moved()

    def paste(self, text: str) -> None:
        """Put in the text as one step, unchanged but for control characters."""
        self.document.paste(without_controls(text.replace("\r\n", "\n").replace("\r", "\n")))
        self._moved()

    def change(self, command: Command) -> None:
        self._changes[command]()
        self._moved()

    def move(self, command: Command) -> None:
        selection = self.document.selection
        if selection and command in (Command.LEFT, Command.RIGHT):
            self.document.move(selection[command is Command.RIGHT])
        else:
            self.document.move(self._moves[command]())
        self._steered(command)

    def extend(self, command: Command) -> None:
        self.document.extend(self._moves[command]())
        self._steered(command)

    def select_all(self) -> None:
        self.document.select_all()
        self._moved()

    # Mouse

    def point(self, column: int, row: int) -> None:
        """Put the cursor there."""
        self.document.move(self._view.position_at(column, row))
        self._pointed()

    def drag(self, column: int, row: int) -> None:
        """Select from where the mouse went down to there."""
        self.document.extend(self._view.position_at(column, row))
        self._pointed()

    def select_word(self, column: int, row: int) -> None:
        self.document.select(*movement.word_around(self.document.lines, self._view.position_at(column, row)))
        self._pointed()

    def select_line(self, column: int, row: int) -> None:
        self.document.select(*movement.line_around(self.document.lines, self._view.position_at(column, row)))
        self._pointed()

    def scroll(self, notches: int) -> None:
        """Look further down, or up if negative."""
        self._view.scroll(notches * WHEEL_ROWS)

    def _left(self) -> Position:
        return movement.left(self.document.lines, self.document.cursor)

    def _right(self) -> Position:
        return movement.right(self.document.lines, self.document.cursor)

    def _moved(self) -> None:
        self._view.forget_column()
        self._view.follow()

    def _steered(self, command: Command) -> None:
        """The cursor was moved, by other than a change: dictation goes on there."""
        if command not in (Command.UP, Command.DOWN, Command.PAGE_UP, Command.PAGE_DOWN):
            self._view.forget_column()
        self._view.follow()
        self.dictation.follow_cursor()

    def _pointed(self) -> None:
        self._moved()
        self.dictation.follow_cursor()
