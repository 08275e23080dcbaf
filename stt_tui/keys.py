"""Which key does what. docs/editor.md tells the same; a test holds it to this file. Pure."""

from __future__ import annotations

from enum import Enum


class Command(Enum):
    """What a key can ask for; the value is how docs/editor.md says it."""

    RECORD = "start and stop recording"
    COPY_ALL = "copy the whole text"
    SELECT_ALL = "select all"
    QUIT = "quit"
    SAVE = "save"
    UNDO = "undo"
    REDO = "redo"
    RESTORE = "restore the text that an earlier session left"
    DISCARD = "discard that text"
    BREAK_LINE = "begin a new line"
    TAB = "put in a tab"
    ERASE_BEFORE = "erase the character before the cursor, or the selection"
    ERASE_AFTER = "erase the character after it, or the selection"
    LEFT = "a character left"
    RIGHT = "a character right"
    WORD_LEFT = "a word left"
    WORD_RIGHT = "a word right"
    UP = "a row up"
    DOWN = "a row down"
    PAGE_UP = "a page up"
    PAGE_DOWN = "a page down"
    ROW_START = "to the start of the row"
    ROW_END = "to the end of the row"
    TEXT_START = "to the start of the text"
    TEXT_END = "to the end of the text"


# Names as urwid gives them.
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
    "enter": Command.BREAK_LINE,
    "tab": Command.TAB,
    "backspace": Command.ERASE_BEFORE,
    "delete": Command.ERASE_AFTER,
}

# With Shift, these select.
MOVES = {
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

SELECTING = {f"shift {key}": command for key, command in MOVES.items()}

# Shown where the status line has room, most wanted first.
HINTS = ("F1 record", "F3 copy all", "Ctrl+S save", "Ctrl+Z undo", "Ctrl+Q quit")
