"""The end of a window that a decode left out: whether there is one, its window, and how its text joins the rest.

Whisper may stop at the end of a sentence although more is said after a pause; and a text of a language with many
tokens a letter may not fit into its text context.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from stt_service.audio import SAMPLE_RATE_HZ
from stt_service.guard import Evidence, verdict
from stt_service.transcript import Transcript, Window, joined_text

# A decode may stop at the end of a sentence although more was said after a pause. Its last word then ends 1.7 s or
# more before the speech; at most 0.6 s where nothing is missing (our dictations, English and Russian).
UNTOLD_S = 1.0
SHORTEST_S = 0.5  # less than this was no progress


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is still to be decoded of a window."""

    window: Window
    start_s: float  # in the first window


def missing_end(window: Window, transcript: Transcript, *, full: bool) -> Remainder | None:
    """Return the end of the window that the transcript's words do not reach, or None.

    After a full text context the end may itself be too long, so its window may have a remainder of its own; each is
    at least SHORTEST_S shorter than the one before. After a pause it may not.
    """
    start_s = transcript.words[-1].end_s if transcript.words else 0.0
    speech_end_s = window.speech_end_s or (len(window.samples) / SAMPLE_RATE_HZ if full else 0.0)
    progressed = start_s >= SHORTEST_S if full else start_s > 0
    if not progressed or speech_end_s - start_s < (SHORTEST_S if full else UNTOLD_S):
        return None
    samples = window.samples[int(start_s * SAMPLE_RATE_HZ) :]
    return Remainder(replace(window, samples=samples, speech_end_s=speech_end_s - start_s if full else 0.0), start_s)


def without_last_word(transcript: Transcript) -> Transcript:
    """Return the transcript without its last word, which the token limit may have cut."""
    words = transcript.words[:-1]
    return replace(transcript, text=joined_text([word.text for word in words], transcript.language), words=words)


def completed(first: Transcript, rest: Transcript, rest_start_s: float) -> Transcript:
    """Return the first with the rest after it, if the rest can be trusted and is not what the first ends with."""
    evidence = Evidence(SHORTEST_S, rest_start_s, spoken_s=rest.words[-1].end_s if rest.words else SHORTEST_S)
    if verdict(rest, evidence) is not None or _ends_with(first.text, rest.text):
        return first
    return replace(
        first,
        text=joined_text([first.text, rest.text], first.language),
        words=(*first.words, *(word.later(rest_start_s) for word in rest.words)),
        average_log_probability=min(first.average_log_probability, rest.average_log_probability),
    )


def _ends_with(text: str, end: str) -> bool:
    """Tell whether the text ends with the same words: the alignment of a last word can be wrong."""
    words, last = (re.findall(r"\w+", each.casefold()) for each in (text, end))
    return words[-len(last) :] == last
