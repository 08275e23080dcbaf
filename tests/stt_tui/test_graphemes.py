"""Characters as people see them: their borders and columns."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from wcwidth import iter_graphemes

from stt_tui.graphemes import boundary_after, boundary_at, boundary_before, columns_of, is_word, printable, text_columns
from tests.support.tui_texts import boundaries, lines

JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


@given(lines)
def test_borders_found_from_anywhere_are_those_found_from_the_start(line: str) -> None:
    found = boundaries(line)
    for border, following in pairwise(found):
        assert boundary_after(line, border) == following
        assert boundary_before(line, following) == border
    for offset in range(len(line) + 1):
        assert boundary_at(line, offset) == min(border for border in found if border >= offset)


@given(lines)
def test_what_is_drawn_takes_the_columns_that_are_reckoned_with(line: str) -> None:
    assert text_columns(line) == sum(columns_of(character) for character in iter_graphemes(line))
    assert text_columns(printable(line)) == text_columns(line)
    drawn = printable(line)
    assert not any(unicodedata.category(each) in ("Cc", "Cf") for each in drawn.translate(JOINERS))


@pytest.mark.parametrize(
    ("character", "columns"),
    [("a", 1), ("é", 1), ("е\u0301", 1), ("漢", 2), ("👨‍👩‍👧", 2), ("🇩🇪", 2), ("\t", 4), ("\u200b", 1), ("\x07", 1)],
)
def test_a_character_takes_its_columns(character: str, columns: int) -> None:
    assert columns_of(character) == columns


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("soft\u00adhyphen", "soft¬hyphen"),
        ("\u202ecba\u202c", "\ufffdcba\ufffd"),
        ("a\u200bb\ufeffc\u2028", "a\ufffdb\ufffdc\ufffd"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u200cb", "\ufffdb"),
        ("5\u00a0000\u3000", "5\u00a0000\u3000"),
        ("\x1b[0m\x9b\x7f", "␛[0m\ufffd\ufffd"),
        ("caf\udce9", "caf\ufffd"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_drawn_as_a_visible_character(text: str, drawn: str) -> None:
    assert printable(text) == drawn


def test_a_border_deep_in_a_long_line_is_found_near_it() -> None:
    line = "é" + "漢字" * 500_000 + "👨‍👩‍👧"
    assert boundary_before(line, len(line)) == len(line) - len("👨‍👩‍👧")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't", True),
        ("'tis", False),
        ("слово", True),
        ("cafe\u0301", True),
        ("می\u200cخواهم", True),
        ("क्\u200dष", True),
        ("soft\u00adhyphen", True),
        ("not\u200bjoined", False),
    ],
)
def test_an_apostrophe_or_a_joiner_belongs_to_a_word_between_letters_only(text: str, expected: bool) -> None:
    assert all(is_word(text, offset) for offset in range(len(text))) is expected
