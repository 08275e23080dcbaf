"""Makes text of others harmless where it leaves the program: terminals, clipboards, files.

A server, a model, a file name or another client chooses that text. A terminal executes control characters (C0, DEL and
C1: cursor, title, clipboard by OSC 52), and bidirectional overrides and isolates display a text as one that it is not.
Only these are removed; what is left of an escape sequence is harmless and shows that there was one. All that scripts
need stays, whatever `str.isprintable` says: joiners (Persian, Sinhala, Hindi), variation selectors, no-break and
ideographic spaces, soft hyphens, directional marks, and emoji that are newer than this Python.
"""

from __future__ import annotations

import json
import re

MESSAGE_CHARACTERS = 1000  # displayed; more than any message of ours has, and a broken server may send megabytes

BREAKS = "\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029"  # of words and lines
BIDI = "\u202a-\u202e\u2066-\u2069"
SURROGATES = "\ud800-\udfff"  # a file name that is not UTF-8 has them; no encoding does

_BREAKS = re.compile(f"(?:[{BREAKS}]| [ {BREAKS}])[ {BREAKS}]*")  # all that is not one space already
_CONTROLS = re.compile(f"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f{BIDI}]")
_LINE_CONTROLS = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f{BIDI}\u2028\u2029]")
_SURROGATES = re.compile(f"[{SURROGATES}]")
_ESCAPED_IN_JSON = re.compile(f"[\x7f-\x9f{BIDI}\u2028\u2029{SURROGATES}]")  # JSON itself escapes C0


def sanitize_text(text: str) -> str:
    """Return the text on one line: no control characters, each run of line breaks, tabs and spaces one space."""
    text = _CONTROLS.sub("", _SURROGATES.sub("\ufffd", text))
    return _BREAKS.sub(" ", text).strip(" ")


def sanitize_lines(text: str) -> str:
    """Return the text with its line feeds and spaces, without all other control characters."""
    return _LINE_CONTROLS.sub("", _SURROGATES.sub("\ufffd", text))


def sanitize_message(text: str, characters: int = MESSAGE_CHARACTERS) -> str:
    """Return the text on one line of limited length, for a message; the time does not depend on its length."""
    line = sanitize_text(text[: 4 * characters])
    return line if len(line) <= characters and len(text) <= 4 * characters else f"{line[: characters - 1]}…"


def to_json(value: object, indent: int | None = None) -> str:
    """Return JSON that a terminal can display: control and bidirectional characters are escaped."""
    written = json.dumps(value, ensure_ascii=False, indent=indent)
    return _ESCAPED_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
