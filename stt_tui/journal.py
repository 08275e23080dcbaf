"""What was written since the text was last saved, on disk a moment after each key: it outlives a kill.

A journal is a file of JSON lines: the text, then each change to it, and what is being said. Its writer holds a lock on
it, so whatever has none was left behind. A thread writes; a key never waits for a disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import BinaryIO

from stt_client.concurrency import run_in_thread
from stt_tui.document import Document
from stt_tui.layout import Preedit
from stt_tui.lines import Change, Position

SUFFIX = ".journal"
# What a damaged journal, or one of another version, leads to.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
MAX_LEFT = 20  # texts left behind; the oldest go
LEAST_REWRITE_BYTES = 1_000_000  # of changes: then the text is written anew, or when they are four times as long as it
TIMEOUT_S = 5.0  # for the disk to answer, where somebody waits for it
STUCK = "the disk does not answer"
MAX_WAITING_BYTES = 16_000_000  # for a disk that hangs; then the text is written anew once it answers


@dataclass(frozen=True, slots=True)
class RecoveredText:
    """A text that an earlier session left."""

    path: Path
    file: str | None  # what it was to be saved in
    text: str
    written: datetime


class Journal:
    """Keeps what is written to the document; `warn` is called on the writer's thread once that begins to fail."""

    def __init__(self, folder: Path, file: str | None, document: Document, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._file = file
        self._document = document
        self._warn = warn
        self.failure = ""  # why the text is not on disk; the writer's
        self._is_begun = False
        self._has_changes = False  # since all was saved elsewhere
        self._text_bytes = self._changed_bytes = 0
        self._given_bytes = self._done_bytes = 0  # to the writer; by the writer
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()  # bounded by MAX_WAITING_BYTES
        self._written: BinaryIO | None = None  # the writer's
        self._is_written = True  # the writer's: all that was given to it
        self._path = folder
        self._thread = Thread(target=self._write_all, daemon=True, name="journal")
        self._thread.start()
        self._work.put(self._probe)
        document.follow(self._change)

    def say(self, ghosts: Sequence[Preedit]) -> None:
        """Keep what is being said, in case it is never settled."""
        if ghosts or self._is_begun:
            self._add({"said": [[*ghost.at, ghost.text] for ghost in ghosts]})

    def forget(self) -> None:
        """All is saved elsewhere."""
        self._is_begun = self._has_changes = False
        self._changed_bytes = 0
        self._work.put(self._remove)

    def drop(self, left: RecoveredText) -> None:
        """Remove what another session left."""
        self._work.put(lambda: left.path.unlink(missing_ok=True))

    def adopt(self, left: RecoveredText) -> None:
        """Remove what another session left, once all up to now is written here; if it cannot be, that stays."""
        if self._is_begun:
            self._work.put(partial(self._replaced, left.path))

    def name(self, file: str) -> None:
        """From now on it is that file's."""
        self._file = file

    async def complete(self, timeout_s: float = TIMEOUT_S) -> str:
        """Have the whole text on disk, safe from a loss of power; return why it is not, or nothing."""
        if self._is_stuck:
            return STUCK
        if self._has_changes:
            self._begin()
        done = Event()
        self._work.put(done.set)
        return self.failure if await run_in_thread(partial(done.wait, timeout_s)) else STUCK

    def close(self, timeout_s: float = TIMEOUT_S) -> str:
        """Write all that waits, and stay if there is something in it; return why it cannot be written, or nothing."""
        if self._has_changes and not self._is_begun:  # it could not be written before
            self._begin()
        self._work.put(None)
        self._thread.join(timeout_s)
        return STUCK if self._thread.is_alive() else self.failure

    @property
    def _is_stuck(self) -> bool:
        return self._given_bytes - self._done_bytes > MAX_WAITING_BYTES

    def _change(self, change: Change, text: str) -> None:
        self._has_changes = True
        self._add({"from": change.start, "to": change.end, "put": text})

    def _add(self, entry: dict[str, object]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"
        self._changed_bytes += len(line)
        if self._is_stuck:
            self._is_begun = False
            return
        if not self._is_begun or self._changed_bytes > max(LEAST_REWRITE_BYTES, 4 * self._text_bytes):
            self._begin()
            if "put" in entry:
                return  # the text has it
        self._give(len(line), lambda: self._append(line))

    def _begin(self) -> None:
        text, file = self._document.text(), self._file
        self._is_begun, self._text_bytes, self._changed_bytes = True, len(text), 0
        self._give(len(text), lambda: self._start(json.dumps({"text": text, "file": file}).encode() + b"\n"))

    def _give(self, size_bytes: int, work: Callable[[], None]) -> None:
        def counted() -> None:
            self._done_bytes += size_bytes
            work()

        self._given_bytes += size_bytes
        self._work.put(counted)

    # On the writer's thread

    def _write_all(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except OSError as error:
                self._fail(error.strerror or str(error))
            except Exception as error:  # or nothing would be kept from here on
                self._fail(repr(error))
        if self._written is not None:
            self._written.close()  # and with it the lock

    def _fail(self, reason: str) -> None:
        self._is_begun = self._is_written = False  # with the next change, try from the start
        was_fine, self.failure = not self.failure, reason
        if was_fine:
            self._warn(f"The journal cannot be written: {reason}.")

    def _probe(self) -> None:
        """Find out whether a journal can be begun here, before there is a text to lose."""
        descriptor, name = self._made()
        os.close(descriptor)
        Path(name).unlink()

    def _made(self) -> tuple[int, str]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=self._folder)  # only its owner may read it

    def _start(self, line: bytes) -> None:
        """Write a new journal, then take the place of the old one."""
        descriptor, name = self._made()
        new = os.fdopen(descriptor, "wb")
        try:
            fcntl.flock(new, fcntl.LOCK_EX)
            new.write(line)
            new.flush()
            os.fsync(descriptor)  # or a loss of power could leave neither this one nor the old one
        except OSError:
            with suppress(OSError):  # it tries again to write
                new.close()
            Path(name).unlink()
            raise
        old, self._written, self._is_written = self._written, new, True
        self._path = Path(name).rename(f"{name}{SUFFIX}") if old is None else Path(name).rename(self._path)
        self.failure = ""
        if old is not None:
            with suppress(OSError):  # of what it could not write
                old.close()

    def _append(self, line: bytes) -> None:
        if self._written is not None:
            self._written.write(line)
            self._written.flush()

    def _replaced(self, path: Path) -> None:
        if self._is_written:
            path.unlink(missing_ok=True)

    def _remove(self) -> None:
        if self._written is not None:
            self._path.unlink(missing_ok=True)
            self._written.close()
            self._written = None


def find_orphaned(folder: Path, file: str | None) -> list[RecoveredText]:
    """Return the texts that earlier sessions left for this file, or for none: newest first."""
    found = [left for path in folder.glob(f"*{SUFFIX}") if (left := _read(path)) is not None]
    return sorted((left for left in found if left.file == file), key=lambda left: left.written, reverse=True)


def remove_oldest(folder: Path) -> int:
    """Keep `MAX_LEFT` texts; return how many had to go."""
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=_modified_s, reverse=True)
    gone = [path for path in paths[MAX_LEFT:] if _read(path) is not None]
    for path in gone:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return len(gone)


def _modified_s(path: Path) -> float:
    with suppress(OSError):  # its session has just saved its text
        return path.stat().st_mtime
    return 0.0


def _read(path: Path) -> RecoveredText | None:
    """Return what the journal holds; None while its session lives."""
    with suppress(*UNREADABLE), path.open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
        first, *entries = journal.read().split(b"\n")
        head = json.loads(first)
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()
        return RecoveredText(path, head["file"], _replayed(head["text"], entries), written)
    return None


def _replayed(text: str, entries: list[bytes]) -> str:
    """Return the text after the changes, with what was being said at the end of it put in.

    The last line is being written if it has no end, and a damaged one ends what can be trusted.
    """
    document, said = Document(text), list[tuple[Position, str]]()
    with suppress(*UNREADABLE):
        for entry in entries[:-1]:
            change = json.loads(entry)
            if "put" in change:
                document.lines.replace(Position(*change["from"]), Position(*change["to"]), change["put"])
            else:
                said = [(Position(int(line), int(offset)), str(words)) for line, offset, words in change["said"]]
    for position, words in reversed(said):
        place = document.lines.clamp(position)
        document.lines.replace(place, place, words)
    return document.text()
