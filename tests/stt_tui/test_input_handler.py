"""The effect of every key and mouse gesture on the text and the cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

from stt_tui.keys import HINTS, KEYS, MOVE_KEYS, Command
from stt_tui.lines import Position
from tests.support.terminal.tui_screens import EditorHarness

TEXT = "One two\nthree four\nfive"


def cursor_of(harness: EditorHarness) -> tuple[int, int]:
    return harness.editor.document.cursor.line, harness.editor.document.cursor.offset


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        ("left", (0, 1), (0, 0)),
        ("left", (1, 0), (0, 7)),
        ("right", (0, 7), (1, 0)),
        ("up", (1, 5), (0, 5)),
        ("up", (0, 5), (0, 0)),
        ("down", (0, 6), (1, 6)),
        ("down", (2, 1), (2, 4)),
        ("home", (1, 3), (1, 0)),
        ("end", (1, 3), (1, 10)),
        ("ctrl left", (1, 8), (1, 6)),
        ("ctrl right", (1, 0), (1, 6)),
        ("ctrl home", (1, 3), (0, 0)),
        ("ctrl end", (1, 3), (2, 4)),
        ("page up", (2, 1), (0, 0)),
        ("page down", (0, 1), (2, 4)),
    ],
)
@pytest.mark.parametrize("shift", ["", "shift "])
def test_key_moves_the_cursor_and_selects_with_shift(
    key: str, start: tuple[int, int], end: tuple[int, int], shift: str
) -> None:
    harness = EditorHarness(TEXT)
    harness.editor.document.move(Position(*start))
    harness.press(shift + key)
    assert cursor_of(harness) == end
    between = harness.editor.document.lines.between(*sorted((Position(*start), Position(*end))))
    assert harness.selected == (between if shift else "")


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("f1", Command.RECORD),
        ("f3", Command.COPY_ALL),
        ("ctrl c", Command.QUIT),
        ("ctrl q", Command.QUIT),
        ("ctrl s", Command.SAVE),
        ("f5", Command.RESTORE),
        ("f8", Command.DISCARD),
    ],
)
def test_key_runs_its_command(key: str, command: Command) -> None:
    harness = EditorHarness(TEXT)
    harness.press(key)
    assert (harness.commands, harness.text) == ([command], TEXT)


def test_ctrl_a_selects_the_whole_text() -> None:
    harness = EditorHarness(TEXT)
    harness.press("ctrl a")
    assert harness.selected == TEXT


def test_ctrl_z_undoes_and_ctrl_y_redoes() -> None:
    harness = EditorHarness()
    harness.type("one two")
    harness.press("ctrl z")
    assert harness.text == "one "
    harness.press("ctrl y")
    assert harness.text == "one two"


def test_backspace_and_delete_erase() -> None:
    harness = EditorHarness("abc")
    harness.press("right", "delete")
    assert harness.text == "ac"
    harness.press("backspace")
    assert harness.text == "c"


def test_enter_and_tab_insert_text() -> None:
    harness = EditorHarness()
    harness.press("a", "enter", "tab", "b")
    assert harness.text == "a\n\tb"


def test_unbound_keys_do_nothing() -> None:
    harness = EditorHarness(TEXT)
    harness.press("f12", "meta x", "meta ф", "meta 😀", "ctrl e", "insert", "esc", "<255>")
    assert (harness.text, harness.commands) == (TEXT, [])


def test_letters_of_any_script_are_inserted() -> None:
    harness = EditorHarness()
    harness.type("Ещё 漢字 e\u0301!")
    assert harness.text == "Ещё 漢字 e\u0301!"


@pytest.mark.parametrize(("key", "end"), [("left", 4), ("right", 7)])
def test_arrow_collapses_a_selection_to_its_edge(key: str, end: int) -> None:
    harness = EditorHarness(TEXT)
    harness.press("ctrl right", "shift end", key)
    assert (cursor_of(harness), harness.selected) == ((0, end), "")


def test_up_and_down_keep_the_column_through_shorter_lines() -> None:
    harness = EditorHarness("a long line\nx\nanother long line")
    harness.press("end", "down", "down")
    assert cursor_of(harness) == (2, 11)


def test_page_keys_keep_the_column() -> None:
    harness = EditorHarness("\n".join(["long line", *[""] * 20, "another one"]), 40, 10)
    harness.press("right", "right", "right", "page down", "page down", "page down", "page up")
    assert cursor_of(harness) == (13, 0)
    harness.press("page down", "down", "down")
    harness.press("up")
    assert cursor_of(harness) == (20, 0)


def test_home_and_end_move_within_a_screen_row() -> None:
    harness = EditorHarness("one two three four", 10)
    harness.press("down", "end")
    assert cursor_of(harness) == (0, 13)
    harness.press("home")
    assert cursor_of(harness) == (0, 8)


@pytest.mark.parametrize(
    "text",
    [
        "Цена 5\u00a0000\u00a0₽, жить в\u00a0доме. «\u00a0oui\u202f»",
        "山田\u3000太郎",
        "می\u200cخواهم ශ්\u200dරී क्\u200dष",
        "👨\u200d👩\u200d👧 ❤\ufe0f 🏴\U000e0067\U000e007f \U0001fae9",
        "soft\u00adhyphen \u200b\u2060\ufeff\u200e\u202eabc\u202c\u2066d\u2069 \u2028",
        "\ue000 \uf8ff \U0010fffd unassigned \U000e0fff",
    ],
)
def test_paste_inserts_the_text_unchanged(text: str) -> None:
    harness = EditorHarness()
    harness.editor.paste(text)
    assert harness.text == text
    harness.press("ctrl a")
    harness.type(text)
    assert harness.text == text


def test_control_characters_are_removed_from_pastes_and_keys() -> None:
    controls = "".join(map(chr, [*range(9), *range(14, 32), *range(127, 160)]))
    harness = EditorHarness("kept")
    harness.editor.paste(f"a{controls}b\tc")
    harness.editor.type("\x9b")
    assert harness.text == "ab\tckept"
    harness.press("ctrl a")
    harness.editor.paste(controls)
    harness.editor.type("\x9b")
    assert harness.text == "ab\tckept"


def test_paste_is_one_undo_step_and_keeps_its_lines() -> None:
    harness = EditorHarness()
    harness.editor.paste("one\r\ntwo\x1b[31m\tthree\rfour")
    assert harness.text == "one\ntwo[31m\tthree\nfour"
    harness.press("ctrl z")
    assert harness.text == ""


def test_click_moves_the_cursor() -> None:
    harness = EditorHarness(TEXT)
    harness.click(3, 1)
    assert (cursor_of(harness), harness.copied) == ((1, 3), [])


def test_click_below_the_text_moves_the_cursor_to_its_end() -> None:
    harness = EditorHarness(TEXT)
    harness.click(3, 7)
    assert cursor_of(harness) == (2, 4)


def test_drag_selects_and_copies() -> None:
    harness = EditorHarness(TEXT)
    harness.mouse("press", 4, 0)
    harness.mouse("drag", 2, 1)
    harness.mouse("drag", 5, 1)
    assert harness.selected == "two\nthree"
    harness.mouse("release", 5, 1, 0)
    assert harness.copied == ["two\nthree"]


def test_drag_below_the_screen_scrolls() -> None:
    harness = EditorHarness("\n".join(map(str, range(30))), 40, 6)
    harness.mouse("press", 0, 0)
    for _ in range(3):
        harness.mouse("drag", 1, 5)
    assert harness.rows()[0] == "3"
    assert harness.selected.startswith("0\n1\n")


def test_double_click_selects_and_copies_a_word_and_triple_click_a_line() -> None:
    harness = EditorHarness(TEXT)
    harness.click(7, 1)
    harness.now += 0.2
    harness.click(7, 1)
    assert (harness.selected, harness.copied) == ("four", ["four"])
    harness.now += 0.2
    harness.click(7, 1)
    assert (harness.selected, harness.copied) == ("three four", ["four", "three four"])


def test_two_slow_clicks_are_not_a_double_click() -> None:
    harness = EditorHarness(TEXT)
    harness.click(7, 1)
    harness.now += 0.6
    harness.click(7, 1)
    assert harness.copied == []


def test_triple_click_selects_all_rows_of_a_wrapped_line() -> None:
    harness = EditorHarness("a line that takes more than one row\nnext", 20)
    for _ in range(3):
        harness.click(3, 1)
    assert harness.selected == "a line that takes more than one row"


def test_wheel_scrolls_and_a_key_scrolls_back_to_the_cursor() -> None:
    harness = EditorHarness("\n".join(map(str, range(30))), 40, 6)
    harness.mouse("press", 0, 0, 5)
    assert (harness.rows()[0], harness.cursor, cursor_of(harness)) == ("3", None, (0, 0))
    harness.mouse("press", 0, 0, 4)
    assert harness.rows()[0] == "0"
    harness.mouse("press", 0, 0, 5)
    harness.press("right")
    assert harness.rows()[0] == "0"


def test_click_on_the_status_line_does_nothing() -> None:
    harness = EditorHarness(TEXT)
    harness.click(3, 9)
    assert cursor_of(harness) == (0, 0)


def test_click_moves_the_preedit() -> None:
    harness = EditorHarness("One. Three.")
    harness.editor.dictation.set_partial((1, 1), "two.")
    harness.click(9, 0)
    harness.editor.dictation.insert_final((1, 1), "Two.")
    assert harness.text == "One. Two. Three."


def documented_name(key: str) -> str:
    """Return the name of the key in docs/editor.md."""
    names = {"page up": "PgUp", "page down": "PgDn", "delete": "Del"}
    *modifiers, last = key.replace("page ", "page_").split(" ")
    last = last.replace("_", " ")
    return "+".join([*(each.capitalize() for each in modifiers), names.get(last, last.capitalize())])


def test_manual_lists_every_key_with_its_command() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "editor.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in manual.splitlines() if line[:3] == "| `"}
    documented = {key.strip("`"): command for keys, command in rows.items() for key in keys.split(", ")}
    assert documented == {documented_name(key): command.value for key, command in {**KEYS, **MOVE_KEYS}.items()}
    assert all(hint.split(" ")[0] in documented for hint in HINTS)
