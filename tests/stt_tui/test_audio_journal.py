"""What is said lies on disk until it is text."""

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


def spoken(folder: Path, warnings: list[str]) -> AudioJournal:
    return AudioJournal(folder, SETTINGS, warnings.append)


def test_what_is_not_recognised_is_left_with_what_was_asked_for(tmp_path: Path) -> None:
    kept = spoken(tmp_path / "speech", [])
    for _ in range(5):
        kept.append(1, CHUNK, FORMAT)
    (path,) = kept.close()
    assert b"".join(open_file(path, lambda _: None).chunks) == CHUNK * 5
    assert read_settings(path) == SETTINGS
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_recognised_goes_and_the_rest_stays(tmp_path: Path) -> None:
    kept = spoken(tmp_path, [])
    kept.append(1, CHUNK, FORMAT)
    kept.append(2, CHUNK, FORMAT)
    kept.discard(1)
    kept.discard(3)
    assert kept.close() == list(tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 1


def test_what_an_editor_still_keeps_is_not_left_behind_but_what_it_leaves_is(tmp_path: Path) -> None:
    kept = spoken(tmp_path, [])
    kept.append(1, CHUNK, FORMAT)
    while not any(file.stat().st_size for file in tmp_path.iterdir()):
        time.sleep(0.01)
    assert find_orphaned(tmp_path) == []
    left = kept.close()
    assert find_orphaned(tmp_path) == left


def test_the_command_that_hears_it_again_can_be_given_to_a_shell() -> None:
    assert recover_command(Path("/Application Support/a.flac")) == "stt-cli recover '/Application Support/a.flac'"


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "speech").write_text("a file is in the way")
    warnings = list[str]()
    kept = spoken(tmp_path / "speech", warnings)
    kept.append(1, CHUNK, FORMAT)
    kept.append(1, CHUNK, FORMAT)
    assert kept.close() == []
    (warning,) = warnings
    assert warning.startswith("Audio is not saved to disk: ")


def test_speech_that_is_not_kept_is_a_risk_until_it_is_text(tmp_path: Path) -> None:
    (tmp_path / "speech").write_text("a file is in the way")
    kept = spoken(tmp_path / "speech", [])
    kept.append(1, CHUNK, FORMAT)
    assert kept.close() == []
    assert kept.risk.startswith("audio is not kept: ")
    kept.discard(1)
    assert kept.risk == ""


def test_speech_beyond_what_waits_for_a_disk_that_hangs_is_told(tmp_path: Path) -> None:
    answers, warnings = Event(), list[str]()
    kept = spoken(tmp_path, warnings)
    kept._queue.put(answers.wait)  # type: ignore[arg-type]
    for _ in range(MAX_QUEUED_CHUNKS + 2):
        kept.append(1, CHUNK, FORMAT)
    assert warnings == ["Audio is not saved to disk: the disk does not answer"]
    answers.set()
    kept.close()
    assert kept.risk
