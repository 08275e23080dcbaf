"""The journal: complete to the sample, also after the process was killed; bounded, private and recoverable."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from stt_client.audio.decode import open_file
from stt_client.audio.journal import (
    MAX_FOLDER_BYTES,
    Journal,
    find_orphaned,
    newest_journal,
    prune,
    pruned_message,
    read_settings,
)
from stt_client.errors import OutputError, SourceError
from stt_client.events import AudioFormat, Settings

FORMAT = AudioFormat(16_000)
SETTINGS = Settings("ru", "Привет.", ("Анна", "Bob"), silence_s=0.7, sensitivity=0.4)
NOISE = np.random.default_rng(0).normal(0, 3_000, 16_000 * 3).astype("<i2").tobytes()
CHUNKS = [NOISE[start : start + 3_200] for start in range(0, len(NOISE), 3_200)]
# Writes the noise and is killed before it can complete the file.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.stt_client.audio.test_journal import CHUNKS, FORMAT, SETTINGS
from stt_client.audio.journal import Journal
journal = Journal(Path(sys.argv[1]), SETTINGS)
for chunk in CHUNKS:
    journal.write(chunk, FORMAT)
os.kill(os.getpid(), signal.SIGKILL)
"""


def journal(folder: Path, file_s: float = 3600) -> Journal:
    """Return a journal whose files are named a second apart."""
    seconds = count()
    return Journal(folder, SETTINGS, lambda: datetime(2026, 11, 25, second=next(seconds), tzinfo=UTC), file_s)


def audio_of(path: Path) -> bytes:
    warnings = list[str]()
    recording = open_file(path, warnings.append)
    audio = b"".join(recording.chunks)
    assert (recording.format, warnings) == (FORMAT, [])
    return audio


def test_journal_contains_the_audio_and_the_settings(tmp_path: Path) -> None:
    writer = journal(tmp_path / "dictations")
    for chunk in CHUNKS:
        writer.write(chunk, FORMAT)
    writer.close()
    (file,) = writer.files
    assert file.name == "dictation-2026-11-25-000000-000.flac"
    assert audio_of(file) == NOISE
    assert read_settings(file) == SETTINGS
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_journals_of_the_same_millisecond_are_separate_and_in_order(tmp_path: Path) -> None:
    files = list[Path]()
    for chunk in CHUNKS[:3]:
        writer = journal(tmp_path)
        writer.write(chunk, FORMAT)
        writer.close()
        files += writer.files
    assert [audio_of(file) for file in files] == CHUNKS[:3]
    assert find_orphaned(tmp_path) == files


def test_killed_process_loses_at_most_the_last_quarter_of_a_second(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=root)
    assert done.returncode == -signal.SIGKILL
    (file,) = find_orphaned(tmp_path)
    audio = audio_of(file)
    assert NOISE.startswith(audio)
    assert FORMAT.duration_ms(len(NOISE) - len(audio)) <= 300
    assert read_settings(file) == SETTINGS


def test_long_dictation_continues_in_the_next_file(tmp_path: Path) -> None:
    writer = journal(tmp_path, file_s=1)
    for chunk in CHUNKS:
        writer.write(chunk, FORMAT)
    writer.close()
    assert len(writer.files) == 3
    assert b"".join(map(audio_of, writer.files)) == NOISE


def test_files_of_an_open_journal_are_not_orphaned(tmp_path: Path) -> None:
    writer = journal(tmp_path, file_s=1)
    for chunk in CHUNKS:
        writer.write(chunk, FORMAT)
    assert (len(writer.files), find_orphaned(tmp_path)) == (3, [])
    writer.close()
    assert find_orphaned(tmp_path) == writer.files


def test_journal_without_audio_is_not_orphaned(tmp_path: Path) -> None:
    (tmp_path / "dictation-1.flac").touch()
    assert find_orphaned(tmp_path) == []
    assert find_orphaned(tmp_path / "missing") == []


def test_file_that_cannot_be_created_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "dictation-2026-11-25-000000-000.flac").symlink_to(tmp_path / "nowhere" / "file")
    writer = journal(tmp_path)
    with pytest.raises(OutputError, match="cannot be written: "):
        writer.write(CHUNKS[0], FORMAT)
    assert writer.files == []


def test_journal_without_audio_creates_no_file(tmp_path: Path) -> None:
    journal(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_pruning_removes_only_the_oldest_journals(tmp_path: Path) -> None:
    for name in ("dictation-1.flac", "dictation-2.flac", "dictation-3.flac", "concert.flac"):
        (tmp_path / name).write_bytes(bytes(100))
    assert prune(tmp_path, max_bytes=250) == [tmp_path / "dictation-1.flac"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["concert.flac", "dictation-2.flac", "dictation-3.flac"]


def test_open_journal_is_not_pruned(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.write(CHUNKS[0], FORMAT)
    assert prune(tmp_path, max_bytes=0) == []
    writer.close()
    assert prune(tmp_path, max_bytes=0) == writer.files


def test_pruned_journals_are_reported(tmp_path: Path) -> None:
    with (tmp_path / "dictation-1.flac").open("wb") as file:
        file.truncate(MAX_FOLDER_BYTES + 1)  # sparse, so it uses no disk space
    writer = journal(tmp_path)
    removed = writer.write(CHUNKS[0], FORMAT)
    writer.close()
    assert pruned_message(removed) == "The journals exceeded 2 GB. Removed the oldest: dictation-1.flac."


def test_folder_that_cannot_be_written_raises_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"the journal in .*file cannot be written: "):
        journal(tmp_path / "file").write(CHUNKS[0], FORMAT)


def test_newest_journal_of_a_folder_is_found(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="contains no journal"):
        newest_journal(tmp_path)
    for name in ("dictation-2.flac", "dictation-3.flac", "dictation-1.flac"):
        (tmp_path / name).touch()
    assert newest_journal(tmp_path).name == "dictation-3.flac"


def test_foreign_file_has_default_settings(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Buy milk.")
    assert read_settings(tmp_path / "notes.txt") == Settings()
    assert read_settings(tmp_path / "missing.flac") == Settings()
