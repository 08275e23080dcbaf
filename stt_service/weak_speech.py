"""Speech too weak for an onset, such as a letter or a whispered word, recognized once it has ended.

An onset asks for a probability that an "f" or an unstressed "at" never reaches. Office noise stays below it too, but
noise does not keep a raised probability for a quarter of a second, as a word does.
"""

from __future__ import annotations

# The sum of the probabilities of eight frames: of 392 words of people all but two reach 2.0 (a letter f has 1.8), white
# and pink noise 1.3, an office 1.7 (our measurement with Silero v6, docs/performance.md).
WINDOW_FRAMES, MIN_SUM = 8, 2.0
MAX_GAP_FRAMES = 5  # silent: the closure of a plosive is shorter
MAX_FRAMES = 62  # 2 s: what goes on for longer is speech already


class WeakSpeech:
    """A run of frames that may hold speech, gaps of up to MAX_GAP_FRAMES included. Times are in frames."""

    def __init__(self, threshold: float, max_frames: int = MAX_FRAMES) -> None:
        """Begin empty; frames with a probability of `threshold` or more may hold speech."""
        self._threshold, self._max_frames = threshold, max_frames
        self._probabilities: list[float] = []
        self._gap = 0
        self._is_speech = False

    @property
    def probabilities(self) -> list[float]:
        """The run's probabilities, the gap at its end included."""
        return self._probabilities

    @property
    def is_speech(self) -> bool:
        """Whether the run holds a word."""
        return self._is_speech

    @property
    def has_ended(self) -> bool:
        """Whether the run is over, or has gone on for as long as it may."""
        return self._gap >= MAX_GAP_FRAMES or len(self._probabilities) >= self._max_frames

    @property
    def is_empty(self) -> bool:
        return not self._probabilities

    def step(self, probability: float) -> None:
        """Take the next frame. After a run that has ended without speech, a new one may begin."""
        if self.has_ended and not self._is_speech:
            self.reset()
        is_weak = probability >= self._threshold
        if self.is_empty and not is_weak:
            return
        self._probabilities.append(probability)
        self._gap = 0 if is_weak else self._gap + 1
        self._is_speech = self._is_speech or sum(self._probabilities[-WINDOW_FRAMES:]) >= MIN_SUM

    def reset(self) -> None:
        """Forget the run."""
        self._probabilities, self._gap, self._is_speech = [], 0, False
