"""Where a long utterance is parted, so that most of it is decoded while it is still being said. Frame numbers only.

The last part decides when the final is there; all before it is decoded once and not again at every pause. Parting
follows the sound alone, so a recording gives the same text at any pace.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt_service.parameters import LiveParameters, frames
from stt_service.segmentation import Hangover

# A part is at least so many times the silence that ends an utterance, within these bounds: who wants finals soon gets
# shorter parts, which decode within the silence. Error rates are those of whole utterances: docs/performance.md.
SILENCES, SHORTEST_S, LONGEST_S = 8, 6.0, 12.0


@dataclass(frozen=True, slots=True)
class PartingConfig:
    """In frames."""

    length: int = frames(LONGEST_S)  # of a part, at least
    pause: int = frames(0.3)  # after it, at least
    sure: int = frames(1.0)  # of speech and more after that: a scrap decoded alone is misheard


def parting_config(live: LiveParameters) -> PartingConfig:
    """Return how a stream's utterances are parted."""
    wanted_s = SILENCES * live.post_speech_silence_duration
    return PartingConfig(length=frames(min(LONGEST_S, max(SHORTEST_S, wanted_s))))


@dataclass(frozen=True, slots=True)
class _Border:
    """A pause that may part the utterance."""

    pause: Hangover
    resumed: int


class Parting:
    """One utterance's. It never takes a border back that it told."""

    def __init__(self, start: int, config: PartingConfig) -> None:
        self.start = start  # of the part that is being said
        self._config = config
        self._border: _Border | None = None

    def resume(self, pause: Hangover, now: int) -> bool:
        """Take the end of a pause, in the frame before `now`; tell whether the utterance may be parted there."""
        long_enough = pause.window_end - self.start >= self._config.length
        may_part = long_enough and now - 1 - pause.speech_end >= self._config.pause
        if may_part:
            self._border = _Border(pause, now)
        return may_part

    def settle(self, speech_end: int) -> Hangover | None:
        """Return the pause at which the utterance is parted, once enough has been said since."""
        border = self._border
        if border is None or speech_end - border.resumed < self._config.sure:
            return None
        self.start, self._border = border.pause.window_end, None
        return border.pause

    def end(self, start: int) -> None:
        """Take the utterance's end: what has been said since `start` is its last part."""
        self.start, self._border = start, None
