"""Output files: written next to the file and renamed, or in place, never over a non-text file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from stt_cli.output import files as output_file
from stt_cli.output.writers import Folder, OneFile
from stt_client.errors import OutputError

TEXT = "Раз.\n"


def written(
    path: Path, *texts: str, is_complete: bool = True, is_dictation: bool = False, header: str = ""
) -> str | None:
    """Write the texts of one source; return the reported messages."""
    outputs = OneFile(path, is_dictation=is_dictation)
    output = outputs.open("talk.wav", header)
    for text in texts:
        output.write(text)
    output.close(is_complete)
    return outputs.close()


def test_older_text_stays_until_the_new_text_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("older")
    outputs = OneFile(path)
    output = outputs.open("talk.wav", "")
    output.write(TEXT)
    assert (path.read_text(), (tmp_path / "talk.txt.part").read_text()) == ("older", TEXT)
    output.close(is_complete=True)
    assert outputs.close() is None
    assert (path.read_text(), list(tmp_path.iterdir())) == (TEXT, [path])


def test_incomplete_text_is_kept_next_to_the_older_file_and_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("older")
    assert written(path, TEXT, is_complete=False) == f"The text so far is in {path}.part."
    assert path.read_text() == "older"


@pytest.mark.parametrize("older", [None, "older"])
def test_failure_before_any_text_changes_nothing(tmp_path: Path, older: str | None) -> None:
    path = tmp_path / "talk.vtt"
    if older is not None:
        path.write_text(older)
    assert written(path, is_complete=False, header="WEBVTT\n\n") is None
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if older is None else [older])


def test_recording_without_speech_makes_a_new_file_and_keeps_an_older_one(tmp_path: Path) -> None:
    new, old = tmp_path / "new.vtt", tmp_path / "old.vtt"
    old.write_text("older")
    assert written(new, header="WEBVTT\n\n") is None
    assert written(old, header="WEBVTT\n\n") == f"{old} keeps its previous text."
    assert (new.read_text(), old.read_text()) == ("WEBVTT\n\n", "older")


def test_permissions_and_symbolic_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "talk.txt", tmp_path / "link.txt"
    path.write_text("older")
    path.chmod(0o640)
    link.symlink_to(path)
    written(link, TEXT)
    assert link.is_symlink()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (TEXT, 0o640)


def test_hard_links_are_kept(tmp_path: Path) -> None:
    path, other = tmp_path / "talk.txt", tmp_path / "other.txt"
    path.write_text("older and longer than the new text")
    other.hardlink_to(path)
    written(path, TEXT)
    assert (path.read_text(), other.read_text()) == (TEXT, TEXT)
    assert not (tmp_path / "talk.txt.part").exists()


def test_text_left_by_a_killed_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "talk.txt.part").write_text("left behind")
    written(tmp_path / "talk.txt", TEXT)
    assert (tmp_path / "talk.txt.part").read_text() == "left behind"
    assert (tmp_path / "talk.txt").read_text() == TEXT


def test_new_file_of_a_dictation_grows_in_place(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    outputs = OneFile(path, is_dictation=True)
    output = outputs.open("microphone", "")
    assert not path.exists()
    output.write(TEXT)
    assert path.read_text() == TEXT
    output.write(TEXT)
    output.close(is_complete=False)
    assert outputs.close() is None
    assert path.read_text() == 2 * TEXT


def test_name_as_long_as_the_file_system_allows_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("я" * 127)
    written(path, TEXT)
    assert (path.read_text(), list(tmp_path.iterdir())) == (TEXT, [path])


@pytest.mark.parametrize("name", ["no/talk.txt", "n" * 256])
def test_file_that_cannot_be_made_is_an_error_before_anything_starts(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: (No such file|File name too long)"):
        OneFile(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"RIFF\x24\0\0\0WAVE", b"\xff\xfb\x90\x64mp3", b"ID3\x04\0", "Größe".encode("latin-1")]
)
def test_non_text_file_is_never_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=r"a\.wav is not a text file and is not overwritten"):
        OneFile(path)
    output = Folder(tmp_path, ".wav").open("a", "")
    output.write(TEXT)
    output.close(is_complete=True)
    assert (path.read_bytes(), (tmp_path / "a-2.wav").read_text()) == (content, TEXT)


def test_character_split_at_the_end_of_the_checked_bytes_is_still_text(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    for shift in range(4):
        path.write_text("a" * shift + "я€😀" * output_file.HEAD_BYTES)
        assert output_file.is_text_file(path)


def test_input_is_never_overwritten_by_whatever_name(tmp_path: Path) -> None:
    recording, link = tmp_path / "talk.txt", tmp_path / "other.txt"
    recording.write_text("raw audio that looks like text")
    link.hardlink_to(recording)
    with pytest.raises(OutputError, match="would overwrite the recording"):
        OneFile(link, [str(recording)])
    output = Folder(tmp_path, ".txt", [str(recording)]).open("talk.txt", "")
    output.write(TEXT)
    output.close(is_complete=True)
    assert (tmp_path / "talk-2.txt").read_text() == TEXT


def test_name_that_is_too_long_with_its_suffix_is_shortened_and_stays_unique(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "texts", ".jsonl")
    for ending in "ab":
        output = folder.open("n" * 250 + ending + ".wav", "")
        output.write(ending)
        output.close(is_complete=True)
    files = sorted((tmp_path / "texts").iterdir())
    assert sorted(file.read_text() for file in files) == ["a", "b"]
    assert all(file.suffix == ".jsonl" and len(file.name) <= 255 for file in files)


def test_name_that_is_not_utf_8_is_written_as_a_json_escape(tmp_path: Path) -> None:
    written(tmp_path / "talk.jsonl", '{"file": "caf\udce9.wav"}\n')
    assert (tmp_path / "talk.jsonl").read_bytes() == b'{"file": "caf\\udce9.wav"}\n'


def test_full_disk_keeps_the_older_text_and_the_partial_new_text(tmp_path: Path) -> None:
    """/dev/full stands in for a full disk: it opens, and every write fails."""
    path = tmp_path / "talk.txt"
    path.symlink_to("/dev/full")
    outputs = OneFile(path)
    output = outputs.open("talk.wav", "")
    with pytest.raises(OutputError, match=r"talk\.txt cannot be written: No space left on device\."):
        output.write(TEXT)
    output.close(is_complete=False)
    assert outputs.close() is None


def test_file_at_the_folder_path_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("")
    with pytest.raises(OutputError, match="texts is not a folder"):
        Folder(tmp_path / "texts", ".txt")
