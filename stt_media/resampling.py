"""Mono samples from one rate to another."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

Mono = NDArray[np.float32]  # shape (n,), range [-1, 1]


class Resampler:
    def __init__(self, source_hz: int, target_hz: int) -> None:
        self.source_hz = source_hz
        self._resampler = None if source_hz == target_hz else av.AudioResampler("flt", "mono", target_hz)

    def push(self, samples: Mono) -> Iterator[Mono]:
        """Yield what is ready. At most a second goes in at once, so that no short input becomes a huge output."""
        for start in range(0, len(samples), self.source_hz):
            yield from self._convert(samples[start : start + self.source_hz])

    def flush(self) -> Iterator[Mono]:
        """Yield what is still held back. Nothing may follow."""
        if self._resampler is not None:
            yield from (frame.to_ndarray()[0] for frame in self._resampler.resample(None))

    def _convert(self, samples: Mono) -> Iterator[Mono]:
        if self._resampler is None:
            yield samples
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = self.source_hz
        yield from (out.to_ndarray()[0] for out in self._resampler.resample(frame))
