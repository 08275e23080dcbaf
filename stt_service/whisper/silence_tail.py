"""The silence tail: Whisper decodes a short window without encoding 28 s of padding.

Whisper pads every window to 30 s and encodes all of it. If only the speech is encoded, the decoder misses the end and
repeats itself, because its training data has no such end. So the speech and a little silence are encoded, and the
frames that padding to 30 s would have given are appended: computed once per model, at the same positions, from one
encoding of a little speech followed by silence. Measured: docs/measurements.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EncoderFrames = NDArray[np.float32]  # shape (n, d): the encoder's output, one row per 20 ms
FRAMES_PER_SECOND = 50
MAX_FRAMES = 1500  # 30 s
# Frame counts are rounded up to multiples of this, so that windows of different lengths can share a batch while the
# tail of each depends only on its own length.
BUCKET_FRAMES = 250


@dataclass(frozen=True, slots=True)
class TailPlan:
    """The silence of a window: encoded padding and appended tail."""

    pad_s: float  # encoded with the speech
    tail_s: float  # appended after the padding, at least


def window_frames(samples: int, plan: TailPlan) -> int:
    """Return how many frames to encode for the speech and its padding: whole seconds, at least MIN_WINDOW_S."""
    seconds = int(np.ceil(samples / 16_000 + plan.pad_s))
    return min(MAX_FRAMES, max(MIN_WINDOW_S, seconds) * FRAMES_PER_SECOND)


def extended_frames(frames: int, plan: TailPlan) -> int:
    """Return how many frames the decoder gets for a window of `frames` encoded ones."""
    required = frames + plan.tail_s * FRAMES_PER_SECOND
    return min(MAX_FRAMES, int(np.ceil(required / BUCKET_FRAMES)) * BUCKET_FRAMES)


# The reference speech takes 2 s. Its own frames, and the next ones that it still influences, are never used (measured:
# with 6 s of speech the error rate rose to 46 %).
REFERENCE_SPEECH_S = 2
MIN_WINDOW_S = REFERENCE_SPEECH_S + 1


class SilenceTail:
    """Encoder frames of known silence, by position."""

    def __init__(self, frames: EncoderFrames) -> None:
        """Use the frames of one 30 s encoding whose first REFERENCE_SPEECH_S seconds are speech."""
        self._frames = frames

    def extend(self, encoded: EncoderFrames, length: int) -> EncoderFrames:
        """Return the encoded frames followed by silence, `length` frames in total."""
        return np.concatenate([encoded, self._frames[len(encoded) : length]])
