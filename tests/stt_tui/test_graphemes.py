"""Characters as users perceive them: grapheme boundaries and column widths."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from wcwidth import iter_graphemes

from stt_tui.graphemes import boundary_after, boundary_at, boundary_before, columns_of, is_word, printable, text_columns
from tests.support.terminal.tui_texts import boundaries, lines

JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))


@given(lines)
def test_boundaries_found_from_any_offset_match_those_found_from_the_start(line: str) -> None:
    found = boundaries(line)
    for boundary, following in pairwise(found):
        assert boundary_after(line, boundary) == following
        assert boundary_before(line, following) == boundary
    for offset in range(len(line) + 1):
        assert boundary_at(line, offset) == min(boundary for boundary in found if boundary >= offset)


@given(lines)
def test_printable_text_has_the_computed_width(line: str) -> None:
    assert text_columns(line) == sum(columns_of(character) for character in iter_graphemes(line))
    assert text_columns(printable(line)) == text_columns(line)
    drawn = printable(line)
    assert not any(unicodedata.category(each) in ("Cc", "Cf") for each in drawn.translate(JOINERS))


@pytest.mark.parametrize(
    ("character", "columns"),
    [("a", 1), ("é", 1), ("е\u0301", 1), ("漢", 2), ("👨‍👩‍👧", 2), ("🇩🇪", 2), ("\t", 4), ("\u200b", 1), ("\x07", 1)],
)
def test_character_has_its_column_width(character: str, columns: int) -> None:
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
def test_control_and_invisible_characters_are_drawn_visibly(text: str, drawn: str) -> None:
    assert printable(text) == drawn


def test_boundary_deep_in_a_long_line_is_found() -> None:
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
def test_apostrophe_or_joiner_is_part_of_a_word_only_between_letters(text: str, expected: bool) -> None:
    assert all(is_word(text, offset) for offset in range(len(text))) is expected
