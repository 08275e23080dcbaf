"""Operations on chunks of PCM: peak level and resampling. Loads PyAV only where two rates differ."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

from stt_client.events import Encoding

FLOOR_DB = -48.0  # the meter's zero


def level(chunk: bytes, encoding: Encoding) -> float:
    """Return the chunk's peak on the meter's scale, 0..1; 0 for mu-law and A-law, which have no meter."""
    match encoding:
        case Encoding.S16LE:
            peak = _peak(array("h", chunk[: len(chunk) // 2 * 2])) / 32_768
        case Encoding.F32LE:
            peak = _peak(array("f", chunk[: len(chunk) // 4 * 4]))
        case _:
            return 0.0
    if not peak > 0 or math.isinf(peak):  # silence, NaN or infinity
        return 0.0
    return min(1.0, max(0.0, 1 - 20 * math.log10(peak) / FLOOR_DB))


def _peak(samples: array[int] | array[float]) -> float:
    return max(max(samples), -min(samples)) if samples else 0.0


def resampler(from_hz: int, to_hz: int) -> Callable[[bytes], bytes]:
    """Return a function that resamples chunks of 16-bit mono; it holds back a few milliseconds.

    Used where a replacement microphone has another rate than the first: the format of a stream is fixed at its start.
    """
    if from_hz == to_hz:
        return lambda chunk: chunk
    from av import AudioFrame, AudioResampler

    resampling = AudioResampler(format="s16", layout="mono", rate=to_hz)

    def push(chunk: bytes) -> bytes:
        frame = AudioFrame(format="s16", layout="mono", samples=len(chunk) // 2)
        frame.sample_rate = from_hz
        frame.planes[0].update(chunk.ljust(frame.planes[0].buffer_size, b"\0"))
        return b"".join(bytes(out.planes[0])[: out.samples * 2] for out in resampling.resample(frame))

    return push
