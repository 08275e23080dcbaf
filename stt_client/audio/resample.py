"""Brings what a second microphone records to the rate of the first: a stream keeps the format it began with.

Loads PyAV only where two rates differ.
"""

from __future__ import annotations

from collections.abc import Callable


def resampler(from_hz: int, to_hz: int) -> Callable[[bytes], bytes]:
    """Return what takes chunks of 16-bit mono at one rate and gives them at another; some milliseconds stay inside."""
    if from_hz == to_hz:
        return lambda chunk: chunk
    from av import AudioFrame, AudioResampler

    resampling = AudioResampler(format="s16", layout="mono", rate=to_hz)

    def push(chunk: bytes) -> bytes:
        frame = AudioFrame(format="s16", layout="mono", samples=len(chunk) // 2)
        frame.sample_rate = from_hz
        frame.planes[0].update(chunk.ljust(frame.planes[0].buffer_size, b"\0"))
        return b"".join(bytes(part.planes[0])[: part.samples * 2] for part in resampling.resample(frame))

    return push
