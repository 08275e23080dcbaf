"""Windows with far less text than their audio can hold: the decoder skipped most of it.

Where a sentence is said again and again, or in a long window of dense speech, Whisper may jump from the first sentence
to the end. The halves of such a window are decoded by themselves, and theirs again if need be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.whisper.types import SPACELESS, Transcript, Window, joined

# People speak some 13 letters a second, five syllables. With as much silence as speech in an utterance 6 remain.
MIN_LETTERS_PER_SECOND, MIN_SYLLABLES_PER_SECOND = 4.0, 1.2
SHORTEST_S = 8.0  # what is shorter is not skipped
GAIN = 1.5  # times as many letters: otherwise the whole was right, and its speaker slow
STEP_SAMPLES, WIDTH_STEPS = SAMPLE_RATE_HZ // 50, 8  # 20 ms, and 160 ms


def is_sparse(window: Window, transcript: Transcript) -> bool:
    """Return whether the window holds much more speech than the text accounts for."""
    spaceless = transcript.language in SPACELESS
    least = MIN_SYLLABLES_PER_SECOND if spaceless else MIN_LETTERS_PER_SECOND
    speech_s = window.speech_end_s
    return speech_s >= SHORTEST_S and len(transcript.text) < least * speech_s


def halves(window: Window) -> tuple[Window, Window]:
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


def better(whole: Transcript, parts: Sequence[Transcript], start_s: float) -> Transcript:
    """Return the text of the two halves, the second of which begins at `start_s`, if it is much longer."""
    letters = sum(len(part.text) for part in parts)
    if letters < GAIN * len(whole.text):
        return whole
    return joined([(parts[0], 0.0), (parts[1], start_s)])
