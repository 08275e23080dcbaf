"""Opening and saving: whole or not at all, and as it was but for the text."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tui_texts import texts

from stt_tui.files import ChangedOnDisk, FileError, TextFile, new_name, overwrite, read, save


def test_a_file_that_does_not_exist_is_empty_and_is_made(tmp_path: Path) -> None:
    file, text = read(tmp_path / "new.txt")
    assert text == ""
    save(file, "Новое.\n")
    assert (tmp_path / "new.txt").read_bytes() == "Новое.\n".encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_what_is_saved_is_what_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.unlink(missing_ok=True)
    save(TextFile(path), text)
    assert read(path)[1] == text


@pytest.mark.parametrize("content", [b"a\r\nb\r\n", b"\xef\xbb\xbfa\r\nb", b"a\nb", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_stay(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    file, text = read(path)
    assert "\r" not in text
    save(file, text)
    assert path.read_bytes() == content


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "notes.txt", tmp_path / "link"
    path.write_text("a")
    path.chmod(0o640)
    link.symlink_to(path)
    file, _ = read(link)
    save(file, "b")
    assert (path.read_text(), path.stat().st_mode & 0o777, link.is_symlink()) == ("b", 0o640, True)


def test_a_file_that_another_program_changed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    file, _ = read(path)
    path.write_text("other")
    with pytest.raises(ChangedOnDisk, match=r"notes\.txt was changed by another program"):
        save(file, "mine")
    assert path.read_text() == "other"


def test_overwriting_keeps_a_copy_of_the_other(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("other")
    file = overwrite(TextFile(path), "mine")
    assert (path.read_text(), (tmp_path / "notes.txt~").read_text()) == ("mine", "other")
    save(file, "mine again")


def test_saving_twice_is_no_change_by_another(tmp_path: Path) -> None:
    file = save(TextFile(tmp_path / "notes.txt"), "one")
    assert read(save(file, "two").path)[1] == "two"


def test_a_file_that_is_no_text_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(FileError, match=r"talk\.wav is no text in UTF-8 \(byte 4\)"):
        read(path)


def test_a_folder_that_is_not_there_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        save(TextFile(tmp_path / "nowhere" / "notes.txt"), "a")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_by_now_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    file = save(read(folder / "a.txt")[0], "One.")
    file.path.unlink()
    folder.rmdir()
    folder.touch()
    for write in (save, overwrite):
        with pytest.raises(FileError, match="cannot be written: Not a directory"):
            write(file, "Two.")


def test_a_new_name_is_free(tmp_path: Path) -> None:
    now = datetime.fromisoformat("2026-11-25T20:41:05+00:00")
    first = new_name(tmp_path, now)
    assert first.name == "dictation-2026-11-25-204105.txt"
    first.touch()
    assert new_name(tmp_path, now).name == "dictation-2026-11-25-204105-2.txt"
