"""Keeps the text: its file, the journal of what is not saved, and what earlier sessions left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from stt_cli.threads import in_thread
from stt_tui.document import Document
from stt_tui.files import ChangedOnDisk, FileError, TextFile, new_name, overwrite, save
from stt_tui.journal import Journal, Left, left_behind, remove_oldest
from stt_tui.lines import START, Change
from stt_tui.status import Status

Tell = Callable[[str], None]


class Keeping:
    def __init__(self, document: Document, file: TextFile | None, folder: Path, status: Status, tell: Tell) -> None:
        """Take the folder of the journals, and what shows a sentence, from any thread."""
        self._document = document
        self._file = file
        self._folder = folder
        self._status = status
        self._tell = tell
        self.journal = Journal(folder, self._name, document, tell)
        self._left: list[Left] = []
        self._changes = 0
        self._saved = 0  # how many of the changes
        self._is_saving = False
        self._may_overwrite = False
        document.follow(self._change)
        self._show_name()

    @property
    def _name(self) -> str | None:
        return str(self._file.path.absolute()) if self._file else None

    @property
    def is_saved(self) -> bool:
        return self._changes == self._saved or (self._file is None and self._document.lines.is_empty)

    async def save(self) -> None:
        """Write the text to its file, or to a new one if it has none."""
        if self._is_saving:
            return
        self._is_saving = True
        text, changes = self._document.text(), self._changes
        write = overwrite if self._may_overwrite else save
        file = self._file or TextFile(new_name(Path.cwd(), datetime.now().astimezone()))
        try:
            self._file = await in_thread(partial(write, file, text))
        except ChangedOnDisk as error:
            self._may_overwrite = True
            self._tell(f"{error}: Ctrl+S again writes yours, and keeps that as {file.path.name}~")
        except FileError as error:
            self._tell(f"Not saved: {error}")
        else:
            self._take_as_saved(changes)
        finally:
            self._is_saving = False

    def _take_as_saved(self, changes: int) -> None:
        assert self._file is not None
        self._may_overwrite, self._saved = False, changes
        self.journal.name(str(self._file.path.absolute()))
        if changes == self._changes:
            self.journal.forget()
        self._tell(f"Saved {self._file.path.name}")
        self._show_name()

    def close(self) -> bool:
        """Complete the journal; return whether it holds something for the next session."""
        if self.is_saved:
            self.journal.forget()
        self.journal.close()
        return not self.is_saved

    # What earlier sessions left

    async def look(self) -> None:
        """Ask about the newest text that is left, if there is one."""
        gone = await in_thread(partial(remove_oldest, self._folder))
        if gone:
            self._tell(f"{gone} of the texts left unsaved were too old to keep")
        self._left = await in_thread(partial(left_behind, self._folder, self._name))
        self._ask()

    def restore(self) -> None:
        """Put in what is left: in the place of a text not yet touched, else before it."""
        if not self._left:
            self._tell("There is nothing to restore")
            return
        left = self._left.pop(0)
        if self._changes == 0:
            self._document.replace_all(left.text)
        else:
            self._document.insert(START, f"{left.text}\n")
        self.journal.drop(left)
        self._ask(f"Restored {words(left.text)}")

    def discard(self) -> None:
        if self._left:
            left = self._left.pop(0)
            self.journal.drop(left)
            self._ask(f"Discarded {words(left.text)}")

    def _ask(self, done: str = "") -> None:
        self._status.question = self._question(self._left[0]) if self._left else ""
        self._tell(done)

    def _question(self, left: Left) -> str:
        return f"F5 restore, F8 discard: {words(left.text)} unsaved, {left.written:%d %b %H:%M}"

    def _change(self, _change: Change, _text: str) -> None:
        self._changes += 1
        self._may_overwrite = False
        self._show_name()

    def _show_name(self) -> None:
        name = self._file.path.name if self._file else ""
        self._status.name = f"{name}{'' if self.is_saved else '*'}" if name else ""


def words(text: str) -> str:
    """Return how many words the text has, as one says it."""
    count = len(text.split())
    return f"{count} word{'' if count == 1 else 's'}"
