"""The editor without a screen: commands, text and mouse events applied to document, dictation and view. Pure."""

from __future__ import annotations

from collections.abc import Callable

from stt_tui import movement
from stt_tui.dictated_text import Dictation
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
            Command.UP: lambda: self._view.rows_away(-1),
            Command.DOWN: lambda: self._view.rows_away(1),
            Command.PAGE_UP: lambda: self._view.pages_away(-1),
            Command.PAGE_DOWN: lambda: self._view.pages_away(1),
            Command.ROW_START: self._view.row_start,
            Command.ROW_END: self._view.row_end,
            Command.TEXT_START: lambda: START,
            Command.TEXT_END: lambda: self.document.lines.end,
        }
        self._edits: dict[Command, Callable[[], object]] = {
            Command.NEW_LINE: lambda: self.document.type("\n"),
            Command.TAB: lambda: self.document.type("\t"),
            Command.DELETE_BEFORE: self.document.delete_before,
            Command.DELETE_AFTER: self.document.delete_after,
            Command.UNDO: self.document.undo,
            Command.REDO: self.document.redo,
        }

    def content(self, columns: int, rows: int) -> ScreenContent:
        """Return the content of a screen of that size."""
        self._view.resize(columns, rows)
        return self._view.content()

    # Keys

    def type(self, text: str) -> None:
        self.document.type(without_controls(text))
        self._after_edit()

    def paste(self, text: str) -> None:
        """Insert the text as one undo step, without control characters and with LF line ends."""
        self.document.paste(without_controls(text.replace("\r\n", "\n").replace("\r", "\n")))
        self._after_edit()

    def edit(self, command: Command) -> None:
        self._edits[command]()
        self._after_edit()

    def move(self, command: Command) -> None:
        selection = self.document.selection
        if selection and command in (Command.LEFT, Command.RIGHT):
            self.document.move(selection[command is Command.RIGHT])
        else:
            self.document.move(self._moves[command]())
        self._after_move(command)

    def extend(self, command: Command) -> None:
        self.document.extend(self._moves[command]())
        self._after_move(command)

    def select_all(self) -> None:
        self.document.select_all()
        self._after_edit()

    # Mouse

    def point(self, column: int, row: int) -> None:
        """Move the cursor to the cell."""
        self.document.move(self._view.position_at(column, row))
        self._after_click()

    def drag(self, column: int, row: int) -> None:
        """Select from the cell where the button was pressed to this one."""
        self.document.extend(self._view.position_at(column, row))
        self._after_click()

    def select_word(self, column: int, row: int) -> None:
        self.document.select(*movement.word_around(self.document.lines, self._view.position_at(column, row)))
        self._after_click()

    def select_line(self, column: int, row: int) -> None:
        self.document.select(*movement.line_around(self.document.lines, self._view.position_at(column, row)))
        self._after_click()

    def scroll(self, notches: int) -> None:
        """Scroll down, or up if negative."""
        self._view.scroll(notches * WHEEL_ROWS)

    def _left(self) -> Position:
        return movement.left(self.document.lines, self.document.cursor)

    def _right(self) -> Position:
        return movement.right(self.document.lines, self.document.cursor)

    def _after_edit(self) -> None:
        self._view.forget_column()
        self._view.follow_cursor()

    def _after_move(self, command: Command) -> None:
        """Move pending utterances to the cursor, which a command moved without an edit."""
        if command not in (Command.UP, Command.DOWN, Command.PAGE_UP, Command.PAGE_DOWN):
            self._view.forget_column()
        self._view.follow_cursor()
        self.dictation.move_to_cursor()

    def _after_click(self) -> None:
        self._after_edit()
        self.dictation.move_to_cursor()
