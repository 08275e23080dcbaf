"""What the screen shows, at the widths that terminals have, in English and in Russian."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_tui.graphemes import text_columns
from stt_tui.keys import MOVES, SELECTING
from stt_tui.status import Recording
from tests.support.tui_screens import Desk
from tests.support.tui_texts import texts

ENGLISH = "And so, my fellow Americans: ask not what your country can do for you; ask what you can do for it."
RUSSIAN = "Ваш звонок является первым в очереди и будет обслужен первым доступным оператором. Не вешайте трубку."


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        (
            ENGLISH,
            30,
            [
                "And so, my fellow Americans:",
                "ask not what your country can",
                "do for you; ask what you can",
                "do for it.",
            ],
        ),
        (
            ENGLISH,
            80,
            ["And so, my fellow Americans: ask not what your country can do for you; ask what", "you can do for it."],
        ),
        (ENGLISH, 200, [ENGLISH]),
        (
            RUSSIAN,
            30,
            [
                "Ваш звонок является первым в",
                "очереди и будет обслужен",
                "первым доступным оператором.",
                "Не вешайте трубку.",
            ],
        ),
        (
            RUSSIAN,
            80,
            [
                "Ваш звонок является первым в очереди и будет обслужен первым доступным",
                "оператором. Не вешайте трубку.",
            ],
        ),
        (RUSSIAN, 200, [RUSSIAN]),
        ("漢字 and 👍🏽 and e\u0301", 30, ["漢字 and 👍🏽 and e\u0301"]),
    ],
)
def test_the_text_is_wrapped_at_words(text: str, columns: int, rows: list[str]) -> None:
    assert Desk(text, columns).text_rows() == rows


@given(texts, st.integers(8, 40), st.integers(2, 6))
def test_every_row_has_the_width_of_the_screen_and_the_cursor_is_on_it(text: str, columns: int, height: int) -> None:
    desk = Desk(text, columns, height)
    desk.press("ctrl end")
    rows = desk.screen.render(desk.size).decoded_text
    assert len(rows) == height
    assert {text_columns(row) for row in rows} <= {columns}
    assert desk.cursor is not None
    assert desk.cursor[0] < columns
    assert desk.cursor[1] < height - 1


@given(texts.filter(str.isprintable), st.integers(8, 40))
def test_the_rows_copied_from_the_screen_are_the_text(text: str, columns: int) -> None:
    """Where a row was wrapped, the space is a line break."""
    rows = Desk(text, columns, 200).text_rows()
    assert "".join("".join(rows).replace("◌", "").split()) == "".join(text.split())


def test_lines_copied_from_the_screen_are_lines() -> None:
    text = "One.\n\n  Two, indented.\nТри."
    assert "\n".join(Desk(text, 30).text_rows()) == text


def test_what_is_being_said_is_dim_and_the_cursor_stands_before_it() -> None:
    desk = Desk("One.", 30)
    desk.press("end")
    desk.editor.dictation.hear((1, 1), "two and a half")
    assert desk.text_rows() == ["One. Two and a half"]
    assert desk.styled("ghost") == " Two and a half"
    assert desk.cursor == (4, 0)


def test_the_end_of_what_is_being_said_is_in_sight() -> None:
    desk = Desk("\n".join("abcdefgh"), 30, 6)
    desk.press("ctrl end")
    desk.editor.dictation.hear((1, 1), "word " * 20)
    assert desk.cursor is not None
    assert desk.rows()[-1].endswith("word")


def test_what_is_selected_is_marked() -> None:
    desk = Desk("One two\nthree")
    desk.press("ctrl right", "shift ctrl right", "shift right", "shift right")
    assert desk.styled("selected") == "two t"


def test_a_control_character_in_a_file_is_shown_and_not_obeyed() -> None:
    assert Desk("a\x1b[2Jb").text_rows() == ["a␛[2Jb"]


def test_the_text_scrolls_with_the_cursor() -> None:
    desk = Desk("\n".join(map(str, range(20))), 30, 6)
    assert desk.text_rows() == ["0", "1", "2", "3", "4"]
    desk.press("ctrl end")
    assert desk.text_rows() == ["15", "16", "17", "18", "19"]
    desk.press("ctrl home")
    assert desk.text_rows() == ["0", "1", "2", "3", "4"]


def test_a_narrower_screen_shows_the_same_place() -> None:
    desk = Desk("\n".join(f"line {number} of some words" for number in range(50)), 80, 6)
    desk.press("ctrl end")
    desk.size = (12, 6)
    assert desk.cursor is not None
    assert desk.rows()[desk.cursor[1]].endswith("words")


def test_the_status_line_is_the_last_row() -> None:
    desk = Desk("One.", 30)
    desk.status.recording = Recording.ON
    desk.status.language = "en"
    assert desk.status_row == "●  [    ]  en  0.0s  F1 stop"


def test_a_screen_of_one_row_is_the_status_line() -> None:
    desk = Desk("One.", 30, 1)
    assert desk.rows() == []
    assert desk.status_row.startswith("○ off")


def test_a_key_in_a_text_of_a_million_characters_draws_in_milliseconds() -> None:
    desk = Desk("\n".join("слово за слово " * 40 for _ in range(1700)), 80, 40)
    desk.press("ctrl end")
    started = time.process_time()
    desk.type("написано")
    assert (time.process_time() - started) / 8 < 0.015


ACTIONS = st.one_of(
    st.sampled_from([*MOVES, *SELECTING, "backspace", "delete", "enter", "ctrl z", "ctrl y", "tab"]),
    st.sampled_from(["слово", "a", " ", "漢", "\u0301", "hear", "settle", "narrower", "wider"]),
)


@given(texts, st.lists(ACTIONS, max_size=30))
def test_whatever_one_does_the_screen_is_a_part_of_the_text_with_the_cursor_in_it(
    text: str, actions: list[str]
) -> None:
    desk, utterance = Desk(text, 20, 6), 1
    for action in actions:
        match action:
            case "hear":
                desk.editor.dictation.hear((1, utterance), "said so far")
            case "settle":
                desk.editor.dictation.settle((1, utterance), "Said and done.")
                utterance += 1
            case "narrower" | "wider":
                desk.size = (10 if action == "narrower" else 30, 6)
            case _:
                desk.press(action)
    assert desk.cursor is not None
    whole = Desk(desk.text, desk.size[0], 500)
    whole.editor.document.move(desk.editor.document.cursor)
    if not desk.editor.dictation.is_open:
        row = whole.cursor[1] - desk.cursor[1] if whole.cursor else -1
        assert whole.rows()[row : row + 5] == desk.rows()
