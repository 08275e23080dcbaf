"""What a person does: keys, pastes and the mouse, as commands to the editor. The clock is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stt_tui.editor import Editor
from stt_tui.keys import KEYS, MOVES, SELECTING, Command

CLICK_S = 0.4  # between the clicks of a double one

Action = Callable[[], object]


class InputHandler:
    def __init__(
        self, editor: Editor, orders: Mapping[Command, Action], copy: Callable[[str], None], now: Callable[[], float]
    ) -> None:
        """Take what is done about commands that are not the editor's, and about text that the mouse selected."""
        self._editor = editor
        self._orders = {**orders, Command.SELECT_ALL: editor.select_all}
        self._copy = copy
        self._now = now
        self._clicks = 0
        self._clicked_at = 0.0
        self._place = (-1, -1)
        self._is_down = False

    def press_key(self, key: str) -> None:
        if len(key) == 1:
            self._editor.type(key)
        elif key in MOVES:
            self._editor.move(MOVES[key])
        elif key in SELECTING:
            self._editor.extend(SELECTING[key])
        elif key in KEYS:
            self._command(KEYS[key])

    def press_mouse(self, column: int, row: int) -> None:
        """Put the cursor there; the second click selects the word, the third the line."""
        again = (column, row) == self._place and self._now() - self._clicked_at <= CLICK_S
        self._clicks = self._clicks % 3 + 1 if again else 1
        self._place, self._clicked_at, self._is_down = (column, row), self._now(), True
        act = {1: self._editor.point, 2: self._editor.select_word, 3: self._editor.select_line}[self._clicks]
        act(column, row)

    def drag_mouse(self, column: int, row: int) -> None:
        if self._is_down and (column, row) != self._place:
            self._editor.drag(column, row)
            self._place = (-1, -1)

    def release_mouse(self) -> None:
        text = self._editor.document.selected_text()
        if self._is_down and text:
            self._copy(text)
        self._is_down = False

    def turn_wheel(self, notches: int) -> None:
        self._editor.scroll(notches)

    def _command(self, command: Command) -> None:
        order = self._orders.get(command)
        if order is None:
            self._editor.change(command)
        else:
            order()
