"""The editor in a real terminal, without speech: keys, mouse, paste, copy and recovery."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.recordings import Recording
from stt_client.audio.decode import open_file
from tests.support.terminal.tmux import Terminal, terminal

RUSSIAN = "Ваш звонок является первым в очереди и будет обслужен первым доступным оператором."


def _changes(journal: Path) -> str:
    """Return the text with the insertions at its end, as recorded in the journal."""
    first, *changes = journal.read_text().splitlines()
    return "".join([json.loads(first)["text"], *(json.loads(change)["put"] for change in changes)])


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Terminal]:
    """Return an editor that does not record, 40 columns wide."""
    with terminal(tmp_path, 40, 12) as opened:
        opened.run("--no-auto")
        opened.wait_until(lambda each: "F1 record" in each.status)
        yield opened


def test_keys_edit_the_text(editor: Terminal) -> None:
    editor.type("One twoo")
    editor.keys("BSpace", "Enter")
    editor.type("Три")
    editor.wait_until(lambda each: each.text == "One two\nТри")
    editor.keys("Home", "DC", "Up", "End", "C-Left", "S-End", "DC")
    editor.wait_until(lambda each: each.text == "One\nри")
    editor.keys("C-z", "C-z")
    editor.wait_until(lambda each: each.text == "One two\nТри")
    editor.keys("C-y")
    editor.wait_until(lambda each: each.text == "One two\nри")
    editor.keys("C-a", "x")
    editor.wait_until(lambda each: each.text == "x")


def test_keys_typed_before_the_first_screen_are_not_lost(editor: Terminal) -> None:
    editor.run("--no-auto")
    editor.type("Early")
    editor.wait_until(lambda each: "F1 record" in each.status)
    editor.type(" bird")
    editor.wait_until(lambda each: each.text == "Early bird")


def test_f3_copies_the_whole_text_through_the_terminal(editor: Terminal) -> None:
    editor.type("One.")
    editor.keys("Enter")
    editor.type("Два.")
    editor.wait_until(lambda each: each.text == "One.\nДва.")
    editor.keys("F3")
    editor.wait_until(lambda each: each.clipboard == "One.\nДва.")
    editor.wait_until(lambda each: "Copied 2 words" in each.status)


def test_mouse_selects_and_copies(editor: Terminal) -> None:
    editor.type("One two three")
    editor.wait_until(lambda each: each.text == "One two three")
    editor.mouse((0, 4, 0, "M"), (32, 6, 0, "M"), (32, 13, 0, "M"), (0, 13, 0, "m"))
    editor.wait_until(lambda each: each.clipboard == "two three")
    editor.mouse((0, 1, 0, "M"), (0, 1, 0, "m"), (0, 1, 0, "M"), (0, 1, 0, "m"))
    editor.wait_until(lambda each: each.clipboard == "One")
    editor.mouse((0, 1, 0, "M"), (0, 1, 0, "m"))
    editor.wait_until(lambda each: each.clipboard == "One two three")


def test_selection_of_the_terminal_copies_clean_text_even_after_a_resize(editor: Terminal) -> None:
    editor.paste(f"One.\n\n  Два.\n{RUSSIAN}")
    editor.resize(30, 10)
    rows = [
        "One.",
        "",
        "  Два.",
        "Ваш звонок является первым в",
        "очереди и будет обслужен",
        "первым доступным оператором.",
    ]
    editor.wait_until(lambda each: each.text == "\n".join(rows))
    assert editor.terminal_selection(len(rows)) == "\n".join(rows)
    assert editor.status == "○ off  F1 record  F3 copy all"


def test_undo_removes_a_whole_paste(editor: Terminal) -> None:
    pasted = "\n".join(f"line {number}\tend" for number in range(3000))
    editor.type("a")
    editor.paste(pasted)
    editor.wait_until(lambda each: "line 2999    end" in each.text)
    editor.keys("C-z")
    editor.wait_until(lambda each: each.text == "a")


def test_file_is_opened_and_saved(editor: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Привет")
    file.chmod(0o640)
    editor.run("--no-auto", str(file))
    editor.wait_until(lambda each: each.text == "Привет")
    editor.keys("End", "!")
    editor.wait_until(lambda each: "notes.txt*" in each.status)
    editor.keys("C-s")
    editor.wait_until(lambda each: "Saved notes.txt" in each.status)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("Привет!", 0o640)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_text_survives_a_signal_that_ends_the_editor(editor: Terminal, number: signal.Signals, tmp_path: Path) -> None:
    """After `kill -9`, keys survive if they were written to disk, a moment after they appear on the screen."""
    editor.type("Never saved.")
    editor.wait_until(lambda each: each.text == "Never saved.")
    journals = tmp_path / "realtime-stt" / "journals"
    editor.wait_until(lambda _: any(_changes(path) == "Never saved." for path in journals.glob("*.journal")))
    editor.signal(number)
    editor.wait_until(lambda each: each.is_dead)
    editor.run("--no-auto")
    editor.wait_until(lambda each: "F5 restore, F8 discard" in each.status)
    editor.type("More.")
    editor.keys("F5")
    editor.wait_until(lambda each: each.text == "Never saved.\nMore.")
    assert "Restored 2 words" in editor.status


def test_text_survives_a_closed_terminal(editor: Terminal) -> None:
    editor.type("Never saved.")
    editor.wait_until(lambda each: each.text == "Never saved.")
    editor.close()
    editor.run("--no-auto")
    editor.wait_until(lambda each: "F5 restore, F8 discard" in each.status)
    editor.keys("F8")
    editor.wait_until(lambda each: "Discarded 2 words" in each.status)
    editor.keys("C-q")
    editor.wait_until(lambda each: each.is_dead)
    editor.run("--no-auto")
    editor.wait_until(lambda each: "F1 record" in each.status)
    assert "F5" not in editor.status


def test_quit_without_a_server_keeps_the_recorded_audio(
    editor: Terminal, recordings: Mapping[str, Recording], tmp_path: Path
) -> None:
    editor.run("--server", "127.0.0.1:1", "--device", f"file:{recordings['en/jfk'].path}")
    editor.wait_until(lambda each: "connecting, 1 s kept" in each.status)
    editor.keys("C-q")
    editor.wait_until(lambda each: "○ finalizing" in each.status)
    editor.keys("C-q")
    editor.wait_until(lambda each: each.is_dead)
    (path,) = (tmp_path / "realtime-stt" / "speech").iterdir()
    assert f"stt-cli recover {path}" in editor.scrollback
    assert len(b"".join(open_file(path, lambda _: None).chunks)) >= 44_100 * 2


def test_f3_directly_followed_by_ctrl_q_copies_and_quits(editor: Terminal) -> None:
    editor.type("All of it.")
    editor.wait_until(lambda each: each.text == "All of it.")
    editor.keys("F3", "C-q")
    editor.wait_until(lambda each: each.is_dead)
    assert editor.clipboard == "All of it."


@pytest.mark.parametrize("key", ["C-c", "C-q"])
def test_quit_keeps_unsaved_text_and_restores_the_terminal(editor: Terminal, key: str) -> None:
    editor.type("Kept.")
    editor.keys(key)
    editor.wait_until(lambda each: each.is_dead)
    assert "Unsaved text is in the journal" in editor.scrollback


def test_quit_asks_first_if_unsaved_text_is_not_in_the_journal(editor: Terminal, tmp_path: Path) -> None:
    journals = tmp_path / "realtime-stt" / "journals"
    editor.wait_until(lambda _: journals.exists())
    editor.close()
    journals.rmdir()
    journals.write_text("in the way")
    editor.run("--no-auto")
    editor.wait_until(lambda each: "The journal cannot be written" in each.status)
    editor.type("Unsaved.")
    editor.keys("C-q")
    editor.wait_until(lambda each: "Ctrl+Q again loses" in each.status)
    editor.type("!")
    editor.wait_until(lambda each: "unsaved text" in each.status)
    editor.keys("C-q")
    editor.wait_until(lambda each: "Ctrl+Q again loses" in each.status)
    editor.keys("C-q")
    editor.wait_until(lambda each: each.is_dead)
    path = "".join(editor.scrollback.split()).rpartition("wordto")[2].partition(".txt.")[0]
    assert Path(f"{path}.txt").read_text() == "Unsaved.!"
    Path(f"{path}.txt").unlink()


def test_paste_of_any_script_is_saved_unchanged(editor: Terminal, tmp_path: Path) -> None:
    pasted = "5\u00a0000\u00a0₽ 山田\u3000太郎 می\u200cخواهم 👨\u200d👩\u200d👧 soft\u00adhyphen \u202eabc\u202c"
    file = tmp_path / "notes.txt"
    editor.run("--no-auto", str(file))
    editor.wait_until(lambda each: "F1 record" in each.status)
    editor.paste(pasted)
    editor.keys("C-s")
    editor.wait_until(lambda each: "Saved notes.txt" in each.status)
    assert file.read_text() == pasted
