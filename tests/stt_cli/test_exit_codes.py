"""Errors of the editor itself: a sentence for the person, a traceback for a report."""

from __future__ import annotations

from pathlib import Path

from stt_tui.failures import FILE, describe


def failed(message: str) -> Exception:
    try:
        raise KeyError(message)
    except KeyError as error:
        return error


def test_an_error_is_one_sentence_with_the_file_that_has_its_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    for message in ("first", "second"):
        sentence = describe(failed(message), folder)
    assert sentence == f"An error in stt-tui itself (KeyError: 'second'); please report {folder / FILE}"
    assert "test_failures.py" in (folder / FILE).read_text()
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_where_nothing_can_be_written_the_sentence_is_all(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert describe(ValueError("one\ntwo"), tmp_path / "state") == "An error in stt-tui itself (ValueError: one)"
    assert describe(ValueError(), tmp_path / "state") == "An error in stt-tui itself (ValueError)"
