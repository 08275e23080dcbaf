"""The silence tail: what lets Whisper read a short window without 28 s of padding.

Whisper pads every window to 30 s and encodes all of it. Encoding only the speech makes the decoder miss the end
and repeat itself, for it never saw an end like that. So the encoder gets the speech and a little silence, and the
rows that 30 s of silence would have given are appended: taken once per model, at the same positions, from one
encoding of a little speech followed by silence. Measured: docs/measurements.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EncoderFrames = NDArray[np.float32]  # shape (n, d): the encoder's output, a row for 20 ms
FRAMES_PER_SECOND = 50
MAX_FRAMES = 1500  # 30 s
# Rows are brought to multiples of this, so that windows of different lengths can share a batch while the tail
# of each depends on nothing but its own length.
BUCKET_FRAMES = 250


@dataclass(frozen=True, slots=True)
class TailPlan:
    """How much silence a window gets."""

    pad_s: float  # encoded with the speech
    tail_s: float  # at least so much appended after it


def window_frames(samples: int, plan: TailPlan) -> int:
    """Return how many rows to encode for the speech and its pad: whole seconds, at least MIN_WINDOW_S of them."""
    seconds = int(np.ceil(samples / 16_000 + plan.pad_s))
    return min(MAX_FRAMES, max(MIN_WINDOW_S, seconds) * FRAMES_PER_SECOND)


def extended_frames(frames: int, plan: TailPlan) -> int:
    """Return how many rows the decoder sees for a window of so many."""
    wanted = frames + plan.tail_s * FRAMES_PER_SECOND
    return min(MAX_FRAMES, int(np.ceil(wanted / BUCKET_FRAMES)) * BUCKET_FRAMES)


# The seed of the tail speaks for 2 s; its own rows, and those that still feel it, are never used (measured: with a
# seed of 6 s the error rate went to 46 %).
REFERENCE_SPEECH_S = 2
MIN_WINDOW_S = REFERENCE_SPEECH_S + 1


class SilenceTail:
    """Rows of known silence, by position."""

    def __init__(self, rows: EncoderFrames) -> None:
        """Take the rows of one 30 s encoding whose first SEED_S seconds are speech."""
        self._rows = rows

    def extend(self, encoded: EncoderFrames, length: int) -> EncoderFrames:
        """Return the encoded rows followed by silence, `length` rows in all."""
        return np.concatenate([encoded, self._rows[len(encoded) : length]])
