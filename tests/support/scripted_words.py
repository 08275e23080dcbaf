"""Words with their places, and a decoder that hears them as Whisper does: what lies in the window, with mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from stt_service.session.partials import OVERLAP, Partials, PartialsConfig
from stt_service.session.stabilizer import Hypothesis
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import Word


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, named after its number, and its frames."""

    number: int
    start: int
    end: int

    @property
    def text(self) -> str:
        return f"w{self.number}"


def script(places: Iterable[tuple[int, int]]) -> list[Spoken]:
    """Return words of these gaps and lengths, one after another from frame 0."""
    words: list[Spoken] = []
    now = 0
    for number, (gap, length) in enumerate(places):
        words.append(Spoken(number, now + gap, now + gap + length))
        now += gap + length
    return words


def evenly(count: int, gap: int = 4, length: int = 10) -> list[Spoken]:
    return script([(gap, length)] * count)


class Edge(Enum):
    """How the first words come out of a window that does not begin with the utterance."""

    RIGHT = auto()
    MISHEARD = auto()  # as many as overlap
    LOST = auto()  # one
    TWICE = auto()  # one


@dataclass(frozen=True, slots=True)
class Taken:
    """A partial: its window's frames, what it told, and where the words' times were asked for."""

    start: int
    end: int
    heard: dict[int, str]  # the words of the window as they came out, by number
    said: Hypothesis
    timed: bool

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def stable(self) -> list[int]:
        return numbers(self.said.stable)

    @property
    def told(self) -> list[int]:
        return numbers(f"{self.said.stable} {self.said.unstable}")


def numbers(text: str) -> list[int]:
    """Return which words the text holds, misheard or not."""
    return [int(word[1:]) for word in text.split()]


class Listener:
    """Takes one partial after another of a script."""

    def __init__(self, words: list[Spoken], config: PartialsConfig) -> None:
        self._words = words
        self.partials = Partials(0, 0, config)

    def take(self, now: int, misheard: int = 0, edge: Edge = Edge.RIGHT) -> Taken:
        """Decode at frame `now`, with so many of the newest words misheard."""
        timed = self.partials.needs_word_timestamps(now)
        start = self.partials.begin(now)
        heard = [word for word in self._words if start <= (word.start + word.end) / 2 and word.end <= now]
        texts = [word.text for word in heard]
        right = max(0, len(texts) - misheard)
        texts = [*texts[:right], *(text.replace("w", "x") for text in texts[right:])]
        pairs = _at_the_edge(list(zip(texts, heard, strict=True)), edge if start else Edge.RIGHT)
        words = tuple(_word(text, spoken, start) for text, spoken in pairs)
        said = self.partials.add_hypothesis(" ".join(text for text, _ in pairs), words if timed else (), start, now)
        assert said is not None
        return Taken(start, now, {spoken.number: text for text, spoken in pairs}, said, timed)


def _at_the_edge(pairs: list[tuple[str, Spoken]], edge: Edge) -> list[tuple[str, Spoken]]:
    match edge:
        case Edge.RIGHT:
            return pairs
        case Edge.MISHEARD:
            return [(text.replace("w", "y"), spoken) for text, spoken in pairs[:OVERLAP]] + pairs[OVERLAP:]
        case Edge.LOST:
            return pairs[1:]
        case Edge.TWICE:
            return pairs[:1] + pairs


def _word(text: str, spoken: Spoken, start: int) -> Word:
    """Return the word with its times in the window, which may begin within it."""
    return Word(text, max(0, spoken.start - start) * FRAME_S, (spoken.end - start) * FRAME_S, 0.9)
