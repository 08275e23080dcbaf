"""What a decode left out after a pause: whether there is such a rest, its window, and how it joins the text."""

from __future__ import annotations

import re
from dataclasses import replace

from stt_service.audio import SAMPLE_RATE_HZ
from stt_service.guard import Evidence, verdict
from stt_service.transcript import Transcript, Window, joined_text

# A decode may stop at the end of a sentence although more was said after a pause. Its last word then ends 1.7 s or
# more before the speech; at most 0.6 s where nothing is missing (our dictations, English and Russian).
UNTOLD_S = 1.0
SHORTEST_S = 0.5  # less than this was no progress


def rest_of(window: Window, start_s: float) -> Window:
    """Return the window from there on, to be decoded once: it has no rest of its own."""
    start = int(start_s * SAMPLE_RATE_HZ)
    return replace(window, samples=window.samples[start:], speech_end_s=0.0)


def completed(first: Transcript, rest: Transcript, rest_start_s: float) -> Transcript:
    """Return the first with the rest after it, if the rest can be trusted and is not what the first ends with."""
    if verdict(rest, Evidence(SHORTEST_S, rest_start_s)) is not None or _ends_with(first.text, rest.text):
        return first
    return replace(
        first,
        text=joined_text([first.text, rest.text], first.language),
        words=(*first.words, *(word.later(rest_start_s) for word in rest.words)),
        average_log_probability=min(first.average_log_probability, rest.average_log_probability),
        temperature=max(first.temperature, rest.temperature),
    )


def _ends_with(text: str, end: str) -> bool:
    """Tell whether the text ends with the same words: the alignment of a last word can be wrong."""
    words, last = (re.findall(r"\w+", each.casefold()) for each in (text, end))
    return words[-len(last) :] == last
