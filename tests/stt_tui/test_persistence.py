"""Saving, and recovery of earlier sessions: nothing is deleted unless the user asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from stt_client.events import AudioFormat, Settings
from stt_tui.__main__ import open_file
from stt_tui.audio_journal import AudioJournal
from stt_tui.document import Document
from stt_tui.files import NotTextError, TextFile, read
from stt_tui.journal import MAX_JOURNALS
from stt_tui.persistence import MAX_LISTED_RECORDINGS, Persistence, format_word_count
from stt_tui.status import Status


class Session:
    """An editor's session in a folder, with or without a file."""

    def __init__(self, folder: Path, name: str | None = None) -> None:
        file, text = read(folder / name) if name else (None, "")
        self.document = Document(text)
        self.status = Status()
        self.messages = list[str]()
        self.persistence = Persistence(self.document, file, folder, self.status, self._show)

    def _show(self, sentence: str, detail: str = "") -> None:
        self.messages.append(f"{sentence}  {detail}".rstrip())

    def write(self, text: str) -> None:
        self.document.move(self.document.lines.end)
        self.document.type(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the current folder, which also holds the temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with chdir(tmp_path):
        yield tmp_path


async def test_save_writes_the_file_and_shows_it_in_the_status_line(folder: Path) -> None:
    session = Session(folder, "notes.txt")
    session.write("One.")
    assert (session.status.name, session.persistence.is_saved) == ("notes.txt*", False)
    await session.persistence.save()
    assert (folder / "notes.txt").read_text() == "One."
    assert session.messages == ["Saved notes.txt"]
    assert (session.status.name, session.persistence.is_saved) == ("notes.txt", True)
    assert not session.persistence.close()


async def test_save_creates_a_file_name_for_an_unnamed_text(folder: Path) -> None:
    session = Session(folder)
    session.write("One.")
    await session.persistence.save()
    (file,) = await asyncio.to_thread(lambda: list(folder.glob("dictation-*.txt")))
    assert (file.read_text(), session.status.name) == ("One.", file.name)
    session.persistence.close()


async def test_file_changed_by_another_program_is_overwritten_only_by_a_second_save(folder: Path) -> None:
    session = Session(folder, "notes.txt")
    session.write("Mine.")
    (folder / "notes.txt").write_text("Other.")
    await session.persistence.save()
    assert (folder / "notes.txt").read_text() == "Other."
    assert session.messages[-1] == (
        "notes.txt was created by another program: Ctrl+S again writes yours  and keeps the other version as notes.txt~"
    )
    await session.persistence.save()
    assert ((folder / "notes.txt").read_text(), (folder / "notes.txt~").read_text()) == ("Mine.", "Other.")
    session.persistence.close()


async def test_failed_save_is_reported_and_the_text_stays_in_the_journal(folder: Path) -> None:
    session = Session(folder, "nowhere/notes.txt")
    session.write("One.")
    await session.persistence.save()
    assert session.messages[-1].startswith("Not saved: ")
    assert session.persistence.close()


async def test_file_removed_by_another_program_is_written_only_by_a_second_save(folder: Path) -> None:
    (folder / "notes.txt").write_text("a")
    session = Session(folder, "notes.txt")
    session.write("b")
    (folder / "notes.txt").unlink()
    await session.persistence.save()
    assert session.messages[-1] == "notes.txt was removed by another program: Ctrl+S again writes yours"
    await session.persistence.save()
    assert (folder / "notes.txt").read_text() == "ab"
    session.persistence.close()


def blocked(folder: Path) -> Path:
    """Create a file in place of the journal folder; return the parent folder."""
    (folder / "journals").write_text("in the way")
    return folder


async def test_quit_asks_first_if_unsaved_text_is_not_in_the_journal(folder: Path) -> None:
    session = Session(blocked(folder))
    assert await session.persistence.may_quit()
    session.write("One.")
    assert not await session.persistence.may_quit()
    assert session.persistence.risk == "Ctrl+Q again loses unsaved text, Ctrl+S saves it"
    assert session.messages == ["The journal cannot be written: File exists."]
    assert await session.persistence.may_quit()
    session.persistence.close()


async def test_typing_after_the_quit_question_withdraws_it(folder: Path) -> None:
    session = Session(blocked(folder))
    session.write("One.")
    assert not await session.persistence.may_quit()
    session.write(" Two.")
    assert session.persistence.risk == "unsaved text is not kept: File exists"
    assert not await session.persistence.may_quit()
    session.persistence.close()


async def test_journal_that_cannot_be_written_is_reported_before_any_text_is_typed(folder: Path) -> None:
    session = Session(blocked(folder))
    session.persistence.journal.close()
    assert session.messages == ["The journal cannot be written: File exists."]
    assert session.persistence.risk == ""


async def test_quit_does_not_ask_if_the_text_is_saved_or_in_the_journal(folder: Path) -> None:
    session = Session(blocked(folder), "notes.txt")
    session.write("One.")
    assert not await session.persistence.may_quit()
    await session.persistence.save()
    assert (session.persistence.risk, await session.persistence.may_quit()) == ("", True)
    session.write(" Two.")
    (folder / "journals").unlink()
    assert (await session.persistence.may_quit(), session.persistence.risk) == (True, "")
    assert session.persistence.close().startswith("Unsaved text is in the journal. To restore it: stt-tui ")


async def test_quit_during_a_save_does_not_ask(folder: Path) -> None:
    session = Session(blocked(folder), "notes.txt")
    session.write("One.")
    _, may_quit = await asyncio.gather(session.persistence.save(), session.persistence.may_quit())
    assert may_quit
    session.persistence.close()


async def test_text_neither_saved_nor_in_the_journal_is_saved_to_a_temporary_file(folder: Path) -> None:
    session = Session(blocked(folder))
    session.write("One two.")
    message = session.persistence.close()
    (file,) = await asyncio.to_thread(lambda: list(folder.glob("stt-tui-*.txt")))
    assert message == f"The journal cannot be written (File exists): saved 2 words to {file}."
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("One two.", 0o600)


async def test_lost_text_is_reported_on_close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder / "nowhere"))
    session = Session(blocked(folder))
    session.write("One two.")
    assert session.persistence.close() == "The journal cannot be written (File exists): lost 2 words of unsaved text."


async def test_interrupted_save_can_be_restored(folder: Path) -> None:
    """The journal has the whole text before the file is touched; the file may be invalid UTF-8 afterwards."""
    session = Session(folder, "notes.txt")
    session.write("One.")
    assert await session.persistence.journal.flush() == ""
    session.persistence.journal.close()
    path = folder / "notes.txt"
    path.write_bytes(b"\xef\xbb\xbfOn\xc3")
    file, text = open_file(path, folder)
    assert (text, file) == ("", TextFile(path))
    with pytest.raises(NotTextError):
        open_file(folder / "notes.txt", folder / "elsewhere")


async def test_read_only_file_is_reported_on_open_and_its_text_stays_in_the_journal(folder: Path) -> None:
    (folder / "notes.txt").write_text("a")
    (folder / "notes.txt").chmod(0o400)
    session = Session(folder, "notes.txt")
    await session.persistence.offer_recovered()
    assert session.messages == ["notes.txt is read-only: saving is not possible"]
    session.write("One.")
    await session.persistence.save()
    assert session.messages[-1].startswith("Not saved: notes.txt is read-only: ")
    assert session.persistence.close().startswith("Unsaved text is in the journal")


async def test_unsaved_text_of_an_earlier_session_is_offered_and_restored(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    assert first.persistence.close()
    second = Session(folder)
    await second.persistence.offer_recovered()
    assert second.status.question.startswith("F5 restore, F8 discard: 2 words unsaved, ")
    second.persistence.restore()
    assert (second.document.text(), second.status.question) == ("Left over.", "")
    assert second.persistence.close()
    third = Session(folder)
    await third.persistence.offer_recovered()
    third.persistence.restore()
    assert third.document.text() == "Left over."
    third.persistence.close()


async def test_restore_keeps_text_typed_before_it(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    first.persistence.close()
    second = Session(folder)
    second.write("New.")
    await second.persistence.offer_recovered()
    second.persistence.restore()
    assert second.document.text() == "Left over.\nNew."
    second.document.undo()
    assert second.document.text() == "New."
    second.persistence.close()


async def test_several_unsaved_texts_are_offered_one_after_the_other(folder: Path) -> None:
    sessions = [Session(folder) for _ in range(2)]
    for session, text in zip(sessions, ["one", "two three"], strict=True):
        session.write(text)
    for session in sessions:
        session.persistence.close()
    last = Session(folder)
    await last.persistence.offer_recovered()
    last.persistence.discard()
    assert "F5 restore" in last.status.question
    last.persistence.discard()
    assert last.status.question == ""
    last.persistence.discard()
    last.persistence.restore()
    assert last.messages[-1] == "Nothing to restore"
    last.persistence.close()
    assert list((folder / "journals").iterdir()) == []


def leave_audio(folder: Path, count: int = 1) -> list[Path]:
    """Leave unrecognized audio of that many sessions; return the files, oldest first."""
    recordings = list[Path]()
    for _ in range(count):
        journal = AudioJournal(folder / "speech", Settings(), lambda _: None)
        journal.append(1, bytes(3200), AudioFormat())
        recordings += journal.close()
    return recordings


async def test_orphaned_audio_is_reported_with_its_recover_command_and_stays_on_disk(folder: Path) -> None:
    (file,) = leave_audio(folder)
    for _ in range(2):
        session = Session(folder)
        await session.persistence.offer_recovered()
        assert session.messages == [f"Unrecognized audio found  stt-cli recover {file}"]
        session.persistence.close()
        (sentence,) = session.persistence.recording_lines()
        assert sentence.endswith(f"stt-cli recover {file}")


async def test_audio_removed_during_the_session_is_not_listed_on_close(folder: Path) -> None:
    (file,) = leave_audio(folder)
    session = Session(folder)
    await session.persistence.offer_recovered()
    file.unlink()
    assert list(session.persistence.recording_lines()) == []
    session.persistence.close()


async def test_newest_orphaned_recordings_are_listed_and_older_ones_counted(folder: Path) -> None:
    recordings = leave_audio(folder, MAX_LISTED_RECORDINGS + 2)
    session = Session(folder)
    await session.persistence.offer_recovered()
    *newest, older = session.persistence.recording_lines()
    assert [sentence.rpartition(" ")[2] for sentence in newest] == [
        str(file) for file in recordings[-MAX_LISTED_RECORDINGS:]
    ]
    assert older.startswith("2 older recordings are in ")
    session.persistence.close()


async def test_orphaned_audio_is_reported_after_the_unsaved_text_is_restored_or_discarded(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    first.persistence.close()
    leave_audio(folder)
    second = Session(folder)
    await second.persistence.offer_recovered()
    assert (second.messages, "F5 restore" in second.status.question) == ([], True)
    second.persistence.restore()
    assert second.messages[-1].startswith("Unrecognized audio found  ")
    second.persistence.close()


async def test_removal_of_the_oldest_unsaved_texts_is_reported(folder: Path) -> None:
    for _ in range(MAX_JOURNALS + 1):
        session = Session(folder)
        session.write("Left over.")
        session.persistence.close()
    last = Session(folder)
    await last.persistence.offer_recovered()
    assert last.messages == ["Removed the oldest unsaved texts: 1"]
    last.persistence.close()


async def test_empty_text_leaves_no_journal(folder: Path) -> None:
    session = Session(folder)
    session.write("a")
    session.document.delete_before()
    assert not session.persistence.close()
    assert list((folder / "journals").iterdir()) == []


def test_word_count_has_singular_and_plural() -> None:
    assert [format_word_count("one"), format_word_count("one two"), format_word_count("")] == [
        "1 word",
        "2 words",
        "0 words",
    ]
