"""What is said and not yet text, on disk: a journal of stt-cli for each dictation, removed once it is recognised.

A thread writes, so that a key never waits for a disk. What is left can be recognised with `stt-cli recover`.
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

MAX_WAITING = 600  # chunks, a minute, for a disk that hangs; what it does not take is recognised all the same


class AudioJournal:
    def __init__(self, folder: Path, settings: Settings, warn: Callable[[str], None]) -> None:
        """`warn` hears, on the writer's thread, when it cannot be written."""
        self._folder = folder
        self._settings = settings
        self._warn = warn
        self._journals: dict[int, Journal] = {}  # the writer's
        self._pending = set[int]()  # dictations of which something is no text yet
        self.failure = ""  # why what is said is not kept, or not all of it; the writer's
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()  # bounded by MAX_WAITING
        self._thread = Thread(target=self._write_all, daemon=True, name="spoken")
        self._thread.start()

    def keep(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None:
        """Keep what the dictation's microphone heard, 16-bit mono."""
        self._pending.add(dictation)
        if self._work.qsize() >= MAX_WAITING:
            self._fail("the disk does not answer")
        else:
            self._work.put(partial(self._write, dictation, chunk, audio_format))

    def forget(self, dictation: int) -> None:
        """All of it is text."""
        self._pending.discard(dictation)
        self._work.put(partial(self._remove, dictation))

    @property
    def risk(self) -> str:
        """What one must know while speech is neither text nor kept."""
        return f"what is said is not kept: {self.failure}" if self._pending and self.failure else ""

    def close(self, timeout_s: float = 5.0) -> list[Path]:
        """Complete what is left; return its files."""
        self._work.put(None)
        self._thread.join(timeout_s)
        return [file for journal in self._journals.values() for file in journal.files]

    def _write_all(self) -> None:
        while (work := self._work.get()) is not None:
            self._try(work)
        for journal in self._journals.values():
            self._try(journal.close)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (OutputError, OSError) as error:
            self._fail(str(error))
        except Exception as error:  # or nothing would be kept from here on
            self._fail(repr(error))

    def _fail(self, reason: str) -> None:
        """Tell it once: a chunk comes ten times a second."""
        if not self.failure:
            self.failure = reason.rstrip(".")
            self._warn(f"What is said is not kept on disk: {reason}")

    def _write(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None:
        from stt_client.audio.journal import Journal, pruned_message

        if dictation not in self._journals:
            self._journals[dictation] = Journal(self._folder, self._settings)
        if gone := self._journals[dictation].write(chunk, audio_format):
            self._warn(pruned_message(gone))

    def _remove(self, dictation: int) -> None:
        journal = self._journals.pop(dictation, None)
        if journal is not None:
            for file in journal.files:  # while it is locked: nobody takes it for left behind
                file.unlink(missing_ok=True)
            journal.close()


def retry_command(speech: Path) -> str:
    """Return the command that recognises it."""
    return f"stt-cli recover {shlex.quote(str(speech))}"
