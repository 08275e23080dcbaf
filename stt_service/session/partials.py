"""The partials of one utterance: when one is due, where its window begins, and the text that it shows.

The window of a partial has the last seconds only. Words that are stable and old enough leave it together with their
audio, so that the last partial of a long utterance costs no more than an early one; `_stable_prefix` has their text.

A word that is spoken just after a window was built is shown after one period and one decode. With idle capacity the
period is what keeps that below the target latency. Otherwise it is a multiple of the cost of the last decode, so that
partials become rarer under load. If two decodes in a row would exceed the target, the machine is slow: windows get
shorter, and with idle capacity a second partial begins when the first one is half done.

Invariants: every text covers the whole utterance up to the end of its window, and stable text is never changed. At
most one partial is in flight, that is requested and not started.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from stt_service.session.stabilizer import Hypothesis, Stability, Stabilizer, StabilizerConfig, letters, units
from stt_service.settings.schema import FRAME_S, ServerSettings, frames
from stt_service.whisper.types import Word

# Times the affordable length: a longer window on a slow machine loses words although they are not stable.
UNSTABLE_SPLIT_FACTOR = 1.5
# Stable words that stay in a window: the first word of a window is often misrecognized, and its text is known already.
OVERLAP_UNITS = 2


@dataclass(frozen=True, slots=True)
class PartialsConfig:
    """Durations in frames. The values were measured on our dictations: docs/measurements.md."""

    first_after: int = frames(0.2)  # speech before the first partial
    pause: int = frames(0.2)  # least time between two
    cooldown_ratio: float = 4.0  # times the cost of the last one: a stream uses a quarter of a worker at most
    warmup_count: int = 4  # the first partials, when every word is new, ...
    warmup_cooldown_ratio: float = 1.5  # ... wait less
    target_latency: int = frames(1.2)  # with idle capacity, the longest time until a word is shown
    max_window: int = frames(8.0)  # a longer window loses its old words
    min_slow_window: int = frames(4.0)  # on a slow machine windows lose old words earlier, but not before this length
    min_window: int = frames(3.0)  # this much always stays
    split_search: int = frames(3.0)  # the widest gap between words in this range becomes the new beginning
    min_new_speech: int = 2  # speech that ended this close to the end of a window may need another decode
    stabilizer: StabilizerConfig = Stability.DEFAULT.value
    max_uncut_frames: int | None = None  # of an utterance: text after it is not stable, since a cut may remove it


def partials_config(settings: ServerSettings, max_uncut_frames: int, stability: Stability) -> PartialsConfig:
    """Return how the partials of an utterance are made."""
    return PartialsConfig(
        first_after=frames(settings.init_realtime_after_seconds),
        pause=frames(settings.realtime_processing_pause),
        stabilizer=stability.value,
        max_uncut_frames=max_uncut_frames,
    )


class Partials:
    """The partials of one utterance. Frames are numbered from the beginning of the stream."""

    def __init__(self, start: int, onset: int, config: PartialsConfig) -> None:
        self._config = config
        self._stabilizer = Stabilizer(config.stabilizer)
        self._start = start  # of the window
        self._uncut_end = inf if config.max_uncut_frames is None else start + config.max_uncut_frames
        self._stable_prefix = ""  # text before the window
        self._prefixes: dict[int, str] = {}  # text before the last windows, by their start
        self._stable = ""  # text that was returned as stable
        self._next_due = onset + config.first_after
        self._window_end = onset  # of the last window
        self._shown_end = onset  # of the window of the last text
        self._cost = 0.0  # of the last one, in frames
        self._covered_speech_end = onset  # in the last window
        self._count = 0
        self._window_length = 0  # of the last window
        self._max_window = config.max_window  # affordable on this machine
        self.in_flight = False  # one is requested and not started
        self.is_idle = False  # capacity was idle when the last one was delivered

    def is_due(self, frame: int, speech_end: int) -> bool:
        """Return whether there is new speech, and the period since the last partial has passed."""
        has_new_speech = speech_end > self._window_end - self._config.min_new_speech
        return not self.in_flight and frame >= self._next_due and has_new_speech

    def skip_wait(self) -> None:
        """Make the next one due as soon as there is any new audio, whatever the last one cost."""
        self._next_due = self._window_end + 1

    def begin(self, frame: int, speech_end: int | None = None) -> int:
        """Begin a partial whose window ends at `frame`; return the frame at which the window begins."""
        wait = max(self._config.pause, int(self._cost / 2) if self.may_overlap else 0)
        self._window_end, self._next_due = frame, frame + wait
        self._prefixes = {**dict([*self._prefixes.items()][-1:]), self._start: self._stable_prefix}
        self._covered_speech_end = frame if speech_end is None else speech_end
        self._window_length = frame - self._start
        self._count += 1
        return self._start

    def needs_word_timestamps(self, frame: int) -> bool:
        """Return whether the window has grown so long that it must lose words."""
        return frame - self._start > self._max_window

    def add_hypothesis(self, text: str, words: tuple[Word, ...], start: int, end: int) -> Hypothesis | None:
        """Add the text of the window from start to end; return the text of the utterance.

        None when a text of a later window was added before.
        """
        if end < self._shown_end:
            return None
        self._shown_end, prefix = end, self._prefixes.get(start, "")
        agreed = self._stabilizer.add_hypothesis(f"{prefix} {text}" if prefix else text, end)
        if words and start == self._start:
            self._drop_old_words(words, end - start, agreed)
        return self._shown(agreed, end)

    def add_full_hypothesis(self, text: str, end: int) -> Hypothesis | None:
        """Add a text of the whole utterance up to the end; None if a partial covered more speech (silence may differ).

        The return value is that of `add_hypothesis`.
        """
        if end < self._covered_speech_end:
            return None
        self._window_end = self._shown_end = max(self._window_end, end)
        return self._shown(self._stabilizer.add_hypothesis(text, self._window_end), self._window_end)

    def commit(self, text: str, end: int) -> None:
        """Make the text of the final up to the end stable; later windows begin there."""
        if self._start < end:
            self._stable_prefix, self._start = text, end
            self._stabilizer.commit(text)

    def record_cost(self, inference_s: float, *, idle: bool = False) -> None:
        """Schedule the next partial by the cost of the last one and by whether capacity was idle then."""
        config, self.is_idle = self._config, idle
        ratio = config.warmup_cooldown_ratio if self._count <= config.warmup_count else config.cooldown_ratio
        cost = self._cost = inference_s / FRAME_S
        period = min(ratio * cost, config.target_latency - cost) if idle else ratio * cost
        self._next_due = max(self._next_due, self._window_end + int(period))
        self._max_window = self._affordable_window()

    @property
    def may_overlap(self) -> bool:
        """Whether a partial may begin before the last one is delivered."""
        return self.is_idle and 2 * self._cost > self._config.target_latency

    def _affordable_window(self) -> int:
        """Return how long a window may get so that two decodes in a row do not exceed the target."""
        longest = self._window_length * self._config.target_latency / max(1.0, 2 * self._cost)
        return int(min(self._config.max_window, max(self._config.min_slow_window, longest)))

    def _shown(self, agreed: Hypothesis, end: int) -> Hypothesis:
        """Return the text, without additional stable words where a cut of the utterance could still remove them.

        Windows lose agreed words all the same; otherwise they would grow up to the cut.
        """
        if end <= self._uncut_end:
            self._stable = agreed.stable
        return Hypothesis(self._stable, (agreed.stable + agreed.unstable)[len(self._stable) :])

    def _drop_old_words(self, words: tuple[Word, ...], length: int, hypothesis: Hypothesis) -> None:
        """Move the beginning of the window to the widest of the last gaps between old words."""
        config, timed_units = self._config, _timed_units(words)
        share = self._max_window / config.max_window if config.max_window else 1.0
        latest_s = (length - share * config.min_window) * FRAME_S
        candidates = _stable_gaps(timed_units, hypothesis, latest_s)
        if not candidates and self._is_unaffordable(length):
            candidates = _any_gaps(timed_units, hypothesis, (length - config.min_window) * FRAME_S)
        search_s = share * config.split_search * FRAME_S
        late = [each for each in candidates if each.end_s >= candidates[-1].end_s - search_s]
        if late:
            widest = max(late, key=lambda each: (each.gap_s, each.end_s))
            text = units(hypothesis.stable + hypothesis.unstable)[: widest.units_before]
            self._stable_prefix = "".join(text).strip()
            self._start += int(min(widest.end_s + widest.gap_s / 2, latest_s) / FRAME_S)

    def _is_unaffordable(self, length: int) -> bool:
        """Return whether a slow machine cannot wait for hypotheses to agree before the window gets shorter."""
        return self._max_window < self._config.max_window and length > UNSTABLE_SPLIT_FACTOR * self._max_window


@dataclass(frozen=True, slots=True)
class _TimedUnit:
    """A unit of the stabilizer, and the word that contains it."""

    letters: str
    word: Word


@dataclass(frozen=True, slots=True)
class _SplitCandidate:
    """A gap between words in which a window may begin."""

    units_before: int  # of the text of the utterance
    end_s: float  # of the word before it
    gap_s: float


def _timed_units(words: tuple[Word, ...]) -> list[_TimedUnit]:
    return [_TimedUnit(letters(unit), word) for word in words for unit in units(word.text)]


def _stable_gaps(timed_units: list[_TimedUnit], hypothesis: Hypothesis, latest_s: float) -> list[_SplitCandidate]:
    """Return the gaps after words that ended by `latest_s`, each with OVERLAP_UNITS stable units after it.

    A window that begins between words that overlap, such as one recognized twice, would begin inside a word.
    """
    keys, stable = [unit.letters for unit in timed_units], [letters(unit) for unit in units(hypothesis.stable)]
    known = _count_before(keys, letters(hypothesis.unstable))
    candidates: list[_SplitCandidate] = []
    for count in range(1, known - OVERLAP_UNITS + 1):
        word, following = timed_units[count - 1].word, timed_units[count].word
        before = len(stable) - known + count
        is_known = before >= 0 and stable[before : before + OVERLAP_UNITS] == keys[count : count + OVERLAP_UNITS]
        gap_s = following.start_s - word.end_s
        if is_known and word is not following and word.end_s <= latest_s and gap_s > -FRAME_S / 2:
            candidates.append(_SplitCandidate(before, word.end_s, gap_s))
    return candidates


def _any_gaps(timed_units: list[_TimedUnit], hypothesis: Hypothesis, latest_s: float) -> list[_SplitCandidate]:
    """Return the gaps after any words that ended by `latest_s`, for a window without stable words."""
    # Units before the window, counted from the end: the match may leave the text one unit shorter than the window.
    before = len(units(hypothesis.stable + hypothesis.unstable)) - len(timed_units)
    return [
        _SplitCandidate(before + count, unit.word.end_s, following.word.start_s - unit.word.end_s)
        for count, (unit, following) in enumerate(pairwise(timed_units), 1)
        if unit.word is not following.word and unit.word.end_s <= latest_s and before + count >= 0
    ]


def _count_before(keys: list[str], end: str) -> int:
    """Return how many of the keys come before those that make up the end."""
    length = sum(map(len, keys)) - len(end)
    return sum(1 for reached in accumulate(map(len, keys)) if reached <= length)
