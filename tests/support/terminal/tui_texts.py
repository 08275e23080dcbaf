"""Hypothesis strategies for texts: plain words, and wide, joined and invisible characters."""

from __future__ import annotations

from hypothesis import strategies as st
from wcwidth import iter_graphemes

FRAGMENTS = [
    "a",
    "word",
    "длинноеслово",
    " ",
    "  ",
    "\n",
    "\t",
    "-",
    "…",
    "é",
    "\u0301",
    "漢",
    "字。",
    "👍🏽",
    "👨‍👩‍👧",
    "🇩🇪",
    "1️⃣",
    "한",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u00ad",
    "\u00a0",
    "\u3000",
    "\u202e",
    "\ufe0f",
    "می\u200cخواهم",
    "क्\u200dष",
    "\U0001fae9",
    "\x07",
    "ก็",
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)
mixed_ends = st.lists(st.sampled_from([*FRAGMENTS, "\r\n", "\r\n"]), max_size=30).map("".join)  # as in files
lines = texts.map(lambda text: text.replace("\n", ""))


def boundaries(line: str) -> list[int]:
    """Return all grapheme boundaries of the line, found from its start."""
    found = [0]
    for character in iter_graphemes(line):
        found.append(found[-1] + len(character))
    return found
