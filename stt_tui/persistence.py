"""Persistence of the text: its file, the journal of unsaved text, and the data of earlier sessions."""

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
from stt_tui.audio_journal import recover_command
from stt_tui.document import Document
from stt_tui.files import ChangedOnDiskError, FileError, TextFile, copy_name, is_read_only, new_name, overwrite, save
from stt_tui.journal import Journal, RecoveredText, find_orphaned, remove_oldest
from stt_tui.lines import START, Change
from stt_tui.status import Status

SAVE_TIMEOUT_S = 5.0  # wait for a save before quitting
MAX_LISTED_RECORDINGS = 3  # the newest audio journals, listed at the exit; the others are only counted


class ShowMessage(Protocol):
    """Shows a sentence, and a detail if there is room. Thread-safe."""

    def __call__(self, sentence: str, detail: str = "", /) -> None: ...


class Persistence:
    def __init__(
        self, document: Document, file: TextFile | None, state_folder: Path, status: Status, show_message: ShowMessage
    ) -> None:
        """Take the folder for data that outlives a session: texts in `journals`, audio in `speech`."""
        self._document = document
        self._file = file
        self._folder = state_folder / "journals"
        self._audio_folder = state_folder / "speech"
        self._status = status
        self._show_message = show_message
        self.journal = Journal(self._folder, self._name, document, show_message)
        self._recovered: list[RecoveredText] = []
        self._recordings: list[Path] = []
        self._changes = 0
        self._saved_changes = 0  # the value of `_changes` at the last save
        self._saving = asyncio.Lock()
        self._may_overwrite = False
        self._is_loss_confirmed = False  # the user was warned that quitting loses the text
        document.subscribe(self._on_change)
        self._show_name()

    @property
    def _name(self) -> str | None:
        return str(self._file.path.absolute()) if self._file else None

    @property
    def is_saved(self) -> bool:
        return self._changes == self._saved_changes or (self._file is None and self._document.lines.is_empty)

    @property
    def risk(self) -> str:
        """Warning while the text is neither saved nor in the journal; otherwise empty."""
        if self.is_saved or not self.journal.failure:
            return ""
        if self._is_loss_confirmed:
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
            await self.journal.flush()  # an interrupted save can be restored from the journal
            self._file = await run_in_thread(partial(write, file, text))
        except ChangedOnDiskError as error:
            self._may_overwrite = True
            self._show_message(f"{error}: Ctrl+S again writes yours", _copy_note(file.path))
        except FileError as error:
            self._show_message(f"Not saved: {error}", f"{name} is unchanged; your text stays here")
        else:
            self._mark_saved(changes)

    async def may_quit(self) -> bool:
        """Return whether quitting loses nothing, or the user was warned before; otherwise show the warning."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SAVE_TIMEOUT_S), self._saving:
                pass  # Ctrl+S followed at once by Ctrl+Q: the save completes first
        if self.is_saved or self._is_loss_confirmed or not await self.journal.flush():
            return True
        self._is_loss_confirmed = True
        return False

    def _mark_saved(self, changes: int) -> None:
        assert self._file is not None
        self._may_overwrite = self._is_loss_confirmed = False
        self._saved_changes = changes
        self.journal.set_file(str(self._file.path.absolute()))
        if changes == self._changes:
            self.journal.discard()
        self._show_message(f"Saved {self._file.path.name}")
        self._show_name()

    def close(self) -> str:
        """Complete the journal; return a message about unsaved text, or ""."""
        if self.is_saved:
            self.journal.discard()
            self.journal.close()
            return ""
        if failure := self.journal.close():
            return _rescue(self._document.text(), failure)
        command = shlex.join(["stt-tui", *([str(self._file.path)] if self._file else [])])
        return f"Unsaved text is in the journal. To restore it: {command}"

    # Data of earlier sessions

    async def offer_recovered(self) -> None:
        """Offer the newest unsaved text, if there is one; after the last one, show the newest recording."""
        removed = await run_in_thread(partial(remove_oldest, self._folder))
        self._recovered = await run_in_thread(partial(find_orphaned, self._folder, self._name))
        self._recordings = await run_in_thread(partial(speech.find_orphaned, self._audio_folder))
        self._show_question()
        if self._file is not None:
            await self._warn_if_read_only(self._file.path)
        if removed:
            self._show_message(f"Removed the oldest unsaved texts: {removed}")

    async def _warn_if_read_only(self, path: Path) -> None:
        if await run_in_thread(partial(is_read_only, path)):
            self._show_message(f"{path.name} is read-only: saving is not possible")

    def restore(self) -> None:
        """Insert the offered text: it replaces an unchanged text, and goes before a changed one."""
        if not self._recovered:
            self._show_message("Nothing to restore")
            return
        recovered = self._recovered.pop(0)
        if self._changes == 0:
            self._document.replace_all(recovered.text)
        else:
            self._document.insert(START, f"{recovered.text}\n")
        self.journal.adopt(recovered)
        self._show_question(f"Restored {format_word_count(recovered.text)}")

    def discard(self) -> None:
        """Remove the journal of the offered text."""
        if self._recovered:
            recovered = self._recovered.pop(0)
            self.journal.remove(recovered)
            self._show_question(f"Discarded {format_word_count(recovered.text)}")

    def recording_lines(self) -> Iterator[str]:
        """Yield one line for each recording that earlier sessions left unrecognized, with the command for it."""
        recordings = [path for path in self._recordings if path.exists()]
        for path in recordings[-MAX_LISTED_RECORDINGS:]:
            yield f"Unrecognized audio of an earlier session, kept until you remove it: {recover_command(path)}"
        if len(recordings) > MAX_LISTED_RECORDINGS:
            yield f"{len(recordings) - MAX_LISTED_RECORDINGS} older recordings are in {self._audio_folder}."

    def _show_question(self, done: str = "") -> None:
        """Show the next question; after the last one, show the newest recording."""
        self._status.question = self._question(self._recovered[0]) if self._recovered else ""
        if self._recordings and not self._recovered:
            self._show_message("Unrecognized audio found", recover_command(self._recordings[-1]))
        elif done:
            self._show_message(done)

    def _question(self, recovered: RecoveredText) -> str:
        return f"F5 restore, F8 discard: {format_word_count(recovered.text)} unsaved, {recovered.modified:%d %b %H:%M}"

    def _on_change(self, _change: Change, _text: str) -> None:
        self._changes += 1
        self._may_overwrite = self._is_loss_confirmed = False
        self._show_name()

    def _show_name(self) -> None:
        name = self._file.path.name if self._file else ""
        self._status.name = f"{name}{'' if self.is_saved else '*'}" if name else ""


def format_word_count(text: str) -> str:
    """Return the number of words with its unit: "1 word", "2 words"."""
    count = len(text.split())
    return f"{count} word{'' if count == 1 else 's'}"


def _copy_note(path: Path) -> str:
    """Return a note on the copy that overwriting the file makes of its present content."""
    return f"and keeps the other version as {copy_name(path).name}" if os.path.lexists(path) else ""


def _rescue(text: str, failure: str) -> str:
    """Write the text to a temporary file; return a message with its name, or that the text is lost."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="stt-tui-", suffix=".txt")  # mode 0600
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode(errors="replace"))
            file.flush()
            os.fsync(descriptor)
    except OSError:
        return f"The journal cannot be written ({failure}): lost {format_word_count(text)} of unsaved text."
    return f"The journal cannot be written ({failure}): saved {format_word_count(text)} to {name}."
