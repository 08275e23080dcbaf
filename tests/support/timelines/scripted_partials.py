"""Words with positions, and a simulated decoder that returns the words in a window with errors, as Whisper does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from stt_service.session.partials import OVERLAP_UNITS, Partials, PartialsConfig
from stt_service.session.stabilizer import Hypothesis
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import Word


@dataclass(frozen=True, slots=True)
class ScriptedWord:
    """A word, named after its number, with its frames."""

    number: int
    start: int
    end: int

    @property
    def text(self) -> str:
        return f"w{self.number}"


def scripted_words(gaps_and_lengths: Iterable[tuple[int, int]]) -> list[ScriptedWord]:
    """Return words with these gaps and lengths, in sequence from frame 0."""
    words: list[ScriptedWord] = []
    now = 0
    for number, (gap, length) in enumerate(gaps_and_lengths):
        words.append(ScriptedWord(number, now + gap, now + gap + length))
        now += gap + length
    return words


def evenly(count: int, gap: int = 4, length: int = 10) -> list[ScriptedWord]:
    return scripted_words([(gap, length)] * count)


class EdgeError(Enum):
    """Errors of the first words in a window that does not start with the utterance."""

    NONE = auto()
    MISRECOGNIZED = auto()  # as many words as overlap
    LOST = auto()  # one word
    TWICE = auto()  # one word


@dataclass(frozen=True, slots=True)
class DecodedPartial:
    """A partial: the frames of its window, its hypothesis, and whether word times were requested."""

    start: int
    end: int
    decoded_words: dict[int, str]  # the decoded words of the window by number
    hypothesis: Hypothesis
    has_timestamps: bool

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def stable(self) -> list[int]:
        return numbers(self.hypothesis.stable)

    @property
    def word_numbers(self) -> list[int]:
        return numbers(f"{self.hypothesis.stable} {self.hypothesis.unstable}")


def numbers(text: str) -> list[int]:
    """Return the numbers of the words in the text, misrecognized or not."""
    return [int(word[1:]) for word in text.split()]


class SimulatedPartials:
    """Decodes the partials of a script in sequence."""

    def __init__(self, words: list[ScriptedWord], config: PartialsConfig) -> None:
        self._words = words
        self.partials = Partials(0, 0, config)

    def decode(self, now: int, misrecognized: int = 0, edge: EdgeError = EdgeError.NONE) -> DecodedPartial:
        """Decode at frame `now`, with this many of the newest words misrecognized."""
        timed = self.partials.needs_word_timestamps(now)
        start = self.partials.begin(now)
        audible = [word for word in self._words if start <= (word.start + word.end) / 2 and word.end <= now]
        texts = [word.text for word in audible]
        right = max(0, len(texts) - misrecognized)
        texts = [*texts[:right], *(text.replace("w", "x") for text in texts[right:])]
        pairs = _at_the_edge(list(zip(texts, audible, strict=True)), edge if start else EdgeError.NONE)
        words = tuple(_word(text, word, start) for text, word in pairs)
        hypothesis = self.partials.add_hypothesis(
            " ".join(text for text, _ in pairs), words if timed else (), start, now
        )
        assert hypothesis is not None
        return DecodedPartial(start, now, {word.number: text for text, word in pairs}, hypothesis, timed)


def _at_the_edge(pairs: list[tuple[str, ScriptedWord]], edge: EdgeError) -> list[tuple[str, ScriptedWord]]:
    match edge:
        case EdgeError.NONE:
            return pairs
        case EdgeError.MISRECOGNIZED:
            return [(text.replace("w", "y"), word) for text, word in pairs[:OVERLAP_UNITS]] + pairs[OVERLAP_UNITS:]
        case EdgeError.LOST:
            return pairs[1:]
        case EdgeError.TWICE:
            return pairs[:1] + pairs


def _word(text: str, spoken: ScriptedWord, start: int) -> Word:
    """Return the word with its times in the window, which may start inside the word."""
    return Word(text, max(0, spoken.start - start) * FRAME_S, (spoken.end - start) * FRAME_S, 0.9)
