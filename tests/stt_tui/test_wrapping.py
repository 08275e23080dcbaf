"""Wrapping of lines into rows: complete, fitting, and independent of the history of changes."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stt_tui import wrapping
from stt_tui.graphemes import text_columns
from stt_tui.wrapping import Rows, next_row
from tests.support.terminal.tui_texts import boundaries, lines

widths = st.integers(min_value=1, max_value=20)


def rows_of(line: str, columns: int) -> list[str]:
    rows, bounds = Rows(columns), list[tuple[int, int]]()
    while (found := rows.range(line, len(bounds))) is not None:
        bounds.append(found)
    return [line[start:end] for start, end in bounds]


@given(lines, widths)
def test_rows_joined_are_the_line(line: str, columns: int) -> None:
    rows = rows_of(line, columns)
    assert "".join(rows) == line
    assert all(rows) or rows == [""]


@given(lines, widths)
def test_row_fits_unless_a_single_character_is_wider(line: str, columns: int) -> None:
    for row in rows_of(line, columns):
        assert text_columns(row.removesuffix(" ")) <= columns or len(boundaries(row)) == 2


@given(lines, widths)
def test_row_ends_between_characters(line: str, columns: int) -> None:
    ends = [0]
    for row in rows_of(line, columns):
        ends.append(ends[-1] + len(row))
    assert set(ends) <= set(boundaries(line))


@given(st.lists(st.sampled_from(["a", "слово", " ", "  ", "-", "long-winded"])).map("".join), widths)
def test_simple_text_wraps_like_any_other_text(line: str, columns: int) -> None:
    for start in range(len(line)):
        assert next_row(line, start, columns) == wrapping._next_row_of_graphemes(line, start, columns)


@given(lines, lines, widths, st.data())
def test_rows_after_a_change_equal_those_of_the_new_line(
    line: str, added: str, columns: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, len(line)))
    rows = Rows(columns)
    rows.row_at(line, data.draw(st.integers(0, len(line))))
    changed = line[:start] + added + line[end:]
    rows.invalidate_from(start)
    bounds = [rows.range(changed, row) for row in range(rows.count(changed))]
    assert [changed[each[0] : each[1]] for each in bounds if each] == rows_of(changed, columns)


@given(lines, widths)
def test_row_at_an_offset_contains_it(line: str, columns: int) -> None:
    rows = Rows(columns)
    for offset in range(len(line)):
        bounds = rows.range(line, rows.row_at(line, offset))
        assert bounds is not None
        assert bounds[0] <= offset < bounds[1]
    assert rows.row_at(line, len(line)) == rows.count(line) - 1


def test_row_ends_at_a_word_boundary() -> None:
    assert rows_of("Привет, как у вас дела?", 10) == ["Привет, ", "как у вас ", "дела?"]


def test_word_longer_than_a_row_is_split() -> None:
    assert rows_of("a incomprehensibilities", 10) == ["a ", "incomprehe", "nsibilitie", "s"]


def test_row_of_chinese_ends_between_any_two_characters() -> None:
    assert rows_of("語音識別系統", 5) == ["語音", "識別", "系統"]


def test_key_in_a_line_of_a_million_characters_wraps_the_screen_within_10_ms() -> None:
    line, rows = "слово " * 170_000, Rows(79)
    rows.count(line)
    started = time.process_time()
    for _ in range(100):
        line = line[:1000] + "x" + line[1000:]
        rows.invalidate_from(1000)
        for row in range(12, 60):
            assert rows.range(line, row) is not None
    assert (time.process_time() - started) / 100 < 0.01


def test_consecutive_rows_are_adjacent() -> None:
    rows = Rows(4)
    line = "one two three"
    bounds = [rows.range(line, row) for row in range(rows.count(line))]
    assert all(first and second and first[1] == second[0] for first, second in pairwise(bounds))
