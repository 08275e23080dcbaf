"""Speech too weak for an onset, such as a letter or an unstressed word, recognized once it has ended.

An onset needs a speech probability that an "f" or an "at" never reaches. Noise stays below it too, but noise does not
keep a raised probability for a quarter of a second, or is not much louder than the audio after it, as a word is.
"""

from __future__ import annotations

from statistics import median

from stt_service.vad.types import SegmenterConfig

# Sums of the probabilities of eight frames. Spoken words that reach no onset have 1.3 or more, except two of 392
# (0.8); white and pink noise have up to 1.7, an office 1.9, claps and thuds of 3 to 200 ms 2.0, but rarely 1.2
# (Silero v6, docs/measurements.md). Words are at least 34 dB louder than the silence after them, office noise 15 dB.
WINDOW_FRAMES, MIN_SUM = 8, 2.0
MIN_PROMINENT_SUM, PROMINENCE = 1.2, 100.0  # 20 dB in power
MAX_GAP_FRAMES = 5  # of silence: the closure of a plosive is shorter
GAP_PROMINENCE = 10.0  # 10 dB: a louder frame is no gap, whatever its probability
MAX_FRAMES = 62  # 2 s: longer runs count as speech already


class WeakSpeech:
    """A run of frames that may hold speech, including gaps shorter than MAX_GAP_FRAMES."""

    def __init__(self, config: SegmenterConfig) -> None:
        """Begin with an empty run, so short that with its pre-roll it fits into the longest utterance."""
        self._threshold = config.residual_threshold
        self._max_frames = min(MAX_FRAMES, config.max_length_frames // 3)
        self.reset()

    def reset(self) -> None:
        """Drop the run."""
        self._probabilities: list[float] = []
        self._energies: list[float] = []  # mean squares
        self._gap = 0
        self._sum = 0.0  # the maximum over any WINDOW_FRAMES

    @property
    def probabilities(self) -> list[float]:
        """Probabilities of the run, including the gap at its end."""
        return self._probabilities

    @property
    def is_empty(self) -> bool:
        return not self._probabilities

    @property
    def is_speech(self) -> bool:
        """Whether the run holds a word."""
        return self._sum >= MIN_SUM or (self._sum >= MIN_PROMINENT_SUM and self._is_prominent)

    @property
    def is_finished_speech(self) -> bool:
        return self.has_ended and self.is_speech

    @property
    def has_ended(self) -> bool:
        """Whether the run is over or has reached its maximum length."""
        return self._gap >= MAX_GAP_FRAMES or len(self._probabilities) >= self._max_frames

    def step(self, probability: float, energy: float) -> None:
        """Add the probability and mean square of the next frame. A run without speech is dropped at its end."""
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
