"""Where a long utterance is split into segments, so that most of it is decoded before it ends. Frame numbers only.

The last segment determines the latency of the final; each segment before it is decoded once and not again at every
pause. A split depends only on the end of speech in each frame, so a recording gives the same text at any pace.

A pause is a possible split point when the segment before it is long enough; the longer that segment, the shorter the
pause may be. So dense speech without long pauses is split too, and its first segments are decoded by other workers
while the utterance continues. The utterance is split once enough speech follows the point; until then a longer pause
replaces it. A split is never undone, except where the end of the utterance lies before it (final_decodes.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from stt_service.settings.schema import RuntimeSettings, frames
from stt_service.vad.types import Pause

# The minimum length of a segment is a multiple of the silence that ends an utterance, within these bounds: a client
# that needs finals soon gets shorter segments, which are decoded within that silence. Error rates are those of whole
# utterances: docs/measurements.md.
MIN_SEGMENT_SILENCES, MIN_SEGMENT_S, MAX_MIN_SEGMENT_S = 8, 6.0, 12.0
MIN_ONSET_SILENCE_FRAMES = 2  # before a word: the VAD may detect it late
SHORTER_PAUSES = ((4 / 3, frames(0.2)), (5 / 3, frames(0.1)))


@dataclass(frozen=True, slots=True)
class UtteranceSplitterConfig:
    """Durations in frames.

    `shorter_pauses`: pauses that suffice once a segment has that many times the minimum length.
    `min_speech_after`: speech that must follow, since a short fragment decoded alone is often misrecognized.
    """

    min_length: int = frames(MAX_MIN_SEGMENT_S)  # of a segment
    min_pause: int = frames(0.3)  # after it
    shorter_pauses: tuple[tuple[float, int], ...] = SHORTER_PAUSES
    min_speech_after: int = frames(1.0)

    def min_pause_after(self, length: int) -> int | None:
        """Return the shortest pause that may end a segment of this length; None if it is too short."""
        if length < self.min_length:
            return None
        shorter = (pause for factor, pause in self.shorter_pauses if length >= factor * self.min_length)
        return min([self.min_pause, *shorter])


def splitter_config(runtime: RuntimeSettings) -> UtteranceSplitterConfig:
    """Return how a stream's utterances are split."""
    length_s = MIN_SEGMENT_SILENCES * runtime.post_speech_silence_duration
    return UtteranceSplitterConfig(
        min_length=frames(min(MAX_MIN_SEGMENT_S, max(MIN_SEGMENT_S, length_s))),
    )


@dataclass(frozen=True, slots=True)
class _SplitPoint:
    """A pause at which the utterance may be split."""

    pause: Pause
    resumed: int

    @property
    def length(self) -> int:
        return self.resumed - 1 - self.pause.speech_end


class UtteranceSplitter:
    """The segments of one utterance."""

    def __init__(self, start: int, config: UtteranceSplitterConfig) -> None:
        self.segment_start = start  # of the segment that is not complete yet
        self._config = config
        self._speech_end = start
        self._split_point: _SplitPoint | None = None

    def resume(self, pause: Pause, frame: int) -> bool:
        """End a pause, in the frame before `frame`; return whether the utterance may be split at `pause.window_end`.

        A pause that is hardly longer than the speech padding is split in its middle: the next word needs its onset.
        """
        self._speech_end = frame
        point = _SplitPoint(pause, frame)
        if frame - 1 - pause.window_end >= MIN_ONSET_SILENCE_FRAMES:
            return self._propose(point)
        self._propose(_at_middle(point))
        return False

    def advance(self, speech_end: int) -> Pause | None:
        """Process the end of speech in the next frame; return the pause at which the utterance is split now, if any."""
        self._end_short_pause(speech_end)
        point = self._split_point
        if point is None or speech_end - point.resumed < self._config.min_speech_after:
            return None
        self.segment_start, self._split_point = point.pause.window_end, None
        return point.pause

    def end(self, segment_start: int) -> None:
        """End the utterance, whose last segment begins there."""
        self.segment_start, self._split_point = segment_start, None

    def _end_short_pause(self, speech_end: int) -> None:
        """Detect a pause shorter than the speech padding, from the end of speech alone: no decision reports it."""
        before, self._speech_end = self._speech_end, speech_end
        if speech_end > before + 1:
            self._propose(_at_middle(_SplitPoint(Pause(before, before), speech_end)))

    def _propose(self, point: _SplitPoint) -> bool:
        """Store the point if the utterance may be split there and no stored pause is longer; return whether it is."""
        min_pause = self._config.min_pause_after(point.pause.window_end - self.segment_start)
        stored = self._split_point
        if min_pause is None or point.length < min_pause:
            return False
        if stored is not None and point.length < min(stored.length, self._config.min_pause):
            return False
        self._split_point = point
        return True


def _at_middle(point: _SplitPoint) -> _SplitPoint:
    """Return the point with the end of the segment in the middle of the pause."""
    speech_end = point.pause.speech_end
    return _SplitPoint(Pause(speech_end, speech_end + point.length // 2), point.resumed)
