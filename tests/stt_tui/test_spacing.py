"""Spacing and capitalization of an inserted sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_tui.spacing import with_spacing
from tests.support.terminal.tui_texts import lines


@pytest.mark.parametrize(
    ("before", "text", "after", "expected"),
    [
        pytest.param("", "Hello.", "", "Hello.", id="alone"),
        pytest.param("One.", "Two.", "", " Two.", id="after a sentence"),
        pytest.param("One. ", "Two.", "", "Two.", id="after a space"),
        pytest.param("(", "Aside.", ")", "Aside.", id="in brackets"),
        pytest.param("сказал: «", "Привет", "»", "Привет", id="in quotes"),
        pytest.param('said "', "Hello", '"', "Hello", id="after a straight quote that opens"),
        pytest.param('"Go"', "he said.", "", " he said.", id="after a straight quote that closes"),
        pytest.param("one", "two", "three", " two ", id="between words"),
        pytest.param("one", "two", ", three", " two", id="before a comma"),
        pytest.param("one", ", two", "", ", two", id="itself beginning with a comma"),
        pytest.param("漢字", "語音。", "識別", "語音。", id="Chinese has no spaces"),
        pytest.param("漢字", "Word", "", " Word", id="a Latin word has"),
        pytest.param("\t", "Text.", "", "Text.", id="after a tab"),
        pytest.param("", "hello.", "", "Hello.", id="a line begins with a capital"),
        pytest.param("Да.", "ну вот.", "", " Ну вот.", id="so does a sentence"),
        pytest.param("«Да.»", "ну вот.", "", " Ну вот.", id="... after a quotation"),
        pytest.param("well,", "hello.", "", " hello.", id="but not within a sentence"),
        pytest.param("well,", "Hello.", "", " Hello.", id="... where a capital, which may be a name, stays"),
        pytest.param("", "iPhone sales rose.", "", "iPhone sales rose.", id="a word with its own capitals stays"),
        pytest.param("One.", " two \n three ", "", " Two three", id="spaces and line breaks within become one space"),
        pytest.param("One.", "  ", "two", "", id="nothing is nothing"),
    ],
)
def test_sentence_gets_spacing_and_case_for_its_context(before: str, text: str, after: str, expected: str) -> None:
    assert with_spacing(before, text, after) == expected


@given(lines, st.lists(lines).map(" ".join), lines)
def test_spacing_changes_no_word(before: str, text: str, after: str) -> None:
    fitted = with_spacing(before, text, after)
    assert fitted.casefold().split() == text.casefold().split()
