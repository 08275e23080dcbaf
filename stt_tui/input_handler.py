"""Keys and mouse events, converted to commands of the editor. The clock is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stt_tui.editor import Editor
from stt_tui.keys import KEYS, MOVE_KEYS, SELECTION_KEYS, Command

MULTI_CLICK_S = 0.4  # at most between the clicks of a double or triple click

Action = Callable[[], object]


class InputHandler:
    def __init__(
        self, editor: Editor, actions: Mapping[Command, Action], copy: Callable[[str], None], now: Callable[[], float]
    ) -> None:
        """Take the actions for commands that the editor does not handle, and a copy function for mouse selections."""
        self._editor = editor
        self._actions = {**actions, Command.SELECT_ALL: editor.select_all}
        self._copy = copy
        self._now = now
        self._clicks = 0
        self._clicked_at = 0.0
        self._click_cell = (-1, -1)
        self._is_down = False

    def press_key(self, key: str) -> None:
        if len(key) == 1:
            self._editor.type(key)
        elif key in MOVE_KEYS:
            self._editor.move(MOVE_KEYS[key])
        elif key in SELECTION_KEYS:
            self._editor.extend(SELECTION_KEYS[key])
        elif key in KEYS:
            self._run_command(KEYS[key])

    def press_mouse(self, column: int, row: int) -> None:
        """Move the cursor to the cell; the second click selects the word, the third the line."""
        is_repeated = (column, row) == self._click_cell and self._now() - self._clicked_at <= MULTI_CLICK_S
        self._clicks = self._clicks % 3 + 1 if is_repeated else 1
        self._click_cell, self._clicked_at, self._is_down = (column, row), self._now(), True
        apply = {1: self._editor.point, 2: self._editor.select_word, 3: self._editor.select_line}[self._clicks]
        apply(column, row)

    def drag_mouse(self, column: int, row: int) -> None:
        if self._is_down and (column, row) != self._click_cell:
            self._editor.drag(column, row)
            self._click_cell = (-1, -1)

    def release_mouse(self) -> None:
        text = self._editor.document.selected_text()
        if self._is_down and text:
            self._copy(text)
        self._is_down = False

    def turn_wheel(self, notches: int) -> None:
        self._editor.scroll(notches)

    def _run_command(self, command: Command) -> None:
        action = self._actions.get(command)
        if action is None:
            self._editor.edit(command)
        else:
            action()
