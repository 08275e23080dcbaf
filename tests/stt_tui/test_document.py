"""Editing a document: typing, erasing, selecting, undoing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_tui import movement
from stt_tui.document import Document
from stt_tui.lines import Lines, Position, end_of
from tests.support.terminal.tui_texts import boundaries, texts

Step = Callable[[Document], object]


def anywhere(document: Document, fraction: float) -> Position:
    line = int(fraction * (len(document.lines) - 1))
    return Position(line, int(fraction * len(document.lines[line])))


fractions = st.floats(0, 1)
steps: st.SearchStrategy[Step] = st.one_of(
    texts.filter(bool).map(lambda text: lambda document: document.type(text)),
    texts.map(lambda text: lambda document: document.paste(text)),
    st.just(lambda document: document.delete_before()),
    st.just(lambda document: document.delete_after()),
    fractions.map(lambda fraction: lambda document: document.move(anywhere(document, fraction))),
    fractions.map(lambda fraction: lambda document: document.extend(anywhere(document, fraction))),
    st.tuples(fractions, texts).map(lambda at: lambda document: document.insert(anywhere(document, at[0]), at[1])),
    st.just(lambda document: document.undo()),
    st.just(lambda document: document.redo()),
)


def edited(*actions: Step, text: str = "") -> Document:
    document = Document(text)
    document.move(document.lines.end)
    for action in actions:
        action(document)
    return document


def typed(text: str) -> list[Step]:
    return [lambda document, each=each: document.type(each) for each in text]  # type: ignore[misc]


@given(texts, st.lists(steps))
def test_cursor_is_always_on_a_grapheme_boundary(text: str, actions: list[Step]) -> None:
    document = Document(text)
    for action in actions:
        action(document)
        assert document.cursor.offset in boundaries(document.lines[document.cursor.line])


@given(texts, st.lists(steps))
def test_undo_of_all_steps_restores_the_first_text_and_redo_the_last(text: str, actions: list[Step]) -> None:
    document = edited(*actions, text=text)
    while document.redo():
        pass
    last = document.text()
    while document.undo():
        pass
    assert document.text() == text
    while document.redo():
        pass
    assert document.text() == last


@given(texts, st.lists(steps), st.integers(1, 5))
def test_redo_reverts_as_many_undo_steps(text: str, actions: list[Step], count: int) -> None:
    document = edited(*actions, text=text)
    while document.redo():
        pass
    before = document.text()
    undone = sum(document.undo() for _ in range(count))
    assert sum(document.redo() for _ in range(undone)) == undone
    assert document.text() == before


@given(texts, fractions, fractions, texts)
def test_replace_changes_only_the_text_between_its_positions(text: str, one: float, other: float, new: str) -> None:
    document = Document(text)
    start, end = sorted((anywhere(document, one), anywhere(document, other)))
    lines = Lines(text)
    old = lines.between(start, end)
    before, after = lines.between(Position(0, 0), start), lines.between(end, lines.end)
    change = lines.replace(start, end, new)
    assert lines.text() == before + new + after
    assert change.new_end == end_of(start, new)
    assert before + old + after == text


@given(texts, fractions, texts.filter(bool))
def test_insertion_at_any_position_keeps_the_selected_text(text: str, fraction: float, new: str) -> None:
    document = Document(text)
    document.extend(anywhere(document, 0.7))
    selected = document.selected_text()
    if document.selection is None:
        return
    start, end = document.selection
    document.insert(anywhere(document, fraction), new)
    if start < anywhere(Document(text), fraction) < end:
        assert len(document.selected_text()) >= len(selected)
    elif "\u0301" not in new and "\u200b" not in new and new.isascii() and text.isascii():
        assert document.selected_text() == selected


def test_undo_removes_one_typed_word() -> None:
    document = edited(*typed("one two"))
    document.undo()
    assert document.text() == "one "
    document.undo()
    assert document.text() == ""


def test_undo_reverts_a_run_of_backspaces() -> None:
    document = edited(*[Document.delete_before] * 3, text="one two")
    assert document.text() == "one "
    document.undo()
    assert document.text() == "one two"


def test_undo_reverts_a_run_of_deletes() -> None:
    document = edited(text="one two")
    document.move(Position(0, 0))
    for _ in range(4):
        document.delete_after()
    assert document.text() == "two"
    document.undo()
    assert document.text() == "one two"


def test_paste_after_typing_is_its_own_undo_step() -> None:
    document = edited(*typed("a"), lambda document: document.paste("b c d"), *typed("e"))
    document.undo()
    assert document.text() == "ab c d"
    document.undo()
    assert document.text() == "a"


def test_cursor_movement_ends_an_undo_step() -> None:
    document = edited(*typed("ab"), lambda document: document.move(Position(0, 1)), *typed("x"))
    document.undo()
    assert document.text() == "ab"


def test_typing_replaces_the_selection() -> None:
    document = Document("one two three")
    document.select(Position(0, 4), Position(0, 7))
    document.type("2")
    assert (document.text(), document.cursor) == ("one 2 three", Position(0, 5))
    document.undo()
    assert document.text() == "one two three"


@pytest.mark.parametrize("erase", [Document.delete_before, Document.delete_after])
def test_erasing_removes_the_selection(erase: Step) -> None:
    document = Document("one\ntwo\nthree")
    document.select(Position(0, 1), Position(2, 2))
    erase(document)
    assert document.text() == "oree"


def test_backspace_removes_a_character_with_its_accents() -> None:
    document = edited(Document.delete_before, text="cafe\u0301")
    assert document.text() == "caf"


def test_backspace_at_the_start_of_a_line_joins_it_to_the_previous_line() -> None:
    document = Document("one\ntwo")
    document.move(Position(1, 0))
    document.delete_before()
    assert (document.text(), document.cursor) == ("onetwo", Position(0, 3))


def test_typed_accent_joins_the_previous_letter() -> None:
    document = edited(*typed("e\u0301x"))
    document.move(Position(0, 1))
    assert document.cursor == Position(0, 2)


def test_select_all_selects_the_whole_text() -> None:
    document = Document("one\ntwo")
    document.select_all()
    assert document.selected_text() == "one\ntwo"


@given(texts)
def test_right_and_left_visit_each_grapheme_boundary_once(text: str) -> None:
    lines = Lines(text)
    rightward = [Position(0, 0)]
    while rightward[-1] != lines.end:
        rightward.append(movement.right(lines, rightward[-1]))
    assert rightward == [Position(line, each) for line in range(len(lines)) for each in boundaries(lines[line])]
    leftward = [lines.end]
    while leftward[-1] != Position(0, 0):
        leftward.append(movement.left(lines, leftward[-1]))
    assert leftward == rightward[::-1]


@given(texts)
def test_movement_by_words_reaches_both_ends_of_the_text(text: str) -> None:
    lines = Lines(text)
    position = Position(0, 0)
    while position != lines.end:
        following = movement.word_right(lines, position)
        assert following > position
        position = following
    while position != Position(0, 0):
        before = movement.word_left(lines, position)
        assert before < position
        position = before


def test_movement_by_words_stops_at_the_start_of_each_word() -> None:
    lines = Lines("Привет, don't go\nhome")
    stops, position = [0], Position(0, 0)
    while position.line == 0:
        position = movement.word_right(lines, position)
        stops.append(position.offset)
    assert stops == [0, 8, 14, 16, 0]


@pytest.mark.parametrize(("offset", "word"), [(0, "Привет"), (5, "Привет"), (6, ", "), (9, "мир"), (11, "мир")])
def test_word_around_a_position_is_the_word_under_it(offset: int, word: str) -> None:
    lines = Lines("Привет, мир")
    assert lines.between(*movement.word_around(lines, Position(0, offset))) == word


def test_insertion_that_joins_the_last_selected_character_extends_the_selection() -> None:
    document = Document("e")
    document.select(Position(0, 0), Position(0, 1))
    document.insert(Position(0, 1), "\u0301")
    assert (document.cursor, document.selected_text()) == (Position(0, 2), "e\u0301")
