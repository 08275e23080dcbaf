"""When a final is decoded ahead: as late as it can be and still be ready at the end, for most pauses are short.

A decode that begins early and turns out void has cost a final. What finals cost is learnt from those that ran.
"""

from __future__ import annotations

from stt_service.session.events import Decode, DecodeTiming
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import SHORT_WINDOW_S

SAFETY_FACTOR, SAFETY_MARGIN_S = 1.5, 0.25  # of the dearest final of late, and so much more, is left
PADDING_S = 5.0  # of silence that a final costs beside its sound
SHORT_WINDOW_PRICE_S = 15.0  # of a word or two in the full window: as much as 10 s of speech (`base` on a CPU)
DECAY = 0.8  # of the dearest one, when a cheaper one comes


class SpeculationTimer:
    """One stream's."""

    def __init__(self) -> None:
        self._dearness: float | None = None  # seconds of work for a second of window

    def record(self, decode: Decode, cost: DecodeTiming) -> None:
        """Take what a final cost, on this machine and in the company that it had."""
        dearness = cost.inference_s / _priced_s(decode.start, decode.end)
        self._dearness = max(dearness, DECAY * (self._dearness or 0.0))

    def start_frame(self, hangover: int, endpoint: int, start: int) -> int:
        """Return the frame at which to begin a final from start to the hangover: at once while no cost is known."""
        if self._dearness is None:
            return hangover
        needed_s = SAFETY_FACTOR * self._dearness * _priced_s(start, hangover) + SAFETY_MARGIN_S
        return max(hangover, endpoint - int(needed_s / FRAME_S))


def _priced_s(start: int, end: int) -> float:
    length_s = (end - start) * FRAME_S
    return SHORT_WINDOW_PRICE_S if length_s <= SHORT_WINDOW_S else length_s + PADDING_S
