"""Screen content at common terminal widths, in English and in Russian."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_tui.graphemes import text_columns
from stt_tui.keys import MOVE_KEYS, SELECTION_KEYS
from stt_tui.status import Recording
from tests.support.terminal.tui_screens import EditorHarness
from tests.support.terminal.tui_texts import texts

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
def test_text_is_wrapped_at_words(text: str, columns: int, rows: list[str]) -> None:
    assert EditorHarness(text, columns).text_rows() == rows


@given(texts, st.integers(8, 40), st.integers(2, 6))
def test_rows_fit_the_screen_and_the_cursor_is_on_it(text: str, columns: int, height: int) -> None:
    harness = EditorHarness(text, columns, height)
    harness.press("ctrl end")
    rows = harness.screen.render(harness.size).decoded_text
    assert len(rows) == height
    assert {text_columns(row) for row in rows} <= {columns}
    assert harness.cursor is not None
    assert harness.cursor[0] < columns
    assert harness.cursor[1] < height - 1


@given(texts.filter(str.isprintable), st.integers(8, 40))
def test_rows_copied_from_the_screen_contain_the_text(text: str, columns: int) -> None:
    """A wrapped row ends with a line break in place of a space."""
    rows = EditorHarness(text, columns, 200).text_rows()
    assert "".join("".join(rows).replace("◌", "").split()) == "".join(text.split())


def test_lines_copied_from_the_screen_keep_their_line_breaks() -> None:
    text = "One.\n\n  Two, indented.\nТри."
    assert "\n".join(EditorHarness(text, 30).text_rows()) == text


def test_preedit_is_dimmed_and_the_cursor_is_before_it() -> None:
    harness = EditorHarness("One.", 30)
    harness.press("end")
    harness.editor.dictation.set_partial((1, 1), "two and a half")
    assert harness.text_rows() == ["One. Two and a half"]
    assert harness.styled("preedit") == " Two and a half"
    assert harness.cursor == (4, 0)


def test_end_of_a_long_preedit_is_visible() -> None:
    harness = EditorHarness("\n".join("abcdefgh"), 30, 6)
    harness.press("ctrl end")
    harness.editor.dictation.set_partial((1, 1), "word " * 20)
    assert harness.cursor is not None
    assert harness.rows()[-1].endswith("word")


def test_selection_is_highlighted() -> None:
    harness = EditorHarness("One two\nthree")
    harness.press("ctrl right", "shift ctrl right", "shift right", "shift right")
    assert harness.styled("selected") == "two t"


def test_control_character_in_a_file_is_drawn_visibly() -> None:
    assert EditorHarness("a\x1b[2Jb").text_rows() == ["a␛[2Jb"]


def test_text_scrolls_with_the_cursor() -> None:
    harness = EditorHarness("\n".join(map(str, range(20))), 30, 6)
    assert harness.text_rows() == ["0", "1", "2", "3", "4"]
    harness.press("ctrl end")
    assert harness.text_rows() == ["15", "16", "17", "18", "19"]
    harness.press("ctrl home")
    assert harness.text_rows() == ["0", "1", "2", "3", "4"]


def test_narrower_screen_still_shows_the_cursor() -> None:
    harness = EditorHarness("\n".join(f"line {number} of some words" for number in range(50)), 80, 6)
    harness.press("ctrl end")
    harness.size = (12, 6)
    assert harness.cursor is not None
    assert harness.rows()[harness.cursor[1]].endswith("words")


def test_last_row_is_the_status_line() -> None:
    harness = EditorHarness("One.", 30)
    harness.status.recording = Recording.ON
    harness.status.language = "en"
    assert harness.status_row == "●  [    ]  en  0.0s  F1 stop"


def test_screen_of_one_row_shows_the_status_line() -> None:
    harness = EditorHarness("One.", 30, 1)
    assert harness.rows() == []
    assert harness.status_row.startswith("○ off")


def test_key_in_a_text_of_a_million_characters_is_drawn_within_15_ms() -> None:
    harness = EditorHarness("\n".join("слово за слово " * 40 for _ in range(1700)), 80, 40)
    harness.press("ctrl end")
    started = time.process_time()
    harness.type("написано")
    assert (time.process_time() - started) / 8 < 0.015


ACTIONS = st.one_of(
    st.sampled_from([*MOVE_KEYS, *SELECTION_KEYS, "backspace", "delete", "enter", "ctrl z", "ctrl y", "tab"]),
    st.sampled_from(["слово", "a", " ", "漢", "\u0301", "partial", "final", "narrower", "wider"]),
)


@given(texts, st.lists(ACTIONS, max_size=30))
def test_screen_shows_the_part_of_the_text_around_the_cursor_after_any_input(text: str, actions: list[str]) -> None:
    harness, utterance = EditorHarness(text, 20, 6), 1
    for action in actions:
        match action:
            case "partial":
                harness.editor.dictation.set_partial((1, utterance), "said so far")
            case "final":
                harness.editor.dictation.insert_final((1, utterance), "Said and done.")
                utterance += 1
            case "narrower" | "wider":
                harness.size = (10 if action == "narrower" else 30, 6)
            case _:
                harness.press(action)
    assert harness.cursor is not None
    full_screen = EditorHarness(harness.text, harness.size[0], 500)
    full_screen.editor.document.move(harness.editor.document.cursor)
    if not harness.editor.dictation.has_pending:
        row = full_screen.cursor[1] - harness.cursor[1] if full_screen.cursor else -1
        assert full_screen.rows()[row : row + 5] == harness.rows()
