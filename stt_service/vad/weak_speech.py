"""Speech too weak for an onset, such as a letter or an unstressed word, recognized once it has ended.

An onset asks for a speech probability that an "f" or an "at" never reaches. Noise stays below it too, but noise does
not keep a raised probability for a quarter of a second, or does not stand out from what follows it, as a word does.
"""

from __future__ import annotations

from statistics import median

# Sums of the probabilities of eight frames. Words of people that reach no onset have 1.3 and more, but for two of 392
# (0.8); white and pink noise up to 1.7, an office 1.9, claps and thuds of 3 to 200 ms 2.0, but seldom 1.2 (Silero v6,
# docs/measurements.md). Words stand out by 34 dB and more from the silence after them, the noise in an office by 15.
WINDOW_FRAMES, MIN_SUM = 8, 2.0
MIN_PROMINENT_SUM, PROMINENCE = 1.2, 100.0  # 20 dB in power
MAX_GAP_FRAMES = 5  # silent: the closure of a plosive is shorter
GAP_PROMINENCE = 10.0  # 10 dB: a louder frame is no gap, whatever its probability
MAX_FRAMES = 62  # 2 s: what goes on for longer is speech already


class WeakSpeech:
    """A run of frames that may hold speech, gaps shorter than MAX_GAP_FRAMES included."""

    def __init__(self, threshold: float, max_frames: int = MAX_FRAMES) -> None:
        """Begin empty; frames with a probability of `threshold` or more may hold speech."""
        self._threshold, self._max_frames = threshold, max_frames
        self.reset()

    def reset(self) -> None:
        """Forget the run."""
        self._probabilities: list[float] = []
        self._energies: list[float] = []  # mean squares
        self._gap = 0
        self._sum = 0.0  # the greatest of any WINDOW_FRAMES

    @property
    def probabilities(self) -> list[float]:
        """The run's probabilities, the gap at its end included."""
        return self._probabilities

    @property
    def is_empty(self) -> bool:
        return not self._probabilities

    @property
    def is_speech(self) -> bool:
        """Whether the run holds a word."""
        return self._sum >= MIN_SUM or (self._sum >= MIN_PROMINENT_SUM and self._is_prominent)

    @property
    def has_ended(self) -> bool:
        """Whether the run is over, or has gone on for as long as it may."""
        return self._gap >= MAX_GAP_FRAMES or len(self._probabilities) >= self._max_frames

    def step(self, probability: float, energy: float) -> None:
        """Take the next frame's probability and mean square. After a run that was no speech, a new one may begin."""
        if self.has_ended and not self.is_speech:
            self.reset()
        if self.is_empty and probability < self._threshold:
            return
        self._probabilities.append(probability)
        self._energies.append(energy)
        is_gap = probability < self._threshold and energy * GAP_PROMINENCE <= max(self._energies)
        self._gap = self._gap + 1 if is_gap else 0
        self._sum = max(self._sum, sum(self._probabilities[-WINDOW_FRAMES:]))

    @property
    def _is_prominent(self) -> bool:
        """Whether the run is much louder than the gap that ended it."""
        gap = self._energies[-MAX_GAP_FRAMES:] if self._gap >= MAX_GAP_FRAMES else []
        return bool(gap) and max(self._energies) > PROMINENCE * median(gap)
