"""The partials of one utterance: when one is due, where its window begins, what its text says of the utterance.

A partial hears the last seconds only: words that are stable and old enough leave its window with their sound, so
that the last partial of a long utterance costs no more than an early one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile

from stt_service.parameters import FRAME_S, frames
from stt_service.stabiliser import Hypothesis, Stabiliser, StabiliserConfig, letters
from stt_service.transcript import Word

STABLE = StabiliserConfig(agreements=3, span=frames(2.0), held_back=4)


@dataclass(frozen=True, slots=True)
class PartialsConfig:
    """Measured on our dictations: docs/performance.md."""

    first_after: int = frames(0.2)  # frames of speech before the first
    pause: int = frames(0.2)  # least frames between two
    rest: float = 8.0  # times what the last one took its worker: an eighth of it is a stream's at most
    longest: int = frames(8.0)  # a longer window loses its old words
    kept: int = frames(3.0)  # but for so much
    border: int = frames(3.0)  # the widest gap of so much is where it loses them
    fresh: int = 2  # speech that ended so many frames before a window's end may need another look
    stable: StabiliserConfig = STABLE


OVERLAP = 2  # stable words that stay: one at the very beginning is often misheard, and is known already


class Partials:
    """One utterance's partials. Frames are numbers of the stream's."""

    def __init__(self, start: int, onset: int, config: PartialsConfig) -> None:
        self._config = config
        self._stabiliser = Stabiliser(config.stable)
        self._start = start  # of the window
        self._told = ""  # stable words before it
        self._next = onset + config.first_after  # frame from which one is due
        self._heard = onset  # where the last window ended
        self.wanted = False  # one waits for its turn or is decoded

    def due(self, now: int, speech_end: int) -> bool:
        """Tell whether there is something new to tell."""
        return not self.wanted and now >= self._next and speech_end > self._heard - self._config.fresh

    def begin(self, now: int) -> int:
        """Take the turn: return the frame at which the window begins."""
        self._heard, self._next = now, now + self._config.pause
        return self._start

    def times_wanted(self, now: int) -> bool:
        """Tell whether the words' times are needed: the window has grown long."""
        return now - self._start > self._config.longest

    def take(self, text: str, words: tuple[Word, ...], start: int, end: int) -> Hypothesis | None:
        """Take the text of the window from start to end; return what is known of the utterance.

        None when a longer window was heard since.
        """
        if end < self._heard:
            return None
        hypothesis = self._stabiliser.push(f"{self._told} {text}" if self._told else text, end)
        if words and start == self._start:
            self._leave_old_words(words, end - start, hypothesis)
        return hypothesis

    def take_whole(self, text: str, end: int) -> Hypothesis | None:
        """Take a text of the whole utterance up to the end; None if a partial has heard more."""
        if end < self._heard:
            return None
        self._heard = end
        return self._stabiliser.push(text, end)

    def cost(self, inference_s: float) -> None:
        """Take note of what the last one cost its worker: the next is due after a rest."""
        self._next = max(self._next, self._heard + int(self._config.rest * inference_s / FRAME_S))

    def _leave_old_words(self, words: tuple[Word, ...], length: int, said: Hypothesis) -> None:
        """Move the window's beginning to the widest of the last gaps between old words."""
        old = self._old_words(words, (length - self._config.kept) * FRAME_S, letters(said.stable))
        gaps = [
            (following.start_s - word.end_s, count, (word.end_s + following.start_s) / 2)
            for count, (word, following) in enumerate(pairwise(words[: old + 1]), 1)
            if word.end_s >= max(FRAME_S, words[old - 1].end_s - self._config.border * FRAME_S)
            and following.text[:1].isalnum()  # the decoder takes "что-то" for two words
        ]
        if gaps:
            _, count, border_s = max(gaps)
            self._told = " ".join((self._told, *(word.text for word in words[:count]))).strip()
            self._start += int(border_s / FRAME_S)

    def _old_words(self, words: tuple[Word, ...], latest_s: float, stable: str) -> int:
        """Return how many words may leave: they ended by then, and they and OVERLAP more are stable."""
        told = accumulate((letters(word.text) for word in words), initial=letters(self._told))
        known = sum(1 for _ in takewhile(stable.startswith, told)) - 1
        ended = sum(1 for _ in takewhile(lambda word: word.end_s <= latest_s, words))
        return max(0, min(known - OVERLAP, ended))
