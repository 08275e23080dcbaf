"""When a final is decoded speculatively, before its utterance has ended.

The best time is as late as possible, but early enough to be ready at the endpoint: most pauses are short, and a decode
that begins early and is discarded has wasted the cost of a final. The cost is learned from the finals that ran on this
stream, including the effect of other streams on them.
"""

from __future__ import annotations

from stt_service.session.events import Decode, DecodeTiming
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import SHORT_WINDOW_S

SAFETY_FACTOR, SAFETY_MARGIN_S = 1.5, 0.25  # start early enough for 1.5 × the slowest recent final, plus 0.25 s
PADDING_S = 5.0  # of silence: the constant cost of a final, in addition to its audio
SHORT_WINDOW_COST_S = 15.0  # a word or two in the full window: as expensive as 10 s of speech (`base` on a CPU)
DECAY = 0.8  # of the highest cost when a lower one is recorded


class SpeculationTimer:
    """The speculative decodes of one stream."""

    def __init__(self) -> None:
        self._cost_per_second: float | None = None  # seconds of inference per second of window

    def record(self, decode: Decode, timing: DecodeTiming) -> None:
        """Record the cost of a final, measured on this machine under its present load."""
        cost_per_second = timing.inference_s / _cost_s(decode.start, decode.end)
        self._cost_per_second = max(cost_per_second, DECAY * (self._cost_per_second or 0.0))

    def start_frame(self, paused_at: int, endpoint_frame: int, start: int) -> int:
        """Return the frame at which to begin the decode of a window from `start` to the pause.

        Without a recorded cost, it begins immediately.
        """
        if self._cost_per_second is None:
            return paused_at
        needed_s = SAFETY_FACTOR * self._cost_per_second * _cost_s(start, paused_at) + SAFETY_MARGIN_S
        return max(paused_at, endpoint_frame - int(needed_s / FRAME_S))


def _cost_s(start: int, end: int) -> float:
    """Return the seconds of audio to which the cost of a window is proportional."""
    length_s = (end - start) * FRAME_S
    return SHORT_WINDOW_COST_S if length_s <= SHORT_WINDOW_S else length_s + PADDING_S
