"""The key bindings. A test compares them with the table in docs/editor.md. Pure."""

from __future__ import annotations

from enum import Enum


class Command(Enum):
    """A command of the editor; the value is its description in docs/editor.md."""

    RECORD = "start and stop recording"
    COPY_ALL = "copy the whole text"
    SELECT_ALL = "select all"
    QUIT = "quit"
    SAVE = "save"
    UNDO = "undo"
    REDO = "redo"
    RESTORE = "restore the unsaved text of an earlier session"
    DISCARD = "discard that text"
    NEW_LINE = "insert a line break"
    TAB = "insert a tab"
    DELETE_BEFORE = "delete the character before the cursor, or the selection"
    DELETE_AFTER = "delete the character after the cursor, or the selection"
    LEFT = "one character left"
    RIGHT = "one character right"
    WORD_LEFT = "one word left"
    WORD_RIGHT = "one word right"
    UP = "one row up"
    DOWN = "one row down"
    PAGE_UP = "one page up"
    PAGE_DOWN = "one page down"
    ROW_START = "to the start of the row"
    ROW_END = "to the end of the row"
    TEXT_START = "to the start of the text"
    TEXT_END = "to the end of the text"


# The names are urwid's.
KEYS = {
    "f1": Command.RECORD,
    "f3": Command.COPY_ALL,
    "ctrl a": Command.SELECT_ALL,
    "ctrl c": Command.QUIT,
    "ctrl q": Command.QUIT,
    "ctrl s": Command.SAVE,
    "ctrl z": Command.UNDO,
    "ctrl y": Command.REDO,
    "f5": Command.RESTORE,
    "f8": Command.DISCARD,
    "enter": Command.NEW_LINE,
    "tab": Command.TAB,
    "backspace": Command.DELETE_BEFORE,
    "delete": Command.DELETE_AFTER,
}

# With Shift, these keys extend the selection.
MOVE_KEYS = {
    "left": Command.LEFT,
    "right": Command.RIGHT,
    "ctrl left": Command.WORD_LEFT,
    "ctrl right": Command.WORD_RIGHT,
    "up": Command.UP,
    "down": Command.DOWN,
    "page up": Command.PAGE_UP,
    "page down": Command.PAGE_DOWN,
    "home": Command.ROW_START,
    "end": Command.ROW_END,
    "ctrl home": Command.TEXT_START,
    "ctrl end": Command.TEXT_END,
}

SELECTION_KEYS = {f"shift {key}": command for key, command in MOVE_KEYS.items()}

# Shown in the status line as far as there is room, most important first.
HINTS = ("F1 record", "F3 copy all", "Ctrl+S save", "Ctrl+Z undo", "Ctrl+Q quit")
