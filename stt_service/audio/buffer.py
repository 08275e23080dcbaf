"""The uncommitted audio of a stream, by frame number. Its size is bounded by the longest utterance and the pre-roll."""

from __future__ import annotations

from collections import deque

import numpy as np

from stt_service.audio.pcm import FRAME_SAMPLES, Frames, Samples


class AudioBuffer:
    """Frames in the chunks in which they arrived; only requested ranges are copied."""

    def __init__(self) -> None:
        self._chunks: deque[Frames] = deque()
        self._first = 0  # number of the oldest buffered frame
        self._end = 0

    @property
    def end(self) -> int:
        return self._end

    def append(self, frames: Frames) -> None:
        """Append the next frames."""
        self._chunks.append(frames)
        self._end += len(frames)

    def skip(self, frames: int) -> None:
        """Renumber the buffered frames as if that many frames had come before them."""
        self._first += frames
        self._end += frames

    def discard(self, before: int) -> None:
        """Drop the chunks that lie entirely before the frame."""
        while self._chunks and self._first + len(self._chunks[0]) <= before:
            self._first += len(self._chunks.popleft())

    def samples(self, start: int, end: int) -> Samples:
        """Return the samples of frames start to end, which must still be buffered."""
        samples = self._between(start, end).flatten()
        samples.setflags(write=False)
        return samples

    def frames(self, start: int) -> Frames:
        """Return all frames from `start` on."""
        return self._between(start, self._end)

    def energies(self, start: int, end: int) -> Samples:
        """Return the mean square of each frame."""
        frames = self._between(start, end)
        energies: Samples = np.einsum("ij,ij->i", frames, frames) / FRAME_SAMPLES
        return energies

    def _between(self, start: int, end: int) -> Frames:
        assert self._first <= start <= end <= self._end, (self._first, start, end, self._end)
        chunks: list[Frames] = []
        first = self._first
        for chunk in self._chunks:
            if first < end and start < first + len(chunk):
                chunks.append(chunk[max(0, start - first) : end - first])
            first += len(chunk)
        if len(chunks) == 1:
            return chunks[0]
        return np.concatenate(chunks) if chunks else np.zeros((0, FRAME_SAMPLES), np.float32)
