"""The partials of one utterance: when one is due, where its window begins, what its text says of the utterance.

A partial hears the last seconds only: words that are stable and old enough leave its window with their sound, so
that the last partial of a long utterance costs no more than an early one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import inf

from stt_service.parameters import FRAME_S, frames
from stt_service.stabiliser import Hypothesis, Stabiliser, StabiliserConfig, letters, units
from stt_service.transcript import Word

STABLE = StabiliserConfig(agreements=3, span=frames(2.0), held_back=4)


@dataclass(frozen=True, slots=True)
class PartialsConfig:
    """Measured on our dictations: docs/performance.md."""

    first_after: int = frames(0.2)  # frames of speech before the first
    pause: int = frames(0.2)  # least frames between two
    rest: float = 4.0  # times what the last one took its worker: a quarter of it is a stream's at most
    eager: int = 4  # so many at first, when every word is news, ...
    eager_rest: float = 1.5  # ... rest less
    longest: int = frames(8.0)  # a longer window loses its old words
    kept: int = frames(3.0)  # but for so much
    border: int = frames(3.0)  # the widest gap of so much is where it loses them
    fresh: int = 2  # speech that ended so many frames before a window's end may need another look
    stable: StabiliserConfig = STABLE
    uncut: int | None = None  # frames of an utterance in which it is never cut: what comes later is not stable


OVERLAP = 2  # stable words that stay: one at the very beginning is often misheard, and is known already


class Partials:
    """One utterance's partials. Frames are numbers of the stream's."""

    def __init__(self, start: int, onset: int, config: PartialsConfig) -> None:
        self._config = config
        self._stabiliser = Stabiliser(config.stable)
        self._start = start  # of the window
        self._uncut = inf if config.uncut is None else start + config.uncut
        self._told = ""  # stable words before it
        self._next = onset + config.first_after  # frame from which one is due
        self._heard = onset  # where the last window ended
        self._count = 0
        self.wanted = False  # one waits for its turn or is decoded

    def due(self, now: int, speech_end: int) -> bool:
        """Tell whether there is something new to tell."""
        return not self.wanted and now >= self._next and speech_end > self._heard - self._config.fresh

    def hurry(self) -> None:
        """Make the next one due as soon as there is any new audio, whatever the last one cost."""
        self._next = self._heard + 1

    def begin(self, now: int) -> int:
        """Take the turn: return the frame at which the window begins."""
        self._heard, self._next = now, now + self._config.pause
        self._count += 1
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
        hypothesis = self._hypothesis(f"{self._told} {text}" if self._told else text, end)
        if words and start == self._start:
            self._leave_old_words(words, end - start, hypothesis)
        return hypothesis

    def take_whole(self, text: str, end: int) -> Hypothesis | None:
        """Take a text of the whole utterance up to the end; None if a partial has heard more."""
        if end < self._heard:
            return None
        self._heard = end
        return self._hypothesis(text, end)

    def settle(self, text: str, end: int) -> None:
        """Take what the final says up to the end: it is stable, and later windows begin there."""
        if self._start < end <= self._uncut:
            self._told, self._start = text, end
            self._stabiliser.settle(text)

    def cost(self, inference_s: float) -> None:
        """Take note of what the last one cost its worker: the next is due after a rest."""
        rest = self._config.eager_rest if self._count <= self._config.eager else self._config.rest
        self._next = max(self._next, self._heard + int(rest * inference_s / FRAME_S))

    def _hypothesis(self, text: str, end: int) -> Hypothesis:
        return self._stabiliser.push(text, end) if end <= self._uncut else self._stabiliser.show(text)

    def _leave_old_words(self, words: tuple[Word, ...], length: int, said: Hypothesis) -> None:
        """Move the window's beginning to the widest of the last gaps between old words."""
        borders = _borders(_heard(words), said, (length - self._config.kept) * FRAME_S)
        late = [border for border in borders if border.end_s >= borders[-1].end_s - self._config.border * FRAME_S]
        if late:
            widest = max(late, key=lambda border: (border.gap_s, border.end_s))
            self._told = "".join(units(said.stable)[: widest.told]).strip()
            self._start += int((widest.end_s + widest.gap_s / 2) / FRAME_S)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A unit of the stabiliser's, and the word that holds it."""

    letters: str
    word: Word


@dataclass(frozen=True, slots=True)
class _Border:
    """A gap between words that a window may begin in."""

    told: int  # units of the stable text before it
    end_s: float  # of the word before it
    gap_s: float


def _heard(words: tuple[Word, ...]) -> list[_Heard]:
    return [_Heard(letters(unit), word) for word in words for unit in units(word.text)]


def _borders(heard: list[_Heard], said: Hypothesis, latest_s: float) -> list[_Border]:
    """Return where a window may begin: between words that ended by then, OVERLAP stable words before the others."""
    keys, stable = [unit.letters for unit in heard], [letters(unit) for unit in units(said.stable)]
    known = _before(keys, letters(said.unstable))
    borders: list[_Border] = []
    for count in range(1, known - OVERLAP + 1):
        word, following, told = heard[count - 1].word, heard[count].word, len(stable) - known + count
        is_known = told >= 0 and stable[told : told + OVERLAP] == keys[count : count + OVERLAP]
        if is_known and word is not following and word.end_s <= latest_s:
            borders.append(_Border(told, word.end_s, following.start_s - word.end_s))
    return borders


def _before(keys: list[str], end: str) -> int:
    """Return how many of the keys come before those that make up the end."""
    length = sum(map(len, keys)) - len(end)
    return sum(1 for reached in accumulate(map(len, keys)) if reached <= length)
