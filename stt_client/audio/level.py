"""How loud sound is, on a meter's scale."""

from __future__ import annotations

import math
from array import array

from stt_client.events import Encoding

FLOOR_DB = -48.0  # what the meter shows as silence


def level(chunk: bytes, encoding: Encoding) -> float:
    """Return the chunk's peak on the meter's scale, 0..1; 0 for encodings that it cannot read."""
    match encoding:
        case Encoding.S16LE:
            peak = _peak(array("h", chunk[: len(chunk) // 2 * 2])) / 32_768
        case Encoding.F32LE:
            peak = _peak(array("f", chunk[: len(chunk) // 4 * 4]))
        case _:
            return 0.0
    if not peak > 0 or math.isinf(peak):  # silence, or no number
        return 0.0
    return min(1.0, max(0.0, 1 - 20 * math.log10(peak) / FLOOR_DB))


def _peak(samples: array[int] | array[float]) -> float:
    return max(max(samples), -min(samples)) if samples else 0.0
