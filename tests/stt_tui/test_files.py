"""Opening and saving change only the text of a file."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import chdir
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt_tui.document import Document
from stt_tui.files import (
    ChangedOnDiskError,
    FileError,
    NotTextError,
    TextFile,
    copy_name,
    is_read_only,
    new_name,
    overwrite,
    read,
    save,
)
from tests.support.environment.full_disk import limited_file_size
from tests.support.terminal.tui_texts import texts

CASES = int(os.environ.get("EDITOR_FUZZ_CASES", "150"))
PIECES = [
    b"a",
    b"\n",
    b"\r\n",
    b"\r",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xc3\xa9",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xff\xfe",
    b"\x0c",
]


def test_missing_file_opens_empty_and_is_created_on_save(tmp_path: Path) -> None:
    file, text = read(tmp_path / "new.txt")
    assert text == ""
    save(file, "Новое.\n")
    assert (tmp_path / "new.txt").read_bytes() == "Новое.\n".encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_saved_text_is_read_back_unchanged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.unlink(missing_ok=True)
    save(TextFile(path), text)
    assert read(path)[1] == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=CASES, deadline=None)
@given(st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)))
def test_any_file_is_rejected_or_saved_without_changes_other_than_the_edit(tmp_path: Path, content: bytes) -> None:
    """This covers mixed line ends, a byte order mark, control characters and a last line without a line end."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    try:
        file, text = read(path)
    except NotTextError:
        content.decode(errors="replace").index("\ufffd")
        return
    document = Document(text)
    file = save(file, document.text())
    assert path.read_bytes() == content
    document.move(document.lines.end)
    document.type("!")
    save(file, document.text())
    assert path.read_bytes() == content + b"!"


def test_save_keeps_hard_links(tmp_path: Path) -> None:
    path, link = tmp_path / "notes.txt", tmp_path / "link"
    path.write_text("a longer text")
    link.hardlink_to(path)
    save(read(path)[0], "b")
    assert (link.read_text(), path.stat().st_ino) == ("b", link.stat().st_ino)


def test_save_keeps_extended_attributes(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    try:
        os.setxattr(path, "user.origin", b"kept")
    except (AttributeError, OSError):
        pytest.skip("no extended attributes here")
    save(read(path)[0], "b")
    assert os.getxattr(path, "user.origin") == b"kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root saves another's file")
def test_save_keeps_owner_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    os.chown(path, 1234, 2345)
    path.chmod(0o6751)
    save(read(path)[0], "b")
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 2345, 0o6751)


def test_save_to_a_dangling_link_creates_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "notes.txt")
    file, text = read(link)
    assert text == ""
    save(file, "a")
    assert ((tmp_path / "notes.txt").read_text(), link.is_symlink()) == ("a", True)


def test_new_file_gets_the_default_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    save(TextFile(tmp_path / "notes.txt"), "a")
    assert (tmp_path / "notes.txt").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_read_only_file_is_not_written_and_the_error_names_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    path.chmod(0o444)
    file, _ = read(path)
    assert is_read_only(path)
    for write in (save, overwrite):
        with pytest.raises(FileError, match=r"notes\.txt is read-only: run `chmod u\+w` to allow saving"):
            write(file, "b")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("a", [path])


def fifo(path: Path) -> None:
    os.mkfifo(path)


def made_folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound, chdir(path.parent):
        bound.bind(path.name)


@pytest.mark.parametrize(("make", "kind"), [(fifo, "a FIFO"), (made_folder, "a folder"), (listening, "a socket")])
def test_path_that_is_not_a_regular_file_is_neither_opened_nor_replaced(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    path = tmp_path / "notes"
    path.write_text("a")
    file, _ = read(path)
    path.unlink()
    make(path)
    mode = path.stat().st_mode
    for use in (lambda: read(path), lambda: save(file, "b"), lambda: overwrite(file, "b")):
        with pytest.raises(FileError, match=f"notes is {kind}: stt-tui edits regular files only"):
            use()
    assert (path.stat().st_mode, list(tmp_path.iterdir())) == (mode, [path])


def test_device_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (Path("/dev/null"), tmp_path / "link"):
        with pytest.raises(FileError, match="is a character device"):
            read(path)


@pytest.mark.parametrize("length", [30, 5_000])
def test_full_disk_leaves_the_file_unchanged(tmp_path: Path, length: int) -> None:
    """A limit on the size of files stands in for the disk."""
    path, copy = tmp_path / "notes.txt", tmp_path / "new.txt"
    path.write_text("a" * length)
    file, _ = read(path)
    with limited_file_size(max(length, 4_096)):
        for written in (file, TextFile(copy)):
            with pytest.raises(FileError, match="cannot be written: File too large"):
                save(written, "b" * 10_000)
    assert (path.read_text(), copy.exists()) == ("a" * length, False)
    save(file, "shorter")
    assert path.read_text() == "shorter"


def test_save_keeps_permissions_and_symbolic_links(tmp_path: Path) -> None:
    path, link = tmp_path / "notes.txt", tmp_path / "link"
    path.write_text("a")
    path.chmod(0o640)
    link.symlink_to(path)
    file, _ = read(link)
    save(file, "b")
    assert (path.read_text(), path.stat().st_mode & 0o777, link.is_symlink()) == ("b", 0o640, True)


def test_file_changed_by_another_program_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    file, _ = read(path)
    path.write_text("other")
    with pytest.raises(ChangedOnDiskError, match=r"notes\.txt was changed by another program"):
        save(file, "mine")
    assert path.read_text() == "other"


def test_change_with_the_same_size_and_time_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    file, _ = read(path)
    times = path.stat()
    path.write_text("b")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ChangedOnDiskError):
        save(file, "mine")


def test_file_that_was_only_touched_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a")
    file, _ = read(path)
    os.utime(path, (1, 1))
    path.chmod(0o600)
    save(file, "b")


def test_file_removed_or_created_by_another_program_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    file = save(TextFile(path), "a")
    path.unlink()
    with pytest.raises(ChangedOnDiskError, match=r"notes\.txt was removed by another program"):
        save(file, "b")
    overwrite(file, "b")
    with pytest.raises(ChangedOnDiskError, match=r"notes\.txt was created by another program"):
        save(TextFile(path), "c")
    assert path.read_text() == "b"


def test_backup_copy_replaces_no_existing_file(tmp_path: Path) -> None:
    path, victim = tmp_path / "notes.txt", tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "notes.txt~").symlink_to(victim)
    (tmp_path / "notes.txt~2").hardlink_to(victim)
    (tmp_path / "notes.txt~3").symlink_to(tmp_path / "nowhere")
    path.write_text("other")
    path.chmod(0o640)
    assert copy_name(path) == (copy := tmp_path / "notes.txt~4")
    overwrite(TextFile(path), "mine")
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("other", 0o640)
    assert (victim.read_text(), path.read_text()) == ("precious", "mine")
    assert not (tmp_path / "nowhere").exists()


def test_overwrite_keeps_a_copy_of_the_other_version(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("other")
    file = overwrite(TextFile(path), "mine")
    assert (path.read_text(), (tmp_path / "notes.txt~").read_text()) == ("mine", "other")
    save(file, "mine again")


def test_second_save_is_not_a_change_by_another_program(tmp_path: Path) -> None:
    file = save(TextFile(tmp_path / "notes.txt"), "one")
    assert read(save(file, "two").path)[1] == "two"


def test_binary_file_is_rejected_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(FileError, match=r"talk\.wav is not UTF-8 text \(invalid byte at offset 4\)"):
        read(path)


def test_save_into_a_missing_folder_fails_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        save(TextFile(tmp_path / "nowhere" / "notes.txt"), "a")
    assert list(tmp_path.iterdir()) == []


def test_save_into_a_folder_that_became_a_file_fails(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    file = save(read(folder / "a.txt")[0], "One.")
    file.path.unlink()
    folder.rmdir()
    folder.touch()
    for write in (save, overwrite):
        with pytest.raises(FileError, match="cannot be written: Not a directory"):
            write(file, "Two.")


def test_new_name_is_not_in_use(tmp_path: Path) -> None:
    now = datetime.fromisoformat("2026-11-25T20:41:05+00:00")
    first = new_name(tmp_path, now)
    assert first.name == "dictation-2026-11-25-204105.txt"
    first.touch()
    assert new_name(tmp_path, now).name == "dictation-2026-11-25-204105-2.txt"
