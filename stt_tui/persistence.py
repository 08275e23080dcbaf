"""Keeps the text: its file, the journal of what is not saved, and what earlier sessions left."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from stt_client.audio import journal as speech
from stt_client.concurrency import run_in_thread
from stt_tui.audio_journal import retry_command
from stt_tui.document import Document
from stt_tui.files import ChangedOnDisk, FileError, TextFile, copy_name, is_read_only, new_name, overwrite, save
from stt_tui.journal import Journal, RecoveredText, find_orphaned, remove_oldest
from stt_tui.lines import START, Change
from stt_tui.status import Status

SAVE_S = 5.0  # waited for a save when one quits
MAX_TOLD = 3  # journals of speech when one quits, the newest; the others are counted


class Tell(Protocol):
    """Shows a sentence, and what is more to be said where there is room; from any thread."""

    def __call__(self, sentence: str, detail: str = "", /) -> None: ...


class Persistence:
    def __init__(self, document: Document, file: TextFile | None, state: Path, status: Status, tell: Tell) -> None:
        """Take the folder of what outlives a session: the texts in `journals`, what was said in `speech`."""
        self._document = document
        self._file = file
        self._folder = state / "journals"
        self._speech_folder = state / "speech"
        self._status = status
        self._tell = tell
        self.journal = Journal(self._folder, self._name, document, tell)
        self._left: list[RecoveredText] = []
        self._speech: list[Path] = []
        self._changes = 0
        self._saved = 0  # how many of the changes
        self._saving = asyncio.Lock()
        self._may_overwrite = False
        self._may_lose = False  # the text: it was told that quitting would
        document.follow(self._change)
        self._show_name()

    @property
    def _name(self) -> str | None:
        return str(self._file.path.absolute()) if self._file else None

    @property
    def is_saved(self) -> bool:
        return self._changes == self._saved or (self._file is None and self._document.lines.is_empty)

    @property
    def risk(self) -> str:
        """What one must know while the text is neither saved nor kept."""
        if self.is_saved or not self.journal.failure:
            return ""
        if self._may_lose:
            return "Ctrl+Q again loses unsaved text, Ctrl+S saves it"
        return f"unsaved text is not kept: {self.journal.failure}"

    async def save(self) -> None:
        """Write the text to its file, or to a new one if it has none."""
        if not self._saving.locked():
            async with self._saving:
                await self._save()

    async def _save(self) -> None:
        write = overwrite if self._may_overwrite else save
        changes, name = self._changes, "the text"
        try:
            file = self._file or TextFile(new_name(Path(), datetime.now().astimezone()))
            name = file.path.name
            text = self._document.text()
            await self.journal.complete()  # what a save that is interrupted can be restored from
            self._file = await run_in_thread(partial(write, file, text))
        except ChangedOnDisk as error:
            self._may_overwrite = True
            self._tell(f"{error}: Ctrl+S again writes yours", _promise(file.path))
        except FileError as error:
            self._tell(f"Not saved: {error}", f"{name} is as it was, and your text stays here")
        else:
            self._take_as_saved(changes)

    async def may_quit(self) -> bool:
        """Return whether nothing is lost by quitting, or the person knows; else the status line tells."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SAVE_S), self._saving:
                pass  # Ctrl+S and Ctrl+Q at once: what is being saved is not lost
        if self.is_saved or self._may_lose or not await self.journal.complete():
            return True
        self._may_lose = True
        return False

    def _take_as_saved(self, changes: int) -> None:
        assert self._file is not None
        self._may_overwrite = self._may_lose = False
        self._saved = changes
        self.journal.name(str(self._file.path.absolute()))
        if changes == self._changes:
            self.journal.forget()
        self._tell(f"Saved {self._file.path.name}")
        self._show_name()

    def close(self) -> str:
        """Complete the journal; return what there is to say about a text that is not saved."""
        if self.is_saved:
            self.journal.forget()
            self.journal.close()
            return ""
        if failure := self.journal.close():
            return _rescued(self._document.text(), failure)
        command = shlex.join(["stt-tui", *([str(self._file.path)] if self._file else [])])
        return f"What is not saved is kept: `{command}` offers it at the next start."

    # What earlier sessions left

    async def look(self) -> None:
        """Ask about the newest text that is left, if there is one; then tell of speech."""
        gone = await run_in_thread(partial(remove_oldest, self._folder))
        self._left = await run_in_thread(partial(find_orphaned, self._folder, self._name))
        self._speech = await run_in_thread(partial(speech.find_orphaned, self._speech_folder))
        self._ask()
        if self._file is not None:
            await self._look_at(self._file.path)
        if gone:
            self._tell(f"{gone} of the texts left unsaved were too old to keep")

    async def _look_at(self, path: Path) -> None:
        if await run_in_thread(partial(is_read_only, path)):
            self._tell(f"{path.name} is read-only: it cannot be saved")

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
        self.journal.adopt(left)
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
            yield f"Speech was left behind, kept until you remove it: {retry_command(path)}"
        if len(left) > MAX_TOLD:
            yield f"{len(left) - MAX_TOLD} older ones are in {self._speech_folder}."

    def _ask(self, done: str = "") -> None:
        """Show the next question; after the last one, tell of speech."""
        self._status.question = self._question(self._left[0]) if self._left else ""
        if self._speech and not self._left:
            self._tell("Speech was left behind", retry_command(self._speech[-1]))
        elif done:
            self._tell(done)

    def _question(self, left: RecoveredText) -> str:
        return f"F5 restore, F8 discard: {words(left.text)} unsaved, {left.written:%d %b %H:%M}"

    def _change(self, _change: Change, _text: str) -> None:
        self._changes += 1
        self._may_overwrite = self._may_lose = False
        self._show_name()

    def _show_name(self) -> None:
        name = self._file.path.name if self._file else ""
        self._status.name = f"{name}{'' if self.is_saved else '*'}" if name else ""


def words(text: str) -> str:
    """Return how many words the text has, as one says it."""
    count = len(text.split())
    return f"{count} word{'' if count == 1 else 's'}"


def _promise(path: Path) -> str:
    """Return what happens to what is there now, if the file is overwritten."""
    return f"and keeps the other as {copy_name(path).name}" if os.path.lexists(path) else ""


def _rescued(text: str, failure: str) -> str:
    """Write a text that nothing keeps among the temporary files; tell where it is, or that it is lost."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="stt-tui-", suffix=".txt")  # only its owner may read it
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode(errors="replace"))
            file.flush()
            os.fsync(descriptor)
    except OSError:
        return f"{words(text)} not saved are lost: the journal cannot be written ({failure})."
    return f"The journal cannot be written ({failure}): {words(text)} not saved are in {name}."
