"""Latency, flicker and accuracy of one stream, computed from its messages.

Pure: messages and the reference go in, numbers come out. Times are seconds since the first sample was spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from math import inf
from typing import Annotated

from pydantic import Field
from rapidfuzz.distance import Levenshtein

from benchmarks.comparison.systems import Message, MessageKind
from benchmarks.harness.word_errors import aligned_words, count_errors, normalize
from benchmarks.recordings import Utterance

LONG_PAUSE_S = 1.0  # every measured system ends an utterance after it; a shorter pause may join two utterances


@dataclass(frozen=True, slots=True)
class EndpointedFinal(Message):
    """A final of a system that reports when it decided that the utterance had ended, and whether it decoded ahead."""

    decided_s: float  # audio of the stream received by then
    speculative: bool


@dataclass(frozen=True, slots=True)
class StreamMetrics:
    """Measurements of one stream, or of several together. Aliases are the keys of results.jsonl."""

    first_partials_s: tuple[float, ...] = ()  # of each utterance: from its start to the first correct word shown
    # Of each word: from its end until it is shown correctly and stays so.
    partial_latencies_s: Annotated[tuple[float, ...], Field(alias="partial_lags_s")] = ()
    # Of each utterance: from its end to the final with its last correct word.
    final_latencies_s: Annotated[tuple[float, ...], Field(alias="final_lags_s")] = ()
    # Of utterances before a long pause or the end of the dictation.
    final_latencies_at_pauses_s: Annotated[tuple[float, ...], Field(alias="final_lags_at_pauses_s")] = ()
    after_decision_s: tuple[float, ...] = ()  # of each EndpointedFinal
    speculative_finals: Annotated[int, Field(alias="early_finals")] = 0
    words: int = 0  # of the reference
    words_never_right: int = 0  # at the end of the stream; they have no partial latency
    words_wrong: int = 0  # in the finals
    words_shown: int = 0
    words_changed: int = 0  # or removed, after they were shown
    utterances: int = 0
    utterances_without_final: int = 0  # fewer than half of the words were recognized; they have no final latency

    def __add__(self, other: StreamMetrics) -> StreamMetrics:
        return StreamMetrics(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def wer_percent(self) -> float:
        return 100 * self.words_wrong / max(1, self.words)

    @property
    def flicker_percent(self) -> float:
        return 100 * self.words_changed / max(1, self.words_shown)

    @property
    def never_right_percent(self) -> float:
        return 100 * self.words_never_right / max(1, self.words)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the reference."""

    text: str
    utterance: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class _Shown:
    """The text shown to a reader from one moment on: the finals, then the partial."""

    at_s: float
    words: list[str]


def measure(
    messages: Sequence[Message], start_time: float, utterances: Sequence[Utterance], language: str
) -> StreamMetrics:
    """Return the measurements of a stream whose first sample was spoken at `began`, on the clock of the messages."""
    reference = _reference(utterances, language)
    states = _states(messages, start_time, language)
    shown, changed = _flicker(states)
    decided = [message for message in messages if isinstance(message, EndpointedFinal)]
    return StreamMetrics(
        words=len(reference),
        words_shown=shown,
        words_changed=changed,
        utterances=len(utterances),
        after_decision_s=tuple(message.at - start_time - message.decided_s for message in decided),
        speculative_finals=sum(message.speculative for message in decided),
    ) + (_partial_metrics(states, reference, utterances) + _final_metrics(messages, start_time, utterances, language))


def _reference(utterances: Sequence[Utterance], language: str) -> list[_Word]:
    """Return the words. Within an utterance, all letters and spaces are assumed to take the same time."""
    reference = []
    for number, utterance in enumerate(utterances):
        words = normalize(utterance.text, language)
        letters = list(accumulate((len(word) + 1 for word in words), initial=0))
        a_letter_s = (utterance.end_s - utterance.start_s) / max(1, letters[-1] - 1)
        reference += [
            _Word(word, number, utterance.start_s + first * a_letter_s, utterance.start_s + (end - 1) * a_letter_s)
            for word, first, end in zip(words, letters, letters[1:], strict=False)
        ]
    return reference


def _states(messages: Sequence[Message], start_time: float, language: str) -> list[_Shown]:
    """Return the shown text at each change. Of messages with the same time, only the last result counts."""
    finals: list[str] = []
    states: list[_Shown] = []
    for message in messages:
        if message.kind is MessageKind.NOTICE:
            continue
        words, at_s = normalize(message.text, language), message.at - start_time
        if message.kind is MessageKind.FINAL:
            finals, words = finals + words, []
        if states and states[-1].at_s == at_s:
            states.pop()
        if finals + words != (states[-1].words if states else []):
            states.append(_Shown(at_s, finals + words))
    return states


def _flicker(states: Sequence[_Shown]) -> tuple[int, int]:
    """Return how many words were shown, and how many of them were later removed or changed."""
    before: list[str] = []
    shown = changed = 0
    for state in states:
        unchanged = len(aligned_words(before, state.words)) if before else 0
        shown += len(state.words) - unchanged
        changed += len(before) - unchanged
        before = state.words
    return shown, changed


def _correct_words(reference: Sequence[_Word], shown: Sequence[str]) -> set[int]:
    """Return the indices of the reference's words that are shown correctly.

    The text is aligned with the prefix of the reference that fits best. In an alignment with the whole reference, a
    word such as `the` could match a later occurrence.
    """
    words = [word.text for word in reference]
    fit = min(range(len(words) + 1), key=lambda count: Levenshtein.distance(words[:count], shown))
    return set(aligned_words(words[:fit], shown)) if fit else set()


def _partial_metrics(
    states: Sequence[_Shown], reference: Sequence[_Word], utterances: Sequence[Utterance]
) -> StreamMetrics:
    since: dict[int, float] = {}  # word to the moment from which it is correct
    first: dict[int, float] = {}  # utterance to its first correct word
    for state in states:
        # A word may be shown before its interpolated end, but never counts before its start.
        right = {
            number: max(state.at_s, reference[number].start_s) for number in _correct_words(reference, state.words)
        }
        since = {number: since.get(number, at_s) for number, at_s in right.items()}
        for number, at_s in sorted(right.items()):
            first.setdefault(reference[number].utterance, at_s)
    return StreamMetrics(
        first_partials_s=tuple(at_s - utterances[number].start_s for number, at_s in sorted(first.items())),
        partial_latencies_s=tuple(at_s - reference[number].end_s for number, at_s in sorted(since.items())),
        words_never_right=len(reference) - len(since),
    )


def _final_metrics(
    messages: Sequence[Message], start_time: float, utterances: Sequence[Utterance], language: str
) -> StreamMetrics:
    received = [
        (message.at - start_time, word)
        for message in messages
        if message.kind is MessageKind.FINAL
        for word in normalize(message.text, language)
    ]
    text = [word for _, word in received]
    texts = [normalize(utterance.text, language) for utterance in utterances]
    reference = [word for words in texts for word in words]
    right, first = aligned_words(reference, text), 0
    latencies: list[tuple[int, float]] = []
    for number, words in enumerate(texts):
        times = [received[right[i]][0] for i in range(first, first + len(words)) if i in right]
        first += len(words)
        if times and 2 * len(times) >= len(words):
            latencies.append((number, times[-1] - utterances[number].end_s))
    return StreamMetrics(
        final_latencies_s=tuple(latency_s for _, latency_s in latencies),
        final_latencies_at_pauses_s=tuple(
            latency_s for number, latency_s in latencies if _pause_s(utterances, number) >= LONG_PAUSE_S
        ),
        words_wrong=count_errors(reference, text).count,
        utterances_without_final=len(utterances) - len(latencies),
    )


def _pause_s(utterances: Sequence[Utterance], number: int) -> float:
    following = utterances[number + 1 : number + 2]
    return following[0].start_s - utterances[number].end_s if following else inf
