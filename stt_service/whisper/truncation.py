"""Text that the decoder left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.whisper.hallucination import SpeechStats, suppression_reason
from stt_service.whisper.language import SPACELESS_LANGUAGES, join_texts
from stt_service.whisper.types import Transcript, Window, concatenate

# A decode may stop at the end of a sentence although more was said after a pause. Its last word then ends 1.7 s or
# more before the speech; at most 0.6 s where nothing is missing (our dictations, English and Russian).
MIN_MISSING_SPEECH_S = 1.0
MIN_PROGRESS_S = 0.5  # less than this was no progress
MAX_MISALIGNED_WORDS = 3


@dataclass(frozen=True, slots=True)
class MissingEnd:
    """What is still to be decoded of a window."""

    window: Window
    start_s: float  # in the first window


def find_missing_end(window: Window, transcript: Transcript, *, full: bool) -> MissingEnd | None:
    """Return the end of the window that the transcript's words do not reach, or None.

    The end may have a remainder of its own. There are not many, as each is SHORTEST_S shorter than the one before.
    `full`: the text filled the context, so that its end is missing although no pause precedes it.
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
    first: Transcript, rest: Transcript, rest_start_s: float, missing_s: float = 2 * MIN_PROGRESS_S
) -> Transcript:
    """Return the first with the rest after it, if the rest can be trusted and is not what the first ends with.

    `missing_s` of audio up to the end of speech follow on the first; half of that counts as voiced.
    """
    evidence = SpeechStats(missing_s / 2, rest_start_s, spoken_s=rest.words[-1].end_s if rest.words else MIN_PROGRESS_S)
    if suppression_reason(rest, evidence) is not None or _is_last_word_again(first.text, rest.text):
        return first
    return replace(
        first,
        text=join_texts([first.text, rest.text], first.language),
        words=(*first.words, *(word.shifted(rest_start_s) for word in rest.words)),
        average_log_probability=min(first.average_log_probability, rest.average_log_probability),
    )


def _is_last_word_again(text: str, rest: str) -> bool:
    """Return whether the text ends with the rest: the alignment of a last word or two can be wrong.

    More words are said again: people repeat sentences.
    """
    words, last = (re.findall(r"\w+", each.casefold()) for each in (text, rest))
    return len(last) <= MAX_MISALIGNED_WORDS and words[-len(last) :] == last


# People speak some 13 letters a second, five syllables. With as much silence as speech in an utterance 6 remain.
MIN_LETTERS_PER_SECOND, MIN_SYLLABLES_PER_SECOND = 4.0, 1.2
MIN_SPARSE_SPEECH_S = 8.0  # what is shorter is not skipped
MIN_GAIN = 1.5  # times as many letters: otherwise the whole was right, and its speaker slow
STEP_SAMPLES, WIDTH_STEPS = SAMPLE_RATE_HZ // 50, 8  # 20 ms, and 160 ms


def is_sparse(window: Window, transcript: Transcript) -> bool:
    """Return whether the window holds much more speech than the text accounts for."""
    spaceless = transcript.language in SPACELESS_LANGUAGES
    least = MIN_SYLLABLES_PER_SECOND if spaceless else MIN_LETTERS_PER_SECOND
    speech_s = window.speech_end_s
    return speech_s >= MIN_SPARSE_SPEECH_S and len(transcript.text) < least * speech_s


def split_at_pause(window: Window) -> tuple[Window, Window]:
    """Return the window in two, parted at the quietest point of its middle third."""
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
    """Return the text of the two halves, the second of which begins at `start_s`, if it is much longer."""
    letters = sum(len(part.text) for part in parts)
    if letters < MIN_GAIN * len(whole.text):
        return whole
    return concatenate([(parts[0], 0.0), (parts[1], start_s)])
