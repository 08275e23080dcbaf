"""Saves microphone audio as it is recorded, in FLAC files that are complete up to the last quarter of a second.

A file contains the settings of recognition, so that `stt-cli recover FILE` uses the same. It is locked while its
journal is open, so a file without a lock is orphaned.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from pathlib import Path

from stt_client.errors import OutputError, SourceError
from stt_client.events import AudioFormat, Settings

MAX_FILE_S = 3600  # then the next file is started
MAX_FOLDER_BYTES = 2_000_000_000  # about ten hours at 48 kHz; then the oldest are removed
NAME_PATTERN = "dictation-*.flac"
SETTINGS_TAG = "stt_settings"


def local_time() -> datetime:
    return datetime.now().astimezone()


class Journal:
    """The files of one microphone; the first is created with the first audio."""

    def __init__(
        self, folder: Path, settings: Settings, now: Callable[[], datetime] = local_time, max_file_s: float = MAX_FILE_S
    ) -> None:
        self.files = list[Path]()
        self._folder = folder
        self._settings = settings
        self._now = now
        self._max_file_s = max_file_s
        self._file: _File | None = None
        self._locks = ExitStack()

    def write(self, chunk: bytes, audio_format: AudioFormat) -> list[Path]:
        """Write a chunk of 16-bit mono; return the oldest journals of the folder, if they were removed for space.

        Raises:
            OutputError: The journal cannot be written.
        """
        try:
            if self._file is not None and self._file.written_s >= self._max_file_s:
                self._close_file()
            removed = list[Path]()
            if self._file is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                removed = prune(self._folder)
                self._file = self._open_file(audio_format.sample_rate_hz)
            self._file.write(chunk)
            return removed
        except OSError as error:
            raise OutputError(f"the journal in {self._folder} cannot be written: {error.strerror or error}.") from error

    def close(self) -> None:
        """Complete the file; without it, only its end and its length are missing."""
        with self._locks:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _open_file(self, rate_hz: int) -> _File:
        path = self._create_path()
        fcntl.flock(self._locks.enter_context(path.open("ab")), fcntl.LOCK_EX)
        file = _File(path, rate_hz, self._settings)
        self.files.append(path)
        return file

    def _create_path(self) -> Path:
        """Create a file named by the time, or by the next millisecond without a journal."""
        begun = self._now()
        while True:
            path = self._folder / NAME_PATTERN.replace("*", begun.strftime("%Y-%m-%d-%H%M%S-%f")[:-3])
            try:
                path.touch(mode=0o600, exist_ok=False)  # a voice is private
            except FileExistsError:
                begun += timedelta(milliseconds=1)
            else:
                return path


class _File:
    def __init__(self, path: Path, rate_hz: int, settings: Settings) -> None:
        import av  # half a second

        self._container = av.open(str(path), "w", format="flac", options={"flush_packets": "1"})
        self._container.metadata[SETTINGS_TAG] = json.dumps(asdict(settings), ensure_ascii=False)
        self._stream = self._container.add_stream("flac", rate=rate_hz, layout="mono")
        self._rate_hz = rate_hz
        self._samples = 0

    @property
    def written_s(self) -> float:
        return self._samples / self._rate_hz

    def write(self, chunk: bytes) -> None:
        from av import AudioFrame

        frame = AudioFrame(format="s16", layout="mono", samples=len(chunk) // 2)
        frame.sample_rate, frame.pts = self._rate_hz, self._samples
        frame.planes[0].update(chunk.ljust(frame.planes[0].buffer_size, b"\0"))
        self._samples += frame.samples
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        with self._container:
            self._container.mux(self._stream.encode(None))


def prune(folder: Path, max_bytes: int = MAX_FOLDER_BYTES) -> list[Path]:
    """Remove the oldest orphaned journals until all take at most `max_bytes`; return the removed ones."""
    total_bytes = sum(file.stat().st_size for file in folder.glob(NAME_PATTERN))
    removed = list[Path]()
    for file in find_orphaned(folder):
        if total_bytes <= max_bytes:
            break
        total_bytes -= file.stat().st_size
        file.unlink()
        removed.append(file)
    return removed


def pruned_message(removed: list[Path]) -> str:
    """Return a message about removed journals."""
    names = removed[0].name if len(removed) == 1 else f"{removed[0].name} to {removed[-1].name}"
    return f"The journals exceeded 2 GB. Removed the oldest: {names}."


def find_orphaned(folder: Path) -> list[Path]:
    """Return the folder's journals that no process writes, oldest first."""
    return [file for file in sorted(folder.glob(NAME_PATTERN)) if _is_orphaned(file)]


def _is_orphaned(file: Path) -> bool:
    with suppress(OSError), file.open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return file.stat().st_size > 0  # an empty one is just being created
    return False


def newest_journal(folder: Path) -> Path:
    """Return the folder's newest journal.

    Raises:
        SourceError: There is none.
    """
    files = sorted(folder.glob(NAME_PATTERN))
    if not files:
        raise SourceError(f"{folder} contains no journal ({NAME_PATTERN}).")
    return files[-1]


def read_settings(path: Path) -> Settings:
    """Return the settings in the file; without any, the server's defaults."""
    import av

    try:
        with av.open(str(path)) as container:
            saved = json.loads(container.metadata.get(SETTINGS_TAG, "{}"))
            known = {field.name: saved[field.name] for field in fields(Settings) if field.name in saved}
            return Settings(**{**known, "hotwords": tuple(known.get("hotwords", ()))})
    except (OSError, ValueError, TypeError):
        return Settings()
