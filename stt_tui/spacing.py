"""Spaces and capitals where a recognized sentence joins the surrounding text. Pure."""

from __future__ import annotations

import re
import unicodedata

BREAKS = r"\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029"  # between words and lines; no-break and similar spaces stay
SPACES = re.compile(f"(?:[{BREAKS}]| [ {BREAKS}])[ {BREAKS}]*")  # all white space except a single space
OPENING = "([{«„“‘‚¿¡「『【《〈〔（"
CLOSING = ")]}»”’,.;:!?…%」』】》〉〕）、。，．！？；："
SENTENCE_END = ".!?…。！？"
ENDS_AFTER = ")]}»”’\"'」』）"  # allowed between the end of a sentence and the next sentence
CJK_NAME_PREFIXES = ("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC")


def with_spacing(before: str, text: str, after: str) -> str:
    """Return the text as it is inserted between `before` and `after`, the rest of its line.

    The result is one line. Spaces and the first capital aside, the text is unchanged.
    """
    text = SPACES.sub(" ", text).strip(" ")
    if not text.strip():
        return ""
    text = _capitalize(text) if _begins_sentence(before) else text
    left = " " if _needs_space(before[-1:], text[0]) and not _ends_with_opening_quote(before) else ""
    right = " " if _needs_space(text[-1], after[:1]) and not _starts_with_closing_quote(after) else ""
    return left + text + right


def _needs_space(left: str, right: str) -> bool:
    """Return whether a space belongs between the two characters."""
    if not left or not right or left.isspace() or right.isspace():
        return False
    if left in OPENING or right in CLOSING:
        return False
    return not (is_spaceless(left) and is_spaceless(right))


def _ends_with_opening_quote(before: str) -> bool:
    """Return whether a straight quotation mark at the end is an opening one: a space or nothing is before it."""
    return before.endswith(('"', "'")) and (len(before) == 1 or before[-2].isspace() or before[-2] in OPENING)


def _starts_with_closing_quote(after: str) -> bool:
    return after.startswith(('"', "'")) and (len(after) == 1 or after[1].isspace() or after[1] in CLOSING)


def is_spaceless(character: str) -> bool:
    """Return whether the script of the character writes words without spaces between them."""
    return unicodedata.name(character, "").startswith(CJK_NAME_PREFIXES)


def _begins_sentence(before: str) -> bool:
    sentence = before.rstrip().rstrip(ENDS_AFTER)
    return not sentence.rstrip(OPENING) or sentence.endswith(tuple(SENTENCE_END))


def _capitalize(text: str) -> str:
    """Capitalize the first letter, unless the first word has a capital already: iPhone stays."""
    word = text.split(maxsplit=1)[0]
    return text[0].upper() + text[1:] if word.islower() else text
