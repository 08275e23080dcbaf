"""Dictated audio on disk until it is recognized: one audio journal per dictation, removed once all of it is text.

A thread writes, so that a key never waits for the disk. `stt-cli recover` recognizes the journals that are left.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from stt_client.errors import OutputError
from stt_client.events import AudioFormat, Settings

if TYPE_CHECKING:
    from stt_client.audio.journal import Journal

MAX_QUEUED_CHUNKS = 600  # one minute, for a stalled disk; further chunks are recognized but not saved


class AudioJournal:
    def __init__(self, folder: Path, settings: Settings, warn: Callable[[str], None]) -> None:
        """`warn` is called on the writer's thread when a journal cannot be written."""
        self._folder = folder
        self._settings = settings
        self._warn = warn
        self._journals: dict[int, Journal] = {}  # owned by the writer's thread
        self._pending = set[int]()  # dictations with audio that is not yet text
        self.failure = ""  # why some audio is not on disk; set by the writer's thread
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()  # bounded by MAX_WAITING
        self._thread = Thread(target=self._run_writer, daemon=True, name="audio-journal")
        self._thread.start()

    def append(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None:
        """Queue a chunk of the dictation's audio for writing, 16-bit mono."""
        self._pending.add(dictation)
        if self._queue.qsize() >= MAX_QUEUED_CHUNKS:
            self._fail("the disk does not answer")
        else:
            self._queue.put(partial(self._write, dictation, chunk, audio_format))

    def discard(self, dictation: int) -> None:
        """Remove the dictation's files: all of its audio is text."""
        self._pending.discard(dictation)
        self._queue.put(partial(self._remove, dictation))

    @property
    def risk(self) -> str:
        """Warning while some audio is neither text nor on disk; otherwise empty."""
        return f"audio is not kept: {self.failure}" if self._pending and self.failure else ""

    def close(self, timeout_s: float = 5.0) -> list[Path]:
        """Complete the remaining journals and return their files."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return [file for journal in self._journals.values() for file in journal.files]

    def _run_writer(self) -> None:
        while (work := self._queue.get()) is not None:
            self._run_job(work)
        for journal in self._journals.values():
            self._run_job(journal.close)

    def _run_job(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (OutputError, OSError) as error:
            self._fail(str(error))
        except Exception as error:  # the thread must go on, or no later audio would be saved
            self._fail(repr(error))

    def _fail(self, reason: str) -> None:
        """Warn about the first failure only: ten chunks arrive per second."""
        if not self.failure:
            self.failure = reason.rstrip(".")
            self._warn(f"Audio is not saved to disk: {reason}")

    def _write(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None:
        from stt_client.audio.journal import Journal, pruned_message

        if dictation not in self._journals:
            self._journals[dictation] = Journal(self._folder, self._settings)
        if removed := self._journals[dictation].write(chunk, audio_format):
            self._warn(pruned_message(removed))

    def _remove(self, dictation: int) -> None:
        journal = self._journals.pop(dictation, None)
        if journal is not None:
            for file in journal.files:  # still locked, so no other session can take it for orphaned
                file.unlink(missing_ok=True)
            journal.close()


def recover_command(recording: Path) -> str:
    """Return the shell command that recognizes the recording."""
    return f"stt-cli recover {shlex.quote(str(recording))}"
