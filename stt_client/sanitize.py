"""Sanitizes external text before output to terminals, clipboards and files.

A server, a model, a file name or another client determines that text. A terminal executes control characters (C0, DEL
and C1: cursor, title, clipboard by OSC 52), and bidirectional overrides and isolates make a text appear as another one.
Only these are removed; the rest of an escape sequence is harmless, and shows that there was one. Characters that some
scripts require stay, whatever `str.isprintable` returns: joiners (Persian, Sinhala, Hindi), variation selectors,
no-break and ideographic spaces, soft hyphens, directional marks, and emoji that are newer than this Python.
"""

from __future__ import annotations

import json
import re

MESSAGE_CHARACTERS = 1000  # more than any own message has; a broken server may send megabytes

BREAKS = "\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029"  # between words or lines
BIDI = "\u202a-\u202e\u2066-\u2069"
SURROGATES = "\ud800-\udfff"  # occur in file names that are not UTF-8, and cannot be encoded

_BREAKS = re.compile(f"(?:[{BREAKS}]| [ {BREAKS}])[ {BREAKS}]*")  # everything but a single space
_CONTROLS = re.compile(f"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f{BIDI}]")
_LINE_CONTROLS = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f{BIDI}\u2028\u2029]")
_SURROGATES = re.compile(f"[{SURROGATES}]")
_ESCAPED_IN_JSON = re.compile(f"[\x7f-\x9f{BIDI}\u2028\u2029{SURROGATES}]")  # JSON escapes C0 itself


def sanitize_text(text: str) -> str:
    """Return the text on one line: no control characters, each run of line breaks, tabs and spaces one space."""
    text = _CONTROLS.sub("", _SURROGATES.sub("\ufffd", text))
    return _BREAKS.sub(" ", text).strip(" ")


def sanitize_lines(text: str) -> str:
    """Return the text with its line feeds and spaces, without all other control characters."""
    return _LINE_CONTROLS.sub("", _SURROGATES.sub("\ufffd", text))


def sanitize_message(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """Return the text on one line of limited length, for a message, in a time independent of the length of the text."""
    line = sanitize_text(text[: 4 * characters])
    return line if len(line) <= characters and len(text) <= 4 * characters else f"{line[: characters - 1]}…"


def to_json(value: object, indent: int | None = None) -> str:
    """Return JSON that a terminal can display: control and bidirectional characters are escaped."""
    encoded = json.dumps(value, ensure_ascii=False, indent=indent)
    return _ESCAPED_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded)
