"""How a recognised sentence joins the text around it: spaces, and the capital of a sentence. Pure."""

from __future__ import annotations

import re
import unicodedata

BREAKS = r"\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029"  # of words and lines; no-break spaces and their like are kept
SPACES = re.compile(f"(?:[{BREAKS}]| [ {BREAKS}])[ {BREAKS}]*")  # all that is not one space already
OPENING = "([{«„“‘‚¿¡"
CLOSING = ")]}»”’,.;:!?…%"
SENTENCE_END = ".!?…。！？"
ENDS_AFTER = ")]}»”’\"'"  # may stand between the end of a sentence and the next one
CJK = ("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC")


def joined(before: str, text: str, after: str) -> str:
    """Return the text as it goes in between what stands before and after it on its line.

    It is on one line; nothing is taken away from it but spaces around words.
    """
    text = SPACES.sub(" ", text).strip(" ")
    if not text.strip():
        return ""
    text = _capitalised(text) if _begins_sentence(before) else text
    lead = " " if _parted(before[-1:], text[0]) and not _opens(before) else ""
    trail = " " if _parted(text[-1], after[:1]) and not _closes(after) else ""
    return lead + text + trail


def _parted(left: str, right: str) -> bool:
    """Tell whether a space belongs between the two characters."""
    if not left or not right or left.isspace() or right.isspace():
        return False
    if left in OPENING or right in CLOSING:
        return False
    return not (_is_spaceless(left) and _is_spaceless(right))


def _opens(before: str) -> bool:
    """Tell whether a straight quotation mark at the end opens: before it there is a space or nothing."""
    return before.endswith(('"', "'")) and (len(before) == 1 or before[-2].isspace() or before[-2] in OPENING)


def _closes(after: str) -> bool:
    return after.startswith(('"', "'")) and (len(after) == 1 or after[1].isspace() or after[1] in CLOSING)


def _is_spaceless(character: str) -> bool:
    return unicodedata.name(character, "").startswith(CJK)


def _begins_sentence(before: str) -> bool:
    said = before.rstrip().rstrip(ENDS_AFTER)
    return not said.rstrip(OPENING) or said.endswith(tuple(SENTENCE_END))


def _capitalised(text: str) -> str:
    """Begin with a capital, unless the word has its own: iPhone stays."""
    word = text.split(maxsplit=1)[0]
    return text[0].upper() + text[1:] if word.islower() else text
