"""Foreign text contains nothing that a terminal executes when it is displayed, copied or saved."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_client.sanitize import MESSAGE_CHARACTERS, sanitize_lines, sanitize_message, sanitize_text, to_json

EXECUTED = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
any_text = st.text(st.characters() | st.sampled_from("\x1b\x07\x9b\x9d\u202e\u2066\u2028\u200c\u200d\r\n\t \udce9"))

UNCHANGED = {
    "Persian, zero-width non-joiner": "می\u200cخواهم",
    "Sinhala, zero-width joiner": "ශ්\u200dරී",
    "Hindi, zero-width joiner": "क्\u200dष",
    "Khmer, zero-width space": "ភាសា\u200bខ្មែរ",
    "Hebrew, directional mark": "שלום\u200f!",
    "French, narrow no-break space": "«\u202foui\u202f»",
    "Russian, no-break space": "5\u00a0000\u00a0₽",
    "Japanese, ideographic space": "山田\u3000太郎",
    "Arabic letter mark": "\u061c123",
    "soft hyphen": "co\u00adoperate",
    "emoji, joined": "👨\u200d👩\u200d👧",
    "emoji, variation selector": "❤\ufe0f",
    "emoji, tags of a flag": "🏴\U000e0067\U000e0062\U000e007f",
    "emoji, newer than this Python": "\U0001fae9\U0001faff",
    "private use": "\ue000",
    "combining": "e\u0301",
}


@pytest.mark.parametrize("text", UNCHANGED.values(), ids=UNCHANGED.keys())
def test_characters_that_scripts_need_are_unchanged(text: str) -> None:
    assert sanitize_text(text) == sanitize_lines(text) == sanitize_message(text) == text


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_control_and_bidirectional_characters_are_removed(code: int) -> None:
    text = f"a{chr(code)}b"
    assert sanitize_text(text) in ("ab", "a b")
    assert sanitize_lines(text) == (text if text == "a\nb" else "ab")


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029", " \n\n "])
def test_line_breaks_become_one_space(line_break: str) -> None:
    assert sanitize_text(f"{line_break}a{line_break}b{line_break}") == "a b"


def test_escape_sequence_becomes_text() -> None:
    assert sanitize_text("a\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2Jb") == "a]52;c;cm0gLXJmIH4K[2Jb"


def test_file_name_that_is_not_utf_8_is_shown_with_replacements() -> None:
    assert sanitize_text("caf\udce9.wav") == sanitize_lines("caf\udce9.wav") == "caf\ufffd.wav"


@given(any_text)
def test_executed_characters_are_removed_from_any_text(text: str) -> None:
    assert not EXECUTED.search(sanitize_text(text))
    assert not EXECUTED.search(sanitize_message(text))
    assert not EXECUTED.search(sanitize_lines(text).replace("\n", ""))
    assert not EXECUTED.search(to_json({"text": text, text: [text]}))
    assert not EXECUTED.search(to_json([text], indent=2).replace("\n", ""))


@given(any_text)
def test_json_decodes_to_the_same_text(text: str) -> None:
    assert json.loads(to_json({"text": text})) == {"text": text}


@given(
    st.text(
        st.characters(
            exclude_categories=["Cc", "Cs", "Zl", "Zp"],
            exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        )
    )
)
def test_text_without_control_characters_changes_only_in_its_spaces(text: str) -> None:
    assert sanitize_text(text) == re.sub(" +", " ", text).strip(" ")
    assert sanitize_lines(text) == text


@given(any_text)
def test_sanitized_text_is_unchanged(text: str) -> None:
    assert sanitize_text(sanitize_text(text)) == sanitize_text(text)


@pytest.mark.parametrize("text", ["A" * 3_900_000, "\x1b" * 3_900_000, "\u0301 " * 2_000_000, "\n" * 3_900_000])
def test_long_message_is_truncated_with_an_ellipsis(text: str) -> None:
    message = sanitize_message(text)
    assert len(message) <= MESSAGE_CHARACTERS
    assert message.endswith("…")


def test_message_of_usual_length_is_complete() -> None:
    assert sanitize_message("a" * MESSAGE_CHARACTERS) == "a" * MESSAGE_CHARACTERS
    assert unicodedata.category(sanitize_message("é" * 5)[0]) == "Ll"
