"""Saving by key, and what earlier sessions left: nothing goes without being asked for."""

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
        self.told = list[str]()
        self.keeping = Persistence(self.document, file, folder, self.status, self._tell)

    def _tell(self, sentence: str, detail: str = "") -> None:
        self.told.append(f"{sentence}  {detail}".rstrip())

    def write(self, text: str) -> None:
        self.document.move(self.document.lines.end)
        self.document.type(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the current folder, which has the temporary files too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with chdir(tmp_path):
        yield tmp_path


async def test_saving_writes_the_file_and_the_status_tells_it(folder: Path) -> None:
    session = Session(folder, "notes.txt")
    session.write("One.")
    assert (session.status.name, session.keeping.is_saved) == ("notes.txt*", False)
    await session.keeping.save()
    assert (folder / "notes.txt").read_text() == "One."
    assert (session.told, session.status.name, session.keeping.is_saved) == (["Saved notes.txt"], "notes.txt", True)
    assert not session.keeping.close()


async def test_a_text_without_a_name_gets_one(folder: Path) -> None:
    session = Session(folder)
    session.write("One.")
    await session.keeping.save()
    (file,) = await asyncio.to_thread(lambda: list(folder.glob("dictation-*.txt")))
    assert (file.read_text(), session.status.name) == ("One.", file.name)
    session.keeping.close()


async def test_a_file_that_another_program_changed_is_overwritten_only_when_asked_twice(folder: Path) -> None:
    session = Session(folder, "notes.txt")
    session.write("Mine.")
    (folder / "notes.txt").write_text("Other.")
    await session.keeping.save()
    assert (folder / "notes.txt").read_text() == "Other."
    assert session.told[-1] == (
        "notes.txt was created by another program: Ctrl+S again writes yours  and keeps the other version as notes.txt~"
    )
    await session.keeping.save()
    assert ((folder / "notes.txt").read_text(), (folder / "notes.txt~").read_text()) == ("Mine.", "Other.")
    session.keeping.close()


async def test_what_cannot_be_saved_is_told_and_stays_in_the_journal(folder: Path) -> None:
    session = Session(folder, "nowhere/notes.txt")
    session.write("One.")
    await session.keeping.save()
    assert session.told[-1].startswith("Not saved: ")
    assert session.keeping.close()


async def test_a_file_that_another_program_removed_is_written_only_when_asked_twice(folder: Path) -> None:
    (folder / "notes.txt").write_text("a")
    session = Session(folder, "notes.txt")
    session.write("b")
    (folder / "notes.txt").unlink()
    await session.keeping.save()
    assert session.told[-1] == "notes.txt was removed by another program: Ctrl+S again writes yours"
    await session.keeping.save()
    assert (folder / "notes.txt").read_text() == "ab"
    session.keeping.close()


def blocked(folder: Path) -> Path:
    """Have a file in the way of the journals."""
    (folder / "journals").write_text("in the way")
    return folder


async def test_quitting_asks_first_where_unsaved_text_is_not_kept(folder: Path) -> None:
    session = Session(blocked(folder))
    assert await session.keeping.may_quit()
    session.write("One.")
    assert not await session.keeping.may_quit()
    assert session.keeping.risk == "Ctrl+Q again loses unsaved text, Ctrl+S saves it"
    assert session.told == ["The journal cannot be written: File exists."]
    assert await session.keeping.may_quit()
    session.keeping.close()


async def test_a_key_after_the_question_is_no_answer_to_it(folder: Path) -> None:
    session = Session(blocked(folder))
    session.write("One.")
    assert not await session.keeping.may_quit()
    session.write(" Two.")
    assert session.keeping.risk == "unsaved text is not kept: File exists"
    assert not await session.keeping.may_quit()
    session.keeping.close()


async def test_a_journal_that_cannot_be_written_is_told_before_there_is_a_text(folder: Path) -> None:
    session = Session(blocked(folder))
    session.keeping.journal.close()
    assert session.told == ["The journal cannot be written: File exists."]
    assert session.keeping.risk == ""


async def test_quitting_does_not_ask_once_the_text_is_saved_or_kept(folder: Path) -> None:
    session = Session(blocked(folder), "notes.txt")
    session.write("One.")
    assert not await session.keeping.may_quit()
    await session.keeping.save()
    assert (session.keeping.risk, await session.keeping.may_quit()) == ("", True)
    session.write(" Two.")
    (folder / "journals").unlink()
    assert (await session.keeping.may_quit(), session.keeping.risk) == (True, "")
    assert session.keeping.close().startswith("Unsaved text is in the journal. To restore it: stt-tui ")


async def test_saving_and_quitting_at_once_does_not_ask(folder: Path) -> None:
    session = Session(blocked(folder), "notes.txt")
    session.write("One.")
    _, may_quit = await asyncio.gather(session.keeping.save(), session.keeping.may_quit())
    assert may_quit
    session.keeping.close()


async def test_a_text_that_is_neither_saved_nor_kept_goes_to_a_temporary_file(folder: Path) -> None:
    session = Session(blocked(folder))
    session.write("One two.")
    told = session.keeping.close()
    (file,) = await asyncio.to_thread(lambda: list(folder.glob("stt-tui-*.txt")))
    assert told == f"The journal cannot be written (File exists): saved 2 words to {file}."
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("One two.", 0o600)


async def test_a_text_that_is_lost_is_told_to_be_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder / "nowhere"))
    session = Session(blocked(folder))
    session.write("One two.")
    assert session.keeping.close() == "The journal cannot be written (File exists): lost 2 words of unsaved text."


async def test_a_save_that_is_interrupted_can_be_restored(folder: Path) -> None:
    """The journal has the whole text before the file is touched, and the file may be no text afterwards."""
    session = Session(folder, "notes.txt")
    session.write("One.")
    assert await session.keeping.journal.flush() == ""
    session.keeping.journal.close()
    path = folder / "notes.txt"
    path.write_bytes(b"\xef\xbb\xbfOn\xc3")
    file, text = open_file(path, folder)
    assert (text, file) == ("", TextFile(path))
    with pytest.raises(NotTextError):
        open_file(folder / "notes.txt", folder / "elsewhere")


async def test_a_read_only_file_is_told_when_it_is_opened_and_the_text_is_kept(folder: Path) -> None:
    (folder / "notes.txt").write_text("a")
    (folder / "notes.txt").chmod(0o400)
    session = Session(folder, "notes.txt")
    await session.keeping.offer_recovered()
    assert session.told == ["notes.txt is read-only: saving is not possible"]
    session.write("One.")
    await session.keeping.save()
    assert session.told[-1].startswith("Not saved: notes.txt is read-only: ")
    assert session.keeping.close().startswith("Unsaved text is in the journal")


async def test_a_text_left_unsaved_is_offered_and_restored(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    assert first.keeping.close()
    second = Session(folder)
    await second.keeping.offer_recovered()
    assert second.status.question.startswith("F5 restore, F8 discard: 2 words unsaved, ")
    second.keeping.restore()
    assert (second.document.text(), second.status.question) == ("Left over.", "")
    assert second.keeping.close()
    third = Session(folder)
    await third.keeping.offer_recovered()
    third.keeping.restore()
    assert third.document.text() == "Left over."
    third.keeping.close()


async def test_what_was_written_before_the_answer_stays(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    first.keeping.close()
    second = Session(folder)
    second.write("New.")
    await second.keeping.offer_recovered()
    second.keeping.restore()
    assert second.document.text() == "Left over.\nNew."
    second.document.undo()
    assert second.document.text() == "New."
    second.keeping.close()


async def test_several_texts_are_offered_one_after_the_other(folder: Path) -> None:
    sessions = [Session(folder) for _ in range(2)]
    for session, text in zip(sessions, ["one", "two three"], strict=True):
        session.write(text)
    for session in sessions:
        session.keeping.close()
    last = Session(folder)
    await last.keeping.offer_recovered()
    last.keeping.discard()
    assert "F5 restore" in last.status.question
    last.keeping.discard()
    assert last.status.question == ""
    last.keeping.discard()
    last.keeping.restore()
    assert last.told[-1] == "Nothing to restore"
    last.keeping.close()
    assert list((folder / "journals").iterdir()) == []


def leave_speech(folder: Path, count: int = 1) -> list[Path]:
    """Say something in that many sessions without a server; return the files, oldest first."""
    left = list[Path]()
    for _ in range(count):
        spoken = AudioJournal(folder / "speech", Settings(), lambda _: None)
        spoken.append(1, bytes(3200), AudioFormat())
        left += spoken.close()
    return left


async def test_speech_left_behind_is_told_with_how_to_hear_it_and_stays(folder: Path) -> None:
    (file,) = leave_speech(folder)
    for _ in range(2):
        session = Session(folder)
        await session.keeping.offer_recovered()
        assert session.told == [f"Unrecognized audio found  stt-cli recover {file}"]
        session.keeping.close()
        (sentence,) = session.keeping.recording_lines()
        assert sentence.endswith(f"stt-cli recover {file}")


async def test_speech_that_was_removed_meanwhile_is_not_told_at_the_end(folder: Path) -> None:
    (file,) = leave_speech(folder)
    session = Session(folder)
    await session.keeping.offer_recovered()
    file.unlink()
    assert list(session.keeping.recording_lines()) == []
    session.keeping.close()


async def test_of_much_speech_the_newest_is_told_and_the_rest_counted(folder: Path) -> None:
    left = leave_speech(folder, MAX_LISTED_RECORDINGS + 2)
    session = Session(folder)
    await session.keeping.offer_recovered()
    *newest, older = session.keeping.recording_lines()
    assert [sentence.rpartition(" ")[2] for sentence in newest] == [str(file) for file in left[-MAX_LISTED_RECORDINGS:]]
    assert older.startswith("2 older recordings are in ")
    session.keeping.close()


async def test_speech_is_told_once_the_question_about_a_text_is_answered(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    first.keeping.close()
    leave_speech(folder)
    second = Session(folder)
    await second.keeping.offer_recovered()
    assert (second.told, "F5 restore" in second.status.question) == ([], True)
    second.keeping.restore()
    assert second.told[-1].startswith("Unrecognized audio found  ")
    second.keeping.close()


async def test_texts_too_many_to_keep_are_told(folder: Path) -> None:
    for _ in range(MAX_JOURNALS + 1):
        session = Session(folder)
        session.write("Left over.")
        session.keeping.close()
    last = Session(folder)
    await last.keeping.offer_recovered()
    assert last.told == ["Removed the oldest unsaved texts: 1"]
    last.keeping.close()


async def test_an_empty_text_leaves_nothing(folder: Path) -> None:
    session = Session(folder)
    session.write("a")
    session.document.delete_before()
    assert not session.keeping.close()
    assert list((folder / "journals").iterdir()) == []


def test_words_are_counted_as_one_says_it() -> None:
    assert [format_word_count("one"), format_word_count("one two"), format_word_count("")] == [
        "1 word",
        "2 words",
        "0 words",
    ]
