"""The only widget: the text above, the status line below. It draws, and forwards keys and mouse events.

There are no frames, and a row ends where its text ends, so that the terminal's own selection copies clean text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Literal, Protocol

import urwid

from stt_tui.editor import Editor
from stt_tui.graphemes import printable, text_columns
from stt_tui.status import Status, Tone, status_line
from stt_tui.view import Style

PALETTE = [
    ("selected", "standout", "default"),
    ("preedit", "faint", "default"),
    ("recording", "light red", "default"),
    ("warning", "yellow", "default"),
    ("hint", "faint", "default"),
]
STYLES = {Style.PLAIN: None, Style.SELECTED: "selected", Style.PREEDIT: "preedit"}
TONES = {Tone.PLAIN: None, Tone.RECORDING: "recording", Tone.WARNING: "warning", Tone.HINT: "hint"}

Run = tuple[Hashable, Literal["0", "U"] | None, bytes]


class InputReceiver(Protocol):
    """Receives keys and mouse events."""

    def press_key(self, key: str) -> None: ...
    def press_mouse(self, column: int, row: int) -> None: ...
    def drag_mouse(self, column: int, row: int) -> None: ...
    def release_mouse(self) -> None: ...
    def turn_wheel(self, notches: int) -> None: ...


class RowCanvas(urwid.Canvas):
    """Rows that are already as wide as the screen."""

    cacheable = False

    def __init__(self, rows: list[list[Run]], columns: int, cursor: tuple[int, int] | None) -> None:
        super().__init__()
        self._rows = rows
        self._columns = columns
        self.cursor = cursor

    def cols(self) -> int:
        return self._columns

    def rows(self) -> int:
        return len(self._rows)

    def content(
        self,
        trim_left: int = 0,
        trim_top: int = 0,
        cols: int = 0,
        rows: int = 0,
        attr: Mapping[Hashable, Hashable] | None = None,
    ) -> Iterator[list[Run]]:
        """Return all rows; no other widget exists that would trim them."""
        return iter(self._rows)


class EditorScreen(urwid.Widget):
    _sizing = frozenset([urwid.BOX])
    _selectable = True
    no_cache = ("render",)

    def __init__(self, editor: Editor, status: Callable[[], Status], receiver: InputReceiver) -> None:
        super().__init__()
        self._editor = editor
        self._status = status
        self._receiver = receiver

    def render(self, size: tuple[int, ...], focus: bool = False) -> RowCanvas:
        columns, height = size
        content = self._editor.content(columns, max(1, height - 1))
        rows = [_row([(STYLES[span.style], span.text) for span in spans], columns) for spans in content.rows]
        line = status_line(self._status(), columns)
        rows[height - 1 :] = [_row([(TONES[part.tone], part.text) for part in line], columns)]
        cursor = content.cursor and (min(content.cursor[0], columns - 1), content.cursor[1])
        return RowCanvas(rows, columns, cursor)

    def keypress(self, size: tuple[int, ...], key: str) -> None:
        self._receiver.press_key(key)

    def mouse_event(self, size: tuple[int, ...], event: str, button: int, col: int, row: int, focus: bool) -> bool:
        match event.rpartition(" ")[2], button:
            case "press", 1 if row < size[1] - 1:
                self._receiver.press_mouse(col, row)
            case "drag", 1:
                self._receiver.drag_mouse(col, row if row < size[1] - 1 else size[1])
            case "release", _:
                self._receiver.release_mouse()
            case "press", 4 | 5:
                self._receiver.turn_wheel(1 if button == 5 else -1)
            case _:
                return False
        return True


def _row(spans: list[tuple[str | None, str]], columns: int) -> list[Run]:
    """Return the row padded with spaces, which urwid erases on the terminal instead of writing them."""
    runs, filled = list[Run](), 0
    for style, text in spans:
        drawn = printable(text)
        width = text_columns(drawn)
        if filled + width > columns:
            break  # only a space at the end, or one character that is wider than the screen
        filled += width
        runs.append((style, None, drawn.encode()))
    return [*runs, (None, None, b" " * (columns - filled))] if filled < columns else runs
