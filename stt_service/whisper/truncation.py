"""Finds speech that the decoder left out: the end after a pause or a full context, and the middle of a long window."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.whisper.hallucination import SpeechStats, suppression_reason
from stt_service.whisper.language import SPACELESS_LANGUAGES, join_texts
from stt_service.whisper.types import Transcript, Window, concatenate

# A decode can stop at the end of a sentence although speech continues after a pause. Its last word then ends 1.7 s or
# more before the end of speech; at most 0.6 s if nothing is missing (our dictations, English and Russian).
MIN_MISSING_SPEECH_S = 1.0
MIN_PROGRESS_S = 0.5  # shorter progress, or a shorter remainder, ends the search
MAX_MISALIGNED_WORDS = 3


@dataclass(frozen=True, slots=True)
class MissingEnd:
    """The part of a window that is still to be decoded."""

    window: Window
    start_s: float  # in the first window


def find_missing_end(window: Window, transcript: Transcript, *, full: bool) -> MissingEnd | None:
    """Return the end of the window that the transcript's words do not reach, or None.

    The end can have a remainder of its own. Their number is bounded: each is MIN_PROGRESS_S shorter than the previous.

    Args:
        full: whether the text filled the context, so that its end is missing although no pause precedes it.
    """
    start_s = transcript.words[-1].end_s if transcript.words else 0.0
    speech_end_s = window.speech_end_s or (window.duration_s if full else 0.0)
    if start_s < MIN_PROGRESS_S or speech_end_s - start_s < (MIN_PROGRESS_S if full else MIN_MISSING_SPEECH_S):
        return None
    samples = window.samples[int(start_s * SAMPLE_RATE_HZ) :]
    return MissingEnd(replace(window, samples=samples, speech_end_s=speech_end_s - start_s), start_s)


def without_last_word(transcript: Transcript) -> Transcript:
    """Return the transcript without its last word, which the token limit may have cut."""
    words = transcript.words[:-1]
    return replace(transcript, text=join_texts([word.text for word in words], transcript.language), words=words)


def append_end(
    first: Transcript, remainder: Transcript, remainder_start_s: float, missing_s: float = 2 * MIN_PROGRESS_S
) -> Transcript:
    """Return both transcripts as one; the first alone if the remainder cannot be trusted or repeats its last words.

    Args:
        missing_s: length of the audio from the end of the first to the end of speech; half of it counts as voiced.
    """
    speech = SpeechStats(
        missing_s / 2, remainder_start_s, spoken_s=remainder.words[-1].end_s if remainder.words else MIN_PROGRESS_S
    )
    if suppression_reason(remainder, speech) is not None or _is_last_word_again(first.text, remainder.text):
        return first
    return replace(
        first,
        text=join_texts([first.text, remainder.text], first.language),
        words=(*first.words, *(word.shifted(remainder_start_s) for word in remainder.words)),
        average_log_probability=min(first.average_log_probability, remainder.average_log_probability),
    )


def _is_last_word_again(text: str, remainder: str) -> bool:
    """Return whether the text ends with the remainder: the alignment of the last words can be wrong.

    More than MAX_MISALIGNED_WORDS words were spoken again: speakers repeat sentences.
    """
    words, last = (re.findall(r"\w+", each.casefold()) for each in (text, remainder))
    return len(last) <= MAX_MISALIGNED_WORDS and words[-len(last) :] == last


# Speech has about 13 letters or five syllables per second. With as much silence as speech in an utterance 6 remain.
MIN_LETTERS_PER_SECOND, MIN_SYLLABLES_PER_SECOND = 4.0, 1.2
MIN_SPARSE_SPEECH_S = 8.0  # the decoder skips no speech in shorter windows
MIN_GAIN = 1.5  # ratio of letters: below it the whole was right, and its speaker slow
STEP_SAMPLES, WIDTH_STEPS = SAMPLE_RATE_HZ // 50, 8  # 20 ms, and 160 ms


def is_sparse(window: Window, transcript: Transcript) -> bool:
    """Return whether the window contains much more speech than the text accounts for."""
    spaceless = transcript.language in SPACELESS_LANGUAGES
    least = MIN_SYLLABLES_PER_SECOND if spaceless else MIN_LETTERS_PER_SECOND
    speech_s = window.speech_end_s
    return speech_s >= MIN_SPARSE_SPEECH_S and len(transcript.text) < least * speech_s


def split_at_pause(window: Window) -> tuple[Window, Window]:
    """Return the two parts of the window, split at the quietest point of its middle third."""
    at = _quietest(window)
    at_s = at / SAMPLE_RATE_HZ
    first = replace(window, samples=window.samples[:at], speech_end_s=min(at_s, window.speech_end_s))
    second = replace(window, samples=window.samples[at:], speech_end_s=max(0.0, window.speech_end_s - at_s))
    return first, second


def _quietest(window: Window) -> int:
    """Return the sample in the middle of the quietest 160 ms of the window's middle third."""
    steps = len(window.samples) // STEP_SAMPLES
    energies = np.square(window.samples[: steps * STEP_SAMPLES].reshape(steps, STEP_SAMPLES)).sum(axis=1)
    first, end = steps // 3, 2 * steps // 3
    sums = np.convolve(energies[first:end], np.ones(WIDTH_STEPS), "valid")
    return (first + int(np.argmin(sums)) + WIDTH_STEPS // 2) * STEP_SAMPLES


def choose_longer(whole: Transcript, parts: Sequence[Transcript], start_s: float) -> Transcript:
    """Return the two halves as one transcript if it is much longer, else the whole; the second starts at `start_s`."""
    letters = sum(len(part.text) for part in parts)
    if letters < MIN_GAIN * len(whole.text):
        return whole
    return concatenate([(parts[0], 0.0), (parts[1], start_s)])
