"""Characters as people see them: their borders and columns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from tui_texts import borders, lines
from wcwidth import iter_graphemes

from stt_tui.graphemes import border_after, border_at, border_before, columns_of, is_word, shown, text_columns


@given(lines)
def test_borders_found_from_anywhere_are_those_found_from_the_start(line: str) -> None:
    found = borders(line)
    for border, following in pairwise(found):
        assert border_after(line, border) == following
        assert border_before(line, following) == border
    for offset in range(len(line) + 1):
        assert border_at(line, offset) == min(border for border in found if border >= offset)


@given(lines)
def test_what_is_drawn_takes_the_columns_that_are_reckoned_with(line: str) -> None:
    assert text_columns(line) == sum(columns_of(character) for character in iter_graphemes(line))
    assert text_columns(shown(line)) == text_columns(line)
    assert shown(line).isprintable() or "\u200d" in line


@pytest.mark.parametrize(
    ("character", "columns"),
    [("a", 1), ("é", 1), ("е\u0301", 1), ("漢", 2), ("👨‍👩‍👧", 2), ("🇩🇪", 2), ("\t", 4), ("\u200b", 1), ("\x07", 1)],
)
def test_a_character_takes_its_columns(character: str, columns: int) -> None:
    assert columns_of(character) == columns


def test_a_border_deep_in_a_long_line_is_found_near_it() -> None:
    line = "é" + "漢字" * 500_000 + "👨‍👩‍👧"
    assert border_before(line, len(line)) == len(line) - len("👨‍👩‍👧")


@pytest.mark.parametrize(
    ("text", "expected"), [("don't", True), ("'tis", False), ("слово", True), ("cafe\u0301", True)]
)
def test_an_apostrophe_belongs_to_a_word_between_letters_only(text: str, expected: bool) -> None:
    assert all(is_word(text, offset) for offset in range(len(text))) is expected
