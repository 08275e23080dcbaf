"""Keeps the text: its file, the journal of what is not saved, and what earlier sessions left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from stt_cli import journal as speech
from stt_cli.threads import in_thread
from stt_tui.document import Document
from stt_tui.files import ChangedOnDisk, FileError, TextFile, new_name, overwrite, save
from stt_tui.journal import Journal, Left, left_behind, remove_oldest
from stt_tui.lines import START, Change
from stt_tui.spoken import again
from stt_tui.status import Status

MAX_TOLD = 3  # journals of speech when one quits, the newest; the others are counted


class Tell(Protocol):
    """Shows a sentence, and what is more to be said where there is room; from any thread."""

    def __call__(self, sentence: str, detail: str = "", /) -> None: ...


class Keeping:
    def __init__(self, document: Document, file: TextFile | None, state: Path, status: Status, tell: Tell) -> None:
        """Take the folder of what outlives a session: the texts in `journals`, what was said in `speech`."""
        self._document = document
        self._file = file
        self._folder = state / "journals"
        self._speech_folder = state / "speech"
        self._status = status
        self._tell = tell
        self.journal = Journal(self._folder, self._name, document, tell)
        self._left: list[Left] = []
        self._speech: list[Path] = []
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
        file = self._file or TextFile(new_name(Path(), datetime.now().astimezone()))
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
        """Ask about the newest text that is left, if there is one; then tell of speech."""
        gone = await in_thread(partial(remove_oldest, self._folder))
        self._left = await in_thread(partial(left_behind, self._folder, self._name))
        self._speech = await in_thread(partial(speech.left_behind, self._speech_folder))
        self._ask()
        if gone:
            self._tell(f"{gone} of the texts left unsaved were too old to keep")

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
        self.journal.take_over(left)
        self._ask(f"Restored {words(left.text)}")

    def discard(self) -> None:
        if self._left:
            left = self._left.pop(0)
            self.journal.drop(left)
            self._ask(f"Discarded {words(left.text)}")

    def speech_left(self) -> Iterator[str]:
        """Tell how to hear what earlier sessions recorded and did not make text of: a sentence each."""
        left = [path for path in self._speech if path.exists()]
        for path in left[-MAX_TOLD:]:
            yield f"Speech was left behind, kept until you remove it: {again(path)}"
        if len(left) > MAX_TOLD:
            yield f"{len(left) - MAX_TOLD} older ones are in {self._speech_folder}."

    def _ask(self, done: str = "") -> None:
        """Show the next question; after the last one, tell of speech."""
        self._status.question = self._question(self._left[0]) if self._left else ""
        if self._speech and not self._left:
            self._tell("Speech was left behind", again(self._speech[-1]))
        elif done:
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
