"""The partials of one utterance: when one is due, where its window begins, what its text says of the utterance.

A partial hears the last seconds only: words that are stable and old enough leave its window with their sound, so
that the last partial of a long utterance costs no more than an early one.

A word that is spoken just after a window was cut is shown after one period and one decode. With idle capacity the
period is what keeps that below the target; otherwise it is a multiple of the decode's cost, so that partials thin out
under load. Where two decodes in a row would exceed the target, the machine is slow: windows get shorter, and with idle
capacity a second partial begins when the first one is half done.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from stt_service.session.stabilizer import Hypothesis, Stabilizer, StabilizerConfig, letters, units
from stt_service.settings.schema import FRAME_S, frames
from stt_service.whisper.types import Word

STABLE = StabilizerConfig(agreements=3, span=frames(2.0), held_back=4)


@dataclass(frozen=True, slots=True)
class PartialsConfig:
    """Measured on our dictations: docs/measurements.md."""

    first_after: int = frames(0.2)  # frames of speech before the first
    pause: int = frames(0.2)  # least frames between two
    cooldown_ratio: float = 4.0  # times what the last one took its worker: a quarter of it is a stream's at most
    warmup_count: int = 4  # so many at first, when every word is news, ...
    eager_rest: float = 1.5  # ... rest less
    target: int = frames(1.2)  # with idle capacity, the longest time until a word is shown
    max_window: int = frames(8.0)  # a longer window loses its old words
    shortest: int = frames(4.0)  # on a slow machine windows lose old words earlier, but not before this
    min_window: int = frames(3.0)  # but for so much
    split_search: int = frames(3.0)  # the widest gap of so much is where it loses them
    min_new_speech: int = 2  # speech that ended so many frames before a window's end may need another look
    stable: StabilizerConfig = STABLE
    max_uncut_frames: int | None = (
        None  # frames of an utterance in which it is never cut: what comes later is not stable
    )


UNSURE = 1.5  # times the affordable length: then words leave a window on a slow machine although they are not stable
OVERLAP = 2  # stable words that stay: one at the very beginning is often misheard, and is known already


class Partials:
    """One utterance's partials. Frames are numbers of the stream's."""

    def __init__(self, start: int, onset: int, config: PartialsConfig) -> None:
        self._config = config
        self._stabiliser = Stabilizer(config.stable)
        self._start = start  # of the window
        self._uncut = inf if config.max_uncut_frames is None else start + config.max_uncut_frames
        self._stable_prefix = ""  # words before it
        self._before: dict[int, str] = {}  # words before the last windows, by their start
        self._stable = ""  # what was returned as stable
        self._next = onset + config.first_after  # frame from which one is due
        self._heard = onset  # where the last window ended
        self._shown_end = onset  # where the window of the last text ended
        self._cost = 0.0  # of the last one, in frames
        self._covered = onset  # where the speech ended that it holds
        self._count = 0
        self._length = 0  # of the last window
        self._longest = config.max_window
        self.in_flight = False  # one waits for its turn
        self.idle = False  # capacity was idle when the last one came

    def due(self, now: int, speech_end: int) -> bool:
        """Tell whether there is something new to tell."""
        return not self.in_flight and now >= self._next and speech_end > self._heard - self._config.min_new_speech

    def skip_wait(self) -> None:
        """Make the next one due as soon as there is any new audio, whatever the last one cost."""
        self._next = self._heard + 1

    def begin(self, now: int, speech_end: int | None = None) -> int:
        """Take the turn: return the frame at which the window begins."""
        self._heard, self._next = now, now + max(self._config.pause, int(self._cost / 2) if self.overlap else 0)
        self._before = {**dict([*self._before.items()][-1:]), self._start: self._stable_prefix}
        self._covered = now if speech_end is None else speech_end
        self._length = now - self._start
        self._count += 1
        return self._start

    def needs_word_timestamps(self, now: int) -> bool:
        """Tell whether the words' times are needed: the window has grown long."""
        return now - self._start > self._longest

    def add_hypothesis(self, text: str, words: tuple[Word, ...], start: int, end: int) -> Hypothesis | None:
        """Take the text of the window from start to end; return what is known of the utterance.

        None when a longer window was heard since.
        """
        if end < self._shown_end:
            return None
        self._shown_end, told = end, self._before.get(start, "")
        agreed = self._stabiliser.push(f"{told} {text}" if told else text, end)
        if words and start == self._start:
            self._leave_old_words(words, end - start, agreed)
        return self._shown(agreed, end)

    def take_whole(self, text: str, end: int) -> Hypothesis | None:
        """Take a text of the whole utterance up to the end; None if a partial has more speech (not: more silence)."""
        if end < self._covered:
            return None
        self._heard = self._shown_end = max(self._heard, end)
        return self._shown(self._stabiliser.push(text, self._heard), self._heard)

    def settle(self, text: str, end: int) -> None:
        """Take what the final says up to the end: it is stable, and later windows begin there."""
        if self._start < end:
            self._stable_prefix, self._start = text, end
            self._stabiliser.settle(text)

    def cost(self, inference_s: float, *, idle: bool = False) -> None:
        """Set when the next one is due, by the cost of the last one and whether capacity was idle then."""
        self.idle = idle
        rest = self._config.eager_rest if self._count <= self._config.warmup_count else self._config.cooldown_ratio
        cost = self._cost = inference_s / FRAME_S
        period = min(rest * cost, self._config.target - cost) if idle else rest * cost
        self._next = max(self._next, self._heard + int(period))
        self._longest = self._affordable()

    @property
    def overlap(self) -> bool:
        """Whether a partial may begin before the last one came."""
        return self.idle and 2 * self._cost > self._config.target

    def _affordable(self) -> int:
        """Return how long a window may get so that two decodes in a row keep the target."""
        longest = self._length * self._config.target / max(1.0, 2 * self._cost)
        return int(min(self._config.max_window, max(self._config.shortest, longest)))

    def _shown(self, agreed: Hypothesis, end: int) -> Hypothesis:
        """Return the text with no more words stable than before where a cut could still take them away.

        Windows lose words that are agreed upon all the same, or they would grow up to the cut.
        """
        if end <= self._uncut:
            self._stable = agreed.stable
        return Hypothesis(self._stable, (agreed.stable + agreed.unstable)[len(self._stable) :])

    def _leave_old_words(self, words: tuple[Word, ...], length: int, said: Hypothesis) -> None:
        """Move the window's beginning to the widest of the last gaps between old words."""
        heard, share = _heard(words), self._longest / self._config.max_window if self._config.max_window else 1.0
        borders = _borders(heard, said, (length - share * self._config.min_window) * FRAME_S)
        if not borders and self._is_unaffordable(length):
            borders = _unsure_borders(heard, said, (length - self._config.min_window) * FRAME_S)
        search_s = share * self._config.split_search * FRAME_S
        late = [border for border in borders if border.end_s >= borders[-1].end_s - search_s]
        if late:
            widest = max(late, key=lambda border: (border.gap_s, border.end_s))
            self._stable_prefix = "".join(units(said.stable + said.unstable)[: widest.told]).strip()
            self._start += int((widest.end_s + widest.gap_s / 2) / FRAME_S)

    def _is_unaffordable(self, length: int) -> bool:
        """Return whether a slow machine cannot wait for hypotheses to agree before the window gets shorter."""
        return self._longest < self._config.max_window and length > UNSURE * self._longest


@dataclass(frozen=True, slots=True)
class _TimedUnit:
    """A unit of the stabiliser's, and the word that holds it."""

    letters: str
    word: Word


@dataclass(frozen=True, slots=True)
class _SplitCandidate:
    """A gap between words that a window may begin in."""

    told: int  # units of the stable text before it
    end_s: float  # of the word before it
    gap_s: float


def _heard(words: tuple[Word, ...]) -> list[_TimedUnit]:
    return [_TimedUnit(letters(unit), word) for word in words for unit in units(word.text)]


def _borders(heard: list[_TimedUnit], said: Hypothesis, latest_s: float) -> list[_SplitCandidate]:
    """Return where a window may begin: between words that ended by then, OVERLAP stable words before the others."""
    keys, stable = [unit.letters for unit in heard], [letters(unit) for unit in units(said.stable)]
    known = _before(keys, letters(said.unstable))
    borders: list[_SplitCandidate] = []
    for count in range(1, known - OVERLAP + 1):
        word, following, told = heard[count - 1].word, heard[count].word, len(stable) - known + count
        is_known = told >= 0 and stable[told : told + OVERLAP] == keys[count : count + OVERLAP]
        if is_known and word is not following and word.end_s <= latest_s:
            borders.append(_SplitCandidate(told, word.end_s, following.start_s - word.end_s))
    return borders


def _unsure_borders(heard: list[_TimedUnit], said: Hypothesis, latest_s: float) -> list[_SplitCandidate]:
    """Return where a window may begin if no words are stable: between any words that ended by then."""
    # Units before the window's, counted from the end: the text may have a unit less than the window, by the match.
    before = len(units(said.stable + said.unstable)) - len(heard)
    return [
        _SplitCandidate(before + count, unit.word.end_s, following.word.start_s - unit.word.end_s)
        for count, (unit, following) in enumerate(pairwise(heard), 1)
        if unit.word is not following.word and unit.word.end_s <= latest_s and before + count >= 0
    ]


def _before(keys: list[str], end: str) -> int:
    """Return how many of the keys come before those that make up the end."""
    length = sum(map(len, keys)) - len(end)
    return sum(1 for reached in accumulate(map(len, keys)) if reached <= length)
