"""Where a long utterance is parted, so that most of it is decoded while it is still being said. Frame numbers only.

The last part decides when the final is there; all before it is decoded once and not again at every pause. Parting
follows the sound alone, so a recording gives the same text at any pace.

The longer a part gets, the shorter a pause that may end it: dense speech without long pauses is split too, and other
workers decode its first parts while the person speaks on.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt_service.settings.schema import RuntimeSettings, frames
from stt_service.vad.types import SpeechPaused

# A part is at least so many times the silence that ends an utterance, within these bounds: who wants finals soon gets
# shorter parts, which decode within the silence. Error rates are those of whole utterances: docs/measurements.md.
MIN_SEGMENT_SILENCES, SHORTEST_S, LONGEST_S = 8, 6.0, 12.0
ONSET = 2  # frames of silence before a word, at least: the VAD may notice it late
SHORTER = ((4 / 3, frames(0.2)), (5 / 3, frames(0.1)))


@dataclass(frozen=True, slots=True)
class UtteranceSplitterConfig:
    """In frames."""

    length: int = frames(LONGEST_S)  # of a part, at least
    pause: int = frames(0.3)  # after it, at least
    shorter: tuple[tuple[float, int], ...] = SHORTER  # pauses that suffice once a part is so many times that long
    min_speech_after: int = frames(1.0)  # of speech and more after that: a scrap decoded alone is misheard

    def pause_after(self, length: int) -> int | None:
        """Return the pause that may end a part of this length; None where none may."""
        if length < self.length:
            return None
        return min([self.pause, *(pause for times, pause in self.shorter if length >= times * self.length)])


def parting_config(live: RuntimeSettings) -> UtteranceSplitterConfig:
    """Return how a stream's utterances are parted."""
    wanted_s = MIN_SEGMENT_SILENCES * live.post_speech_silence_duration
    return UtteranceSplitterConfig(length=frames(min(LONGEST_S, max(SHORTEST_S, wanted_s))))


@dataclass(frozen=True, slots=True)
class _SplitPoint:
    """A pause that may part the utterance."""

    pause: SpeechPaused
    resumed: int

    @property
    def length(self) -> int:
        return self.resumed - 1 - self.pause.speech_end


class UtteranceSplitter:
    """One utterance's. It never takes a border back that it told."""

    def __init__(self, start: int, config: UtteranceSplitterConfig) -> None:
        self.start = start  # of the part that is being said
        self._config = config
        self._speech_end = start
        self._border: _SplitPoint | None = None

    def resume(self, pause: SpeechPaused, now: int) -> bool:
        """Take the end of a pause, in the frame before `now`; return whether the utterance may be parted at its trail.

        A pause that is hardly longer than the trail is parted in its middle, or the next word would lose its onset.
        """
        self._speech_end = now
        border = _SplitPoint(pause, now)
        if now - 1 - pause.window_end >= ONSET:
            return self._take(border)
        self._take(_in_the_middle(border))
        return False

    def settle(self, speech_end: int) -> SpeechPaused | None:
        """Take each frame's end of speech; return the pause at which the utterance is parted, once enough was said."""
        self._end_short_pause(speech_end)
        border = self._border
        if border is None or speech_end - border.resumed < self._config.min_speech_after:
            return None
        self.start, self._border = border.pause.window_end, None
        return border.pause

    def end(self, start: int) -> None:
        """Take the utterance's end: what has been said since `start` is its last part."""
        self.start, self._border = start, None

    def _end_short_pause(self, speech_end: int) -> None:
        """Take a pause that was shorter than the trail: it shows in the end of speech alone."""
        before, self._speech_end = self._speech_end, speech_end
        if speech_end > before + 1:
            self._take(_in_the_middle(_SplitPoint(SpeechPaused(before, before), speech_end)))

    def _take(self, border: _SplitPoint) -> bool:
        """Keep the border if the utterance may be parted there, and at no longer pause; return whether it is kept."""
        wanted = self._config.pause_after(border.pause.window_end - self.start)
        kept = self._border
        if wanted is None or border.length < wanted:
            return False
        if kept is not None and border.length < min(kept.length, self._config.pause):
            return False
        self._border = border
        return True


def _in_the_middle(border: _SplitPoint) -> _SplitPoint:
    """Return the border with the part's end in the middle of the pause."""
    speech_end = border.pause.speech_end
    return _SplitPoint(SpeechPaused(speech_end, speech_end + border.length // 2), border.resumed)
