"""An editor with its input handler and its screen as rows of text, without a terminal."""

from __future__ import annotations

from collections.abc import Callable

from stt_tui.editor import Editor
from stt_tui.input_handler import InputHandler
from stt_tui.keys import Command
from stt_tui.screen import EditorScreen
from stt_tui.status import Status


class EditorHarness:
    """Keys, mouse and screen of an editor; `now` is the time."""

    def __init__(self, text: str = "", columns: int = 40, rows: int = 10) -> None:
        self.size = (columns, rows)
        self.now = 0.0
        self.copied = list[str]()
        self.commands = list[Command]()
        self.editor = Editor(text)
        self.status = Status()
        commands = (Command.RECORD, Command.COPY_ALL, Command.QUIT, Command.SAVE, Command.RESTORE, Command.DISCARD)
        self.input_handler = InputHandler(
            self.editor, {command: self._record(command) for command in commands}, self.copied.append, lambda: self.now
        )
        self.screen = EditorScreen(self.editor, lambda: self.status, self.input_handler)

    def _record(self, command: Command) -> Callable[[], None]:
        return lambda: self.commands.append(command)

    def press(self, *keys: str) -> None:
        """Press keys, drawing before each one; text is typed as single characters."""
        for key in keys:
            self.screen.render(self.size)
            self.screen.keypress(self.size, key)

    def type(self, text: str) -> None:
        self.press(*text)

    def mouse(self, event: str, column: int, row: int, button: int = 1) -> None:
        self.screen.render(self.size)
        self.screen.mouse_event(self.size, f"mouse {event}", button, column, row, True)

    def click(self, column: int, row: int) -> None:
        self.mouse("press", column, row)
        self.mouse("release", column, row, 0)

    def rows(self) -> list[str]:
        """Return the rows of the text as a terminal would copy them."""
        return [row.rstrip() for row in self.screen.render(self.size).decoded_text[:-1]]

    def text_rows(self) -> list[str]:
        """Return the rows down to the last one that has text."""
        rows = self.rows()
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def status_row(self) -> str:
        return self.screen.render(self.size).decoded_text[-1].rstrip()

    @property
    def cursor(self) -> tuple[int, int] | None:
        cursor: tuple[int, int] | None = self.screen.render(self.size).cursor
        return cursor

    def styled(self, style: str) -> str:
        """Return the text that is drawn in the style."""
        rows = self.screen.render(self.size).content()
        return "".join(text.decode() for row in rows for name, _, text in row if name == style)

    @property
    def text(self) -> str:
        return self.editor.document.text()

    @property
    def selected(self) -> str:
        return self.editor.document.selected_text()
