"""Errors of the editor itself: a sentence for the person, a traceback for a report."""

from __future__ import annotations

from pathlib import Path

from stt_tui.failures import TRACEBACK_FILE, describe


def failed(message: str) -> Exception:
    try:
        raise KeyError(message)
    except KeyError as error:
        return error


def test_an_error_is_one_sentence_with_the_file_that_has_its_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    for message in ("first", "second"):
        sentence = describe(failed(message), folder)
    assert sentence == f"Internal error in stt-tui (KeyError: 'second'); please report {folder / TRACEBACK_FILE}"
    assert "test_failures.py" in (folder / TRACEBACK_FILE).read_text()
    assert (folder / TRACEBACK_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [TRACEBACK_FILE]


def test_where_nothing_can_be_written_the_sentence_is_all(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert describe(ValueError("one\ntwo"), tmp_path / "state") == "Internal error in stt-tui (ValueError: one)"
    assert describe(ValueError(), tmp_path / "state") == "Internal error in stt-tui (ValueError)"
