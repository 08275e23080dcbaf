"""What can be undone: changes, joined to steps that a person would name. Pure.

A step is a word typed, a run of Backspaces or Deletes, a paste, an utterance. What is kept is bounded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from stt_tui.lines import Position, end_of

MAX_STEPS = 10_000
MAX_CHARACTERS = 16_000_000  # kept for undoing; a text of 1 MB can be replaced whole eight times


class Kind(Enum):
    TYPED = auto()
    ERASED_BEFORE = auto()
    ERASED_AFTER = auto()
    WHOLE = auto()  # a step of its own


@dataclass(frozen=True, slots=True)
class Edit:
    """At `start`, `removed` was replaced by `inserted`."""

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
        self._undone: list[Edit] = []  # bounded by what was done
        self._characters = 0
        self._sealed = True

    def record(self, edit: Edit) -> None:
        """Add the edit to the last step if it continues it, else as a new one; nothing can be redone any more."""
        self._undone.clear()
        joined = None if self._sealed or not self._done else _joined(self._done[-1], edit)
        if joined is not None:
            self._characters -= self._done.pop().size
        self._push(joined or edit)
        self._sealed = edit.kind is Kind.WHOLE

    def seal(self) -> None:
        """End the step: what comes next is another one."""
        self._sealed = True

    def undo(self) -> Edit | None:
        """Return the step to take back, if there is one."""
        if not self._done:
            return None
        edit = self._done.pop()
        self._characters -= edit.size
        self._undone.append(edit)
        self._sealed = True
        return edit

    def redo(self) -> Edit | None:
        """Return the step to do again, if there is one."""
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


def _joined(last: Edit, edit: Edit) -> Edit | None:
    """Return both as one step, if the second continues the first."""
    if last.kind is not edit.kind:
        return None
    match edit.kind:
        case Kind.TYPED:
            continues = edit.start == end_of(last.start, last.inserted) and not edit.removed
            if continues and not _begins_word(last.inserted, edit.inserted):
                return Edit(last.start, last.removed, last.inserted + edit.inserted, edit.kind)
        case Kind.ERASED_BEFORE:
            if end_of(edit.start, edit.removed) == last.start:
                return Edit(edit.start, edit.removed + last.removed, "", edit.kind)
        case Kind.ERASED_AFTER:
            if edit.start == last.start:
                return Edit(last.start, last.removed + edit.removed, "", edit.kind)
    return None


def _begins_word(before: str, typed: str) -> bool:
    return before[-1:].isspace() and not typed[:1].isspace()
