"""Saving by key, and what earlier sessions left: nothing goes without being asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from stt_tui.document import Document
from stt_tui.files import read
from stt_tui.keeping import Keeping, words
from stt_tui.status import Status


class Session:
    """An editor's session in a folder, with or without a file."""

    def __init__(self, folder: Path, name: str | None = None) -> None:
        file, text = read(folder / name) if name else (None, "")
        self.document = Document(text)
        self.status = Status()
        self.told = list[str]()
        self.keeping = Keeping(self.document, file, folder / "journals", self.status, self.told.append)

    def write(self, text: str) -> None:
        self.document.move(self.document.lines.end)
        self.document.type(text)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
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
    assert "Ctrl+S again" in session.told[-1]
    await session.keeping.save()
    assert ((folder / "notes.txt").read_text(), (folder / "notes.txt~").read_text()) == ("Mine.", "Other.")
    session.keeping.close()


async def test_what_cannot_be_saved_is_told_and_stays_in_the_journal(folder: Path) -> None:
    session = Session(folder, "nowhere/notes.txt")
    session.write("One.")
    await session.keeping.save()
    assert session.told[-1].startswith("Not saved: ")
    assert session.keeping.close()


async def test_a_text_left_unsaved_is_offered_and_restored(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    assert first.keeping.close()
    second = Session(folder)
    await second.keeping.look()
    assert second.status.question.startswith("F5 restore, F8 discard: 2 words unsaved, ")
    second.keeping.restore()
    assert (second.document.text(), second.status.question) == ("Left over.", "")
    assert second.keeping.close()
    third = Session(folder)
    await third.keeping.look()
    third.keeping.restore()
    assert third.document.text() == "Left over."
    third.keeping.close()


async def test_what_was_written_before_the_answer_stays(folder: Path) -> None:
    first = Session(folder)
    first.write("Left over.")
    first.keeping.close()
    second = Session(folder)
    second.write("New.")
    await second.keeping.look()
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
    await last.keeping.look()
    last.keeping.discard()
    assert "F5 restore" in last.status.question
    last.keeping.discard()
    assert last.status.question == ""
    last.keeping.discard()
    last.keeping.restore()
    assert last.told[-1] == "There is nothing to restore"
    last.keeping.close()
    assert list((folder / "journals").iterdir()) == []


async def test_an_empty_text_leaves_nothing(folder: Path) -> None:
    session = Session(folder)
    session.write("a")
    session.document.erase_before()
    assert not session.keeping.close()
    assert list((folder / "journals").iterdir()) == []


def test_words_are_counted_as_one_says_it() -> None:
    assert [words("one"), words("one two"), words("")] == ["1 word", "2 words", "0 words"]
