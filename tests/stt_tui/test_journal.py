"""Unsaved text survives its session: every change, and the words being dictated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt_tui.document import Document
from stt_tui.journal import DISK_STALLED, MAX_JOURNALS, MIN_REWRITE_BYTES, SUFFIX, Journal, find_orphaned, remove_oldest
from stt_tui.layout import Preedit
from stt_tui.lines import Position
from tests.support.environment.full_disk import limited_file_size
from tests.support.terminal.tui_texts import texts


@contextmanager
def journal_of(document: Document, folder: Path, file: str | None = None) -> Iterator[Journal]:
    warnings = list[str]()
    journal = Journal(folder, file, document, warnings.append)
    yield journal
    journal.close()
    assert warnings == []


def orphaned_texts(folder: Path, file: str | None = None) -> list[str]:
    return [each.text for each in find_orphaned(folder, file)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(texts, st.lists(st.one_of(texts, st.sampled_from(["undo", "erase", "left"]))))
def test_orphaned_journal_restores_the_last_text(tmp_path: Path, text: str, actions: list[str]) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    document = Document(text)
    with journal_of(document, tmp_path):
        document.type("begin")
        for action in actions:
            match action:
                case "undo":
                    document.undo()
                case "erase":
                    document.delete_before()
                case "left":
                    document.move(Position(0, document.cursor.offset // 2))
                case _:
                    document.paste(action)
    assert orphaned_texts(tmp_path) == [document.text()]


def test_unchanged_text_leaves_no_journal(tmp_path: Path) -> None:
    with journal_of(Document("One."), tmp_path) as journal:
        journal.record_preedits([])
    assert list(tmp_path.iterdir()) == []


def test_saved_text_leaves_no_journal_and_a_later_change_leaves_the_whole_text(tmp_path: Path) -> None:
    document = Document()
    with journal_of(document, tmp_path) as journal:
        document.type("saved")
        journal.discard()
    assert list(tmp_path.iterdir()) == []
    with journal_of(document, tmp_path) as journal:
        document.type(" and")
        journal.discard()
        document.type(" more")
    assert orphaned_texts(tmp_path) == ["saved and more"]


def test_preedit_is_restored_where_it_was_shown(tmp_path: Path) -> None:
    document = Document()
    with journal_of(document, tmp_path) as journal:
        journal.record_preedits([Preedit(Position(0, 0), "Said")])
        document.type("Typed.")
        journal.record_preedits([Preedit(Position(0, 6), " Said so far")])
    assert orphaned_texts(tmp_path) == ["Typed. Said so far"]


def test_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    document = Document()
    with journal_of(document, tmp_path / "journals"):
        document.type("secret")
    (path,) = (tmp_path / "journals").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_journal_in_use_is_not_orphaned(tmp_path: Path) -> None:
    document, other = Document(), Document()
    with journal_of(other, tmp_path):
        other.type("left")
    with journal_of(document, tmp_path) as journal:
        document.type("in use")
        (earlier,) = (each for each in find_orphaned(tmp_path, None) if each.text == "left")
        journal.remove(earlier)
    assert orphaned_texts(tmp_path) == ["in use"]


def test_incomplete_last_line_is_skipped(tmp_path: Path) -> None:
    document = Document()
    with journal_of(document, tmp_path):
        document.type("One.")
        document.type(" Two.")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-8])
    assert orphaned_texts(tmp_path) == ["One."]


def test_invalid_journals_are_skipped(tmp_path: Path) -> None:
    (tmp_path / f"broken{SUFFIX}").write_bytes(b"\x00{")
    (tmp_path / f"empty{SUFFIX}").touch()
    for number, text in enumerate(["[1]", "7", '{"text": 5, "file": null}', '{"text": "a"}']):
        (tmp_path / f"{number}{SUFFIX}").write_text(f"{text}\n")
    assert orphaned_texts(tmp_path) == []


@pytest.mark.parametrize(
    "damaged", ["[1]", "{", '{"put": 5, "from": [0, 0], "to": [0, 0]}', '{"said": [[0]]}', '{"said": 1}', "\x00"]
)
def test_damaged_change_keeps_all_changes_before_it(tmp_path: Path, damaged: str) -> None:
    document = Document()
    with journal_of(document, tmp_path):
        document.type("One.")
        document.type(" Two.")
    (path,) = tmp_path.iterdir()
    path.write_text(f"{path.read_text()}{damaged}\n")
    assert orphaned_texts(tmp_path) == ["One. Two."]


def test_journal_is_found_for_its_own_file_only(tmp_path: Path) -> None:
    document = Document()
    with journal_of(document, tmp_path, "/notes.txt"):
        document.type("One.")
    assert (orphaned_texts(tmp_path), orphaned_texts(tmp_path, "/notes.txt")) == ([], ["One."])


def test_newest_journal_comes_first_and_the_oldest_are_removed(tmp_path: Path) -> None:
    for number in range(MAX_JOURNALS + 2):
        path = tmp_path / f"{number}{SUFFIX}"
        path.write_text(json.dumps({"text": str(number), "file": None}) + "\n")
        os.utime(path, (number, number))
    assert remove_oldest(tmp_path) == 2
    assert orphaned_texts(tmp_path) == [str(number) for number in range(MAX_JOURNALS + 1, 1, -1)]


def test_journal_that_disappears_during_the_search_is_skipped(tmp_path: Path) -> None:
    (tmp_path / f"gone{SUFFIX}").symlink_to(tmp_path / "nowhere")
    assert (remove_oldest(tmp_path), orphaned_texts(tmp_path)) == (0, [])


@pytest.mark.parametrize("works", [True, False])
def test_adopted_journal_is_removed_only_after_its_text_is_in_the_new_journal(tmp_path: Path, works: bool) -> None:
    document = Document()
    with journal_of(document, tmp_path / "old"):
        document.type("One.")
    (old,) = find_orphaned(tmp_path / "old", None)
    if not works:
        (tmp_path / "new").touch()
    document = Document()
    journal = Journal(tmp_path / "new", None, document, lambda _: None)
    document.replace_all(old.text)
    journal.adopt(old)
    journal.close()
    assert (orphaned_texts(tmp_path / "old"), orphaned_texts(tmp_path / "new")) == (
        ([], ["One."]) if works else (["One."], [])
    )


def test_journal_size_stays_bounded_over_a_long_session(tmp_path: Path) -> None:
    document = Document()
    with journal_of(document, tmp_path):
        for _ in range(200):
            document.paste("x" * 20_000)
            document.undo()
        document.type("end")
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size <= MIN_REWRITE_BYTES + 100_000
    assert orphaned_texts(tmp_path) == ["end"]


def test_journal_that_cannot_be_written_warns(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file is in the way")
    document, warnings = Document(), list[str]()
    journal = Journal(tmp_path / "journals", None, document, warnings.append)
    document.type("a")
    journal.close()
    assert warnings == ["The journal cannot be written: File exists."]


@pytest.mark.parametrize("changes", [1, 3])
def test_journal_is_complete_once_the_disk_works_again(tmp_path: Path, changes: int) -> None:
    (tmp_path / "journals").write_text("a file is in the way")
    document, warnings = Document(), list[str]()
    journal = Journal(tmp_path / "journals", None, document, warnings.append)
    for _ in range(changes):
        document.type("a")
    while not warnings:
        pass
    (tmp_path / "journals").unlink()
    document.type("b")
    journal.close()
    assert orphaned_texts(tmp_path / "journals") == ["a" * changes + "b"]


async def test_flush_writes_the_whole_text_to_disk(tmp_path: Path) -> None:
    document = Document("a\r\nb\n")
    journal = Journal(tmp_path, None, document, lambda _: None)
    assert (await journal.flush(), orphaned_texts(tmp_path)) == ("", [])
    document.type("One.")
    assert await journal.flush() == ""
    assert journal.close() == ""
    assert orphaned_texts(tmp_path) == ["One.a\r\nb\n"]


async def test_flush_returns_the_reason_until_the_journal_is_complete(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file is in the way")
    document = Document()
    journal = Journal(tmp_path / "journals", None, document, lambda _: None)
    document.type("a")
    for _ in range(2):
        assert await journal.flush() == "File exists"
    (tmp_path / "journals").unlink()
    assert await journal.flush() == ""
    assert journal.close() == ""
    assert orphaned_texts(tmp_path / "journals") == ["a"]


def test_full_disk_leaves_no_incomplete_journal(tmp_path: Path) -> None:
    document = Document()
    journal = Journal(tmp_path, None, document, lambda _: None)
    with limited_file_size(4_096):
        document.paste("x" * 10_000)
        document.type("y")
        assert journal.close() == "File too large"
    assert list(tmp_path.iterdir()) == []


async def test_flush_and_close_report_a_stalled_disk(tmp_path: Path) -> None:
    answers = Event()
    journal = Journal(tmp_path, None, Document(), lambda _: None)
    journal._queue.put(answers.wait)  # type: ignore[arg-type]
    assert await journal.flush(timeout_s=0) == DISK_STALLED
    assert journal.close(timeout_s=0) == DISK_STALLED
    answers.set()
    assert journal.close() == ""
