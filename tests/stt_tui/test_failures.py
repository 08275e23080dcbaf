"""Internal errors: one sentence for the user, a traceback file for a report."""

from __future__ import annotations

from pathlib import Path

from stt_tui.failures import TRACEBACK_FILE, describe


def failed(message: str) -> Exception:
    try:
        raise KeyError(message)
    except KeyError as error:
        return error


def test_error_is_one_sentence_that_names_the_traceback_file(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    for message in ("first", "second"):
        sentence = describe(failed(message), folder)
    assert sentence == f"Internal error in stt-tui (KeyError: 'second'); please report {folder / TRACEBACK_FILE}"
    assert "test_failures.py" in (folder / TRACEBACK_FILE).read_text()
    assert (folder / TRACEBACK_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [TRACEBACK_FILE]


def test_error_without_a_writable_traceback_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    assert describe(ValueError("one\ntwo"), tmp_path / "state") == "Internal error in stt-tui (ValueError: one)"
    assert describe(ValueError(), tmp_path / "state") == "Internal error in stt-tui (ValueError)"
