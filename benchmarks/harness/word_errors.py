"""Word errors: of a text against a reference, as the service counts them, and at the boundaries of finals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from stt_service.evaluation.wer import WordErrors, aligned_words, count_errors, normalize

__all__ = ["BoundaryErrors", "WordErrors", "aligned_words", "boundary_errors", "count_errors", "normalize"]


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """Word errors at the boundaries between finals, and nowhere else."""

    lost: tuple[str, ...]  # correct in the offline transcript, missing at a boundary here
    doubled: tuple[str, ...]  # recognized on both sides of a boundary


def boundary_errors(
    reference: Sequence[str], offline: Sequence[str], finals: Sequence[Sequence[str]]
) -> BoundaryErrors:
    """Compare the words at the ends of the finals with the reference and the offline transcript."""
    text = [word for final in finals for word in final]
    right, offline_right = aligned_words(reference, text), aligned_words(reference, offline)
    ends = list(accumulate(len(final) for final in finals))[:-1]
    lost = []
    for end in ends:
        before = max((r for r, h in right.items() if h < end), default=-1)
        after = min((r for r, h in right.items() if h >= end), default=len(reference))
        substituted = right.get(after, len(text)) - right.get(before, -1) - 1  # another word is there: not lost
        missing = [r for r in range(before + 1, after) if r in offline_right]
        lost += [reference[r] for r in missing[substituted:]]
    doubled = [
        " ".join(text[end - size : end])
        for end in ends
        for size in (3, 2, 1)
        if text[end - size : end] == text[end : end + size] and not _is_repeated_in(reference, text[end - size : end])
    ]
    return BoundaryErrors(tuple(lost), tuple(doubled))


def _is_repeated_in(reference: Sequence[str], words: Sequence[str]) -> bool:
    size = len(words)
    return any(
        list(reference[i : i + size]) == list(words) == list(reference[i + size : i + 2 * size])
        for i in range(len(reference) - 2 * size + 1)
    )
