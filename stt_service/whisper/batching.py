"""Encoded windows: their length, the windows that share a batch, and the token limit of each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

from stt_service.whisper.language import DEFAULT_TOKENS_PER_LETTER, TOKENS_PER_LETTER_BY_LANGUAGE
from stt_service.whisper.silence_tail import MAX_FRAMES, EncoderFrames, TailPlan, window_frames
from stt_service.whisper.types import SHORT_WINDOW_S, EncoderContext, Kind, Window

T = TypeVar("T")
R = TypeVar("R")

# Finals are encoded with 5 s of silence, partials with 1 s: measured, docs/measurements.md.
TAIL_PLANS = {
    Kind.FINAL: TailPlan(pad_s=5.0, tail_s=2.0),
    Kind.SPECULATIVE: TailPlan(pad_s=5.0, tail_s=2.0),
    Kind.PARTIAL: TailPlan(pad_s=1.0, tail_s=5.0),
}
CONTEXT_TOKENS = 448  # Whisper's text context in tokens, prompt included
MIN_TOKEN_LIMIT = 24
# The highest sustained speed of reading aloud: 13 is typical, auctioneers reach 20.
LETTERS_PER_SECOND = 20
LIMIT_STEP_S = 2.5  # limits are steps of the audio length, so that windows of similar length share a batch


@dataclass(frozen=True, slots=True, eq=False)
class EncodedWindow:
    """A window, its encoder frames and its language."""

    window: Window
    frames: EncoderFrames  # shape (k, d)
    language: str = ""
    language_probability: float = 1.0


def encoder_frames(window: Window) -> int:
    """Return how many frames are encoded for the window: all of Whisper's 30 s for finals of a word or two."""
    if window.options.context is EncoderContext.FULL or is_short_final(window):
        return MAX_FRAMES
    return window_frames(len(window.samples), TAIL_PLANS[window.options.kind])


def is_short_final(window: Window) -> bool:
    """Return whether the window is a final of a word or two."""
    return window.options.kind is not Kind.PARTIAL and window.duration_s <= SHORT_WINDOW_S


def batch_key(encoded: EncodedWindow) -> Hashable:
    """Return the key of a batch. Windows with equal keys have equal frame counts, token limits, prompts and search."""
    options = encoded.window.options
    return (
        len(encoded.frames),
        token_limit(encoded.window, 0, encoded.language),
        options.beam_size,
        options.translate,
        options.initial_prompt,
        options.hotwords,
        encoded.language if options.initial_prompt or options.hotwords else None,
        options.kind,
    )


def run_grouped(items: Sequence[T], key: Callable[[T], Hashable], run: Callable[[list[T]], Iterable[R]]) -> list[R]:
    """Run the items in groups of equal keys; return the results in the items' order."""
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(key(item), []).append(index)
    results: dict[int, R] = {}
    for indices in groups.values():
        results.update(zip(indices, run([items[i] for i in indices]), strict=True))
    return [results[i] for i in range(len(items))]


def token_limit(window: Window, prompt: int, language: str | None = None) -> int:
    """Return how many tokens the decoder may produce after a prompt of `prompt` tokens.

    The limit is the number of tokens that can be spoken in the audio in this language, or in the densest one if the
    language is unknown. It is bounded by the text context that the prompt leaves free; another decode continues a
    longer text.
    """
    densest = max(TOKENS_PER_LETTER_BY_LANGUAGE.values())
    per_letter = TOKENS_PER_LETTER_BY_LANGUAGE.get(language, DEFAULT_TOKENS_PER_LETTER) if language else densest
    length_s = ceil(window.duration_s / LIMIT_STEP_S) * LIMIT_STEP_S
    return min(remaining_context(prompt), MIN_TOKEN_LIMIT + int(LETTERS_PER_SECOND * per_letter * length_s))


def remaining_context(prompt: int) -> int:
    """Return how many tokens fit into Whisper's text context after a prompt of `prompt` tokens."""
    return max(1, CONTEXT_TOKENS - prompt)


def max_length(prompt: int, limit: int) -> int:
    """Return the `max_length` with which CTranslate2 produces up to `limit` tokens.

    CTranslate2 uses the smaller of half of `max_length` and `max_length` minus all prompt tokens except the last
    (its src/models/whisper.cc).
    """
    return max(2 * limit, prompt - 1 + limit)
