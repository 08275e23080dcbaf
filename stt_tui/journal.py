"""The journal of unsaved text: on disk a moment after each key, so that it outlives a kill.

A journal is a file of JSON lines: the text, then each change to it and the partials in display. Its writer holds a
lock on it, so a journal without a lock is orphaned. A thread writes, so that a key never waits for the disk.
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
# Raised while a damaged journal, or one of another version, is read.
READ_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
MAX_JOURNALS = 20  # orphaned texts; older ones are removed
MIN_REWRITE_BYTES = 1_000_000  # of changes, and four times the text: then a new journal starts with the whole text
DISK_TIMEOUT_S = 5.0  # for a flush or the close at the end
DISK_STALLED = "the disk does not answer"
MAX_QUEUED_BYTES = 16_000_000  # for a stalled disk; beyond that, a new journal is written once it answers


@dataclass(frozen=True, slots=True)
class RecoveredText:
    """The unsaved text of an earlier session."""

    path: Path
    file: str | None  # the file that was edited
    text: str
    modified: datetime


class Journal:
    """Records the changes of the document; `warn` is called on the writer's thread when writing starts to fail."""

    def __init__(self, folder: Path, file: str | None, document: Document, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._file = file
        self._document = document
        self._warn = warn
        self.failure = ""  # why the text is not on disk; set by the writer's thread
        self._is_started = False
        self._has_changes = False  # since the text was last saved
        self._text_bytes = self._changed_bytes = 0
        self._queued_bytes = self._processed_bytes = 0  # by the loop; by the writer's thread
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()  # bounded by MAX_WAITING_BYTES
        self._output: BinaryIO | None = None  # used by the writer's thread
        self._is_complete = True  # used by the writer's thread: no write has failed since the journal was started
        self._path = folder
        self._thread = Thread(target=self._run_writer, daemon=True, name="journal")
        self._thread.start()
        self._queue.put(self._probe)
        document.subscribe(self._on_change)

    def record_preedits(self, preedits: Sequence[Preedit]) -> None:
        """Record the partials in display, in case they never become final."""
        if preedits or self._is_started:  # an empty list clears the recorded ones
            self._record({"said": [[*preedit.at, preedit.text] for preedit in preedits]})

    def discard(self) -> None:
        """Remove the journal: the text is saved."""
        self._is_started = self._has_changes = False
        self._changed_bytes = 0
        self._queue.put(self._remove_own)

    def remove(self, recovered: RecoveredText) -> None:
        """Remove the journal of another session."""
        self._queue.put(lambda: recovered.path.unlink(missing_ok=True))

    def adopt(self, recovered: RecoveredText) -> None:
        """Remove the journal of another session once this journal has its text; keep it if writing fails."""
        if self._is_started:
            self._queue.put(partial(self._remove_adopted, recovered.path))

    def set_file(self, file: str) -> None:
        """Set the file that is edited, for later journals."""
        self._file = file

    async def flush(self, timeout_s: float = DISK_TIMEOUT_S) -> str:
        """Write the whole text to disk, safe from a loss of power; return the reason if that fails, else ""."""
        if self._is_stalled:
            return DISK_STALLED
        if self._has_changes:
            self._start_journal()
        done = Event()
        self._queue.put(done.set)
        return self.failure if await run_in_thread(partial(done.wait, timeout_s)) else DISK_STALLED

    def close(self, timeout_s: float = DISK_TIMEOUT_S) -> str:
        """Write all queued entries; the journal stays if it has any. Return the reason if that fails, else ""."""
        if self._has_changes and not self._is_started:  # an earlier write failed
            self._start_journal()
        self._queue.put(None)
        self._thread.join(timeout_s)
        return DISK_STALLED if self._thread.is_alive() else self.failure

    @property
    def _is_stalled(self) -> bool:
        return self._queued_bytes - self._processed_bytes > MAX_QUEUED_BYTES

    def _on_change(self, change: Change, text: str) -> None:
        self._has_changes = True
        self._record({"from": change.start, "to": change.end, "put": text})

    def _record(self, entry: dict[str, object]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"
        self._changed_bytes += len(line)
        if self._is_stalled:
            self._is_started = False
            return
        if not self._is_started or self._changed_bytes > max(MIN_REWRITE_BYTES, 4 * self._text_bytes):
            self._start_journal()
            if "put" in entry:
                return  # the whole text includes the change
        self._enqueue(len(line), lambda: self._append(line))

    def _start_journal(self) -> None:
        text, file = self._document.text(), self._file
        self._is_started, self._text_bytes, self._changed_bytes = True, len(text), 0
        self._enqueue(len(text), lambda: self._write_new(json.dumps({"text": text, "file": file}).encode() + b"\n"))

    def _enqueue(self, size_bytes: int, work: Callable[[], None]) -> None:
        def run_counted() -> None:
            self._processed_bytes += size_bytes
            work()

        self._queued_bytes += size_bytes
        self._queue.put(run_counted)

    # On the writer's thread

    def _run_writer(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except OSError as error:
                self._fail(error.strerror or str(error))
            except Exception as error:  # the thread must go on, or no later change would be written
                self._fail(repr(error))
        if self._output is not None:
            self._output.close()  # also releases the lock

    def _fail(self, reason: str) -> None:
        self._is_started = self._is_complete = False  # the next change starts a new journal
        is_first, self.failure = not self.failure, reason
        if is_first:
            self._warn(f"The journal cannot be written: {reason}.")

    def _probe(self) -> None:
        """Check that a journal can be created in the folder, before there is a text to lose."""
        descriptor, name = self._make_temporary()
        os.close(descriptor)
        Path(name).unlink()

    def _make_temporary(self) -> tuple[int, str]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=self._folder)  # mode 0600

    def _write_new(self, line: bytes) -> None:
        """Write a new journal, then replace the old one by it."""
        descriptor, name = self._make_temporary()
        new = os.fdopen(descriptor, "wb")
        try:
            fcntl.flock(new, fcntl.LOCK_EX)
            new.write(line)
            new.flush()
            os.fsync(descriptor)  # else a loss of power could leave neither the new journal nor the old one
        except OSError:
            with suppress(OSError):  # closing retries the write
                new.close()
            Path(name).unlink()
            raise
        old, self._output, self._is_complete = self._output, new, True
        self._path = Path(name).rename(f"{name}{SUFFIX}") if old is None else Path(name).rename(self._path)
        self.failure = ""
        if old is not None:
            with suppress(OSError):  # closing retries writes that failed
                old.close()

    def _append(self, line: bytes) -> None:
        if self._output is not None:
            self._output.write(line)
            self._output.flush()

    def _remove_adopted(self, path: Path) -> None:
        if self._is_complete:
            path.unlink(missing_ok=True)

    def _remove_own(self) -> None:
        if self._output is not None:
            self._path.unlink(missing_ok=True)
            self._output.close()
            self._output = None


def find_orphaned(folder: Path, file: str | None) -> list[RecoveredText]:
    """Return the unsaved texts of earlier sessions with this file, or with none: newest first."""
    found = [recovered for path in folder.glob(f"*{SUFFIX}") if (recovered := _read(path)) is not None]
    matching = (recovered for recovered in found if recovered.file == file)
    return sorted(matching, key=lambda recovered: recovered.modified, reverse=True)


def remove_oldest(folder: Path) -> int:
    """Remove orphaned journals except the newest `MAX_JOURNALS`; return how many were removed."""
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=_modified_s, reverse=True)
    oldest = [path for path in paths[MAX_JOURNALS:] if _read(path) is not None]
    for path in oldest:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return len(oldest)


def _modified_s(path: Path) -> float:
    with suppress(OSError):  # the session of the journal has just removed it
        return path.stat().st_mtime
    return 0.0


def _read(path: Path) -> RecoveredText | None:
    """Return the text of the journal; None while its session runs, or if the journal is damaged."""
    with suppress(*READ_ERRORS), path.open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
        first, *entries = journal.read().split(b"\n")
        head = json.loads(first)
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()
        return RecoveredText(path, head["file"], _replay(head["text"], entries), modified)
    return None


def _replay(text: str, entries: list[bytes]) -> str:
    """Return the text after the changes, with the last recorded partials inserted.

    A last line without a line end was still being written and is ignored. A damaged entry ends the replay.
    """
    document, partials = Document(text), list[tuple[Position, str]]()
    with suppress(*READ_ERRORS):
        for entry in entries[:-1]:
            change = json.loads(entry)
            if "put" in change:
                document.lines.replace(Position(*change["from"]), Position(*change["to"]), change["put"])
            else:
                partials = [(Position(int(line), int(offset)), str(words)) for line, offset, words in change["said"]]
    for recorded, words in reversed(partials):
        position = document.lines.clamp(recorded)
        document.lines.replace(position, position, words)
    return document.text()
