"""Windows that the encoder has heard: how long they are made, which decode together, how much may be said of each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stt_service.audio import SAMPLE_RATE_HZ
from stt_service.tail import MAX_ROWS, Rows, TailPlan, window_rows
from stt_service.transcript import Context, Kind, Window

T = TypeVar("T")
R = TypeVar("R")

# Finals hear 5 s of silence, partials 1 s: measured, docs/performance.md.
PLANS = {
    Kind.FINAL: TailPlan(pad_s=5.0, tail_s=2.0),
    Kind.EARLY: TailPlan(pad_s=5.0, tail_s=2.0),
    Kind.PARTIAL: TailPlan(pad_s=1.0, tail_s=5.0),
}
MAX_LENGTH = 448  # Whisper's text context, in tokens; half of it may be new
# The densest of our recordings has 7 tokens a second (Russian, `base`).
TOKENS_PER_SECOND, TOKENS_AT_LEAST = 12, 24


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A window and what the encoder made of it."""

    window: Window
    rows: Rows  # shape (k, d)
    language: str = ""
    language_probability: float = 1.0


def rows_for(window: Window) -> int:
    """Return how many rows are encoded for the window."""
    if window.options.context is Context.FULL:
        return MAX_ROWS
    return window_rows(len(window.samples), PLANS[window.options.kind])


def batch_key(encoded: Encoded) -> Hashable:
    """Windows of equal keys decode together: as many rows, as long a prompt, the same search."""
    options = encoded.window.options
    return (
        len(encoded.rows),
        options.beam_size,
        options.translate,
        options.initial_prompt,
        options.hotwords,
        encoded.language if options.initial_prompt or options.hotwords else None,
        options.kind,
    )


def in_groups(items: Sequence[T], key: Callable[[T], Hashable], run: Callable[[list[T]], Iterable[R]]) -> list[R]:
    """Run the items in groups of equal keys; return the results in the items' order."""
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(key(item), []).append(index)
    results: dict[int, R] = {}
    for indices in groups.values():
        results.update(zip(indices, run([items[i] for i in indices]), strict=True))
    return [results[i] for i in range(len(items))]


def token_limit(window: Window, prompt: int) -> int:
    """Return how many tokens the sound can hold, and the decoder can give after so long a prompt."""
    heard_s = len(window.samples) / SAMPLE_RATE_HZ
    return min(MAX_LENGTH // 2, MAX_LENGTH - prompt + 1, TOKENS_AT_LEAST + int(TOKENS_PER_SECOND * heard_s))


def max_length(prompt: int, limit: int) -> int:
    """Return the max_length that lets CTranslate2 give so many tokens.

    It halves what it is told, or takes the prompt but for its last token off it, whichever leaves less
    (its src/models/whisper.cc).
    """
    return max(2 * limit, prompt - 1 + limit)
