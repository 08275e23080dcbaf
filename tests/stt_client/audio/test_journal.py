"""The journal: what was heard, to the sample, also where the process was killed; bounded, private, and retried."""

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
# Keeps the noise and is killed before it can complete the file.
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
    """Return a journal whose files begin a second after each other."""
    seconds = count()
    return Journal(folder, SETTINGS, lambda: datetime(2026, 11, 25, second=next(seconds), tzinfo=UTC), file_s)


def kept(path: Path) -> bytes:
    warnings = list[str]()
    recording = open_file(path, warnings.append)
    sound = b"".join(recording.chunks)
    assert (recording.format, warnings) == (FORMAT, [])
    return sound


def test_a_journal_is_what_was_heard_and_what_was_asked_for(tmp_path: Path) -> None:
    written = journal(tmp_path / "dictations")
    for chunk in CHUNKS:
        written.write(chunk, FORMAT)
    written.close()
    (file,) = written.files
    assert file.name == "dictation-2026-11-25-000000-000.flac"
    assert kept(file) == NOISE
    assert read_settings(file) == SETTINGS
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_journals_begun_in_the_same_millisecond_keep_each_its_own_and_their_order(tmp_path: Path) -> None:
    files = list[Path]()
    for chunk in CHUNKS[:3]:
        written = journal(tmp_path)
        written.write(chunk, FORMAT)
        written.close()
        files += written.files
    assert [kept(file) for file in files] == CHUNKS[:3]
    assert find_orphaned(tmp_path) == files


def test_what_was_heard_until_a_quarter_of_a_second_before_a_kill_is_there(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=root)
    assert done.returncode == -signal.SIGKILL
    (file,) = find_orphaned(tmp_path)
    sound = kept(file)
    assert NOISE.startswith(sound)
    assert FORMAT.duration_ms(len(NOISE) - len(sound)) <= 300
    assert read_settings(file) == SETTINGS


def test_a_long_dictation_goes_on_in_another_file(tmp_path: Path) -> None:
    written = journal(tmp_path, file_s=1)
    for chunk in CHUNKS:
        written.write(chunk, FORMAT)
    written.close()
    assert len(written.files) == 3
    assert b"".join(map(kept, written.files)) == NOISE


def test_all_files_of_a_journal_are_left_behind_only_once_it_is_closed(tmp_path: Path) -> None:
    written = journal(tmp_path, file_s=1)
    for chunk in CHUNKS:
        written.write(chunk, FORMAT)
    assert (len(written.files), find_orphaned(tmp_path)) == (3, [])
    written.close()
    assert find_orphaned(tmp_path) == written.files


def test_a_journal_in_which_no_sound_came_to_lie_is_not_left_behind(tmp_path: Path) -> None:
    (tmp_path / "dictation-1.flac").touch()
    assert find_orphaned(tmp_path) == []
    assert find_orphaned(tmp_path / "missing") == []


def test_a_file_that_cannot_be_begun_is_none_of_the_journals(tmp_path: Path) -> None:
    (tmp_path / "dictation-2026-11-25-000000-000.flac").symlink_to(tmp_path / "nowhere" / "file")
    written = journal(tmp_path)
    with pytest.raises(OutputError, match="cannot be written: "):
        written.write(CHUNKS[0], FORMAT)
    assert written.files == []


def test_nothing_heard_leaves_no_file(tmp_path: Path) -> None:
    journal(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_go_where_there_are_too_many_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("dictation-1.flac", "dictation-2.flac", "dictation-3.flac", "concert.flac"):
        (tmp_path / name).write_bytes(bytes(100))
    assert prune(tmp_path, max_bytes=250) == [tmp_path / "dictation-1.flac"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["concert.flac", "dictation-2.flac", "dictation-3.flac"]


def test_a_journal_that_is_being_written_does_not_go(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.write(CHUNKS[0], FORMAT)
    assert prune(tmp_path, max_bytes=0) == []
    written.close()
    assert prune(tmp_path, max_bytes=0) == written.files


def test_which_journals_went_is_told(tmp_path: Path) -> None:
    with (tmp_path / "dictation-1.flac").open("wb") as file:
        file.truncate(MAX_FOLDER_BYTES + 1)  # takes no room on the disk
    written = journal(tmp_path)
    gone = written.write(CHUNKS[0], FORMAT)
    written.close()
    assert pruned_message(gone) == "The journals exceeded 2 GB. Removed the oldest: dictation-1.flac."


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"the journal in .*file cannot be written: "):
        journal(tmp_path / "file").write(CHUNKS[0], FORMAT)


def test_the_newest_journal_of_a_folder_is_found(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="contains no journal"):
        newest_journal(tmp_path)
    for name in ("dictation-2.flac", "dictation-3.flac", "dictation-1.flac"):
        (tmp_path / name).touch()
    assert newest_journal(tmp_path).name == "dictation-3.flac"


def test_a_recording_of_others_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Buy milk.")
    assert read_settings(tmp_path / "notes.txt") == Settings()
    assert read_settings(tmp_path / "missing.flac") == Settings()
