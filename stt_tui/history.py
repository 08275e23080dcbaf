"""The undo history: edits, merged into steps that a user would name. Pure.

A step is a typed word, a run of Backspaces or Deletes, a paste or an utterance. The history is bounded.
Each edit clears the redo steps, an utterance included: its spaces are chosen for the text without the undone steps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from stt_tui.lines import Position, end_of

MAX_STEPS = 10_000
MAX_CHARACTERS = 16_000_000  # of removed and inserted text; a text of 1 MB can be replaced completely eight times


class Kind(Enum):
    TYPED = auto()
    DELETED_BEFORE = auto()
    DELETED_AFTER = auto()
    WHOLE = auto()  # a step of its own


@dataclass(frozen=True, slots=True)
class Edit:
    """The replacement of `removed` by `inserted` at `start`."""

    start: Position
    removed: str
    inserted: str
    kind: Kind = Kind.WHOLE

    @property
    def size(self) -> int:
        return len(self.removed) + len(self.inserted)


class History:
    def __init__(self) -> None:
        self._done: deque[Edit] = deque()
        self._undone: list[Edit] = []  # bounded by the steps that were done
        self._characters = 0
        self._sealed = True

    def record(self, edit: Edit) -> None:
        """Merge the edit into the last step if it continues that step, else add a step; clear the redo steps."""
        self._undone.clear()
        merged = None if self._sealed or not self._done else _merge(self._done[-1], edit)
        if merged is not None:
            self._characters -= self._done.pop().size
        self._push(merged or edit)
        self._sealed = edit.kind is Kind.WHOLE

    def seal(self) -> None:
        """End the step: the next edit starts another one."""
        self._sealed = True

    def undo(self) -> Edit | None:
        """Return the step to undo, or None."""
        if not self._done:
            return None
        edit = self._done.pop()
        self._characters -= edit.size
        self._undone.append(edit)
        self._sealed = True
        return edit

    def redo(self) -> Edit | None:
        """Return the step to redo, or None."""
        if not self._undone:
            return None
        edit = self._undone.pop()
        self._push(edit)
        self._sealed = True
        return edit

    def _push(self, edit: Edit) -> None:
        self._done.append(edit)
        self._characters += edit.size
        while len(self._done) > MAX_STEPS or (self._characters > MAX_CHARACTERS and len(self._done) > 1):
            self._characters -= self._done.popleft().size


def _merge(last: Edit, edit: Edit) -> Edit | None:
    """Return both edits as one step if the second continues the first, else None."""
    if last.kind is not edit.kind:
        return None
    match edit.kind:
        case Kind.TYPED:
            continues = edit.start == end_of(last.start, last.inserted) and not edit.removed
            if continues and not _begins_word(last.inserted, edit.inserted):
                return Edit(last.start, last.removed, last.inserted + edit.inserted, edit.kind)
        case Kind.DELETED_BEFORE:
            if end_of(edit.start, edit.removed) == last.start:
                return Edit(edit.start, edit.removed + last.removed, "", edit.kind)
        case Kind.DELETED_AFTER:
            if edit.start == last.start:
                return Edit(last.start, last.removed + edit.removed, "", edit.kind)
    return None


def _begins_word(before: str, typed: str) -> bool:
    return before[-1:].isspace() and not typed[:1].isspace()
