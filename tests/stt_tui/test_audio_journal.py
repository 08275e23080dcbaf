"""Audio stays on disk until it is recognized."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import numpy as np

from stt_client.audio.decode import open_file
from stt_client.audio.journal import find_orphaned, read_settings
from stt_client.events import AudioFormat, Settings
from stt_tui.audio_journal import MAX_QUEUED_CHUNKS, AudioJournal, recover_command

FORMAT = AudioFormat()
SETTINGS = Settings(language="ru")
CHUNK = np.arange(-800, 800, dtype=np.int16).tobytes()


def open_journal(folder: Path, warnings: list[str]) -> AudioJournal:
    return AudioJournal(folder, SETTINGS, warnings.append)


def test_unrecognized_audio_stays_on_disk_with_its_settings(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "speech", [])
    for _ in range(5):
        journal.append(1, CHUNK, FORMAT)
    (path,) = journal.close()
    assert b"".join(open_file(path, lambda _: None).chunks) == CHUNK * 5
    assert read_settings(path) == SETTINGS
    assert path.stat().st_mode & 0o777 == 0o600


def test_recognized_audio_is_deleted_and_other_audio_stays(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, [])
    journal.append(1, CHUNK, FORMAT)
    journal.append(2, CHUNK, FORMAT)
    journal.discard(1)
    journal.discard(3)
    assert journal.close() == list(tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 1


def test_audio_of_a_running_editor_is_not_orphaned_until_the_editor_closes(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, [])
    journal.append(1, CHUNK, FORMAT)
    while not any(file.stat().st_size for file in tmp_path.iterdir()):
        time.sleep(0.01)
    assert find_orphaned(tmp_path) == []
    recordings = journal.close()
    assert find_orphaned(tmp_path) == recordings


def test_recover_command_is_quoted_for_a_shell() -> None:
    assert recover_command(Path("/Application Support/a.flac")) == "stt-cli recover '/Application Support/a.flac'"


def test_failed_write_warns_once(tmp_path: Path) -> None:
    (tmp_path / "speech").write_text("a file is in the way")
    warnings = list[str]()
    journal = open_journal(tmp_path / "speech", warnings)
    journal.append(1, CHUNK, FORMAT)
    journal.append(1, CHUNK, FORMAT)
    assert journal.close() == []
    (warning,) = warnings
    assert warning.startswith("Audio is not saved to disk: ")


def test_unsaved_audio_is_a_risk_until_it_is_recognized(tmp_path: Path) -> None:
    (tmp_path / "speech").write_text("a file is in the way")
    journal = open_journal(tmp_path / "speech", [])
    journal.append(1, CHUNK, FORMAT)
    assert journal.close() == []
    assert journal.risk.startswith("audio is not kept: ")
    journal.discard(1)
    assert journal.risk == ""


def test_full_write_queue_of_a_stalled_disk_warns(tmp_path: Path) -> None:
    answers, warnings = Event(), list[str]()
    journal = open_journal(tmp_path, warnings)
    journal._queue.put(answers.wait)  # type: ignore[arg-type]
    for _ in range(MAX_QUEUED_CHUNKS + 2):
        journal.append(1, CHUNK, FORMAT)
    assert warnings == ["Audio is not saved to disk: the disk does not answer"]
    answers.set()
    journal.close()
    assert journal.risk
