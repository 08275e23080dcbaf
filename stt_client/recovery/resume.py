"""Where a broken dictation is to be taken up, and what of an event is news. Pure.

A stream that is resumed hears again what was not settled, and so may tell again what was told: utterance numbers say
which is which.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt_client.events import Event, Final, Partial, SpeechStarted, Suppressed


@dataclass(frozen=True, slots=True)
class Resume:
    """Where the next stream begins."""

    audio_offset_ms: int
    next_utterance: int
    continues_utterance: bool = False  # an utterance was cut there
    left_context_ms: int = 0  # of audio from before it, with which the stream begins
    previous_language: str = ""  # of the last final before the offset


class ResumeTracker:
    """What was told and what is settled so far."""

    def __init__(self) -> None:
        self._committed_ms = 0
        self._next_start = 0  # the first utterance whose beginning was not told
        self._next_result = 0  # the first whose end was not told
        self._split_ms = -1  # where an utterance was last cut at its greatest length
        self._uncommitted: list[tuple[int, int, str]] = []  # number, end, language: told, not settled
        self._language = ""  # of the last settled final

    @property
    def committed_ms(self) -> int:
        return self._committed_ms

    @property
    def resume(self) -> Resume:
        """Return where to go on: with the first utterance after what is settled, told or not."""
        number = self._uncommitted[0][0] if self._uncommitted else self._next_result
        continues_utterance = self._split_ms == self._committed_ms
        return Resume(
            self._committed_ms, number, continues_utterance=continues_utterance, previous_language=self._language
        )

    def handle(self, event: Event) -> bool:
        """Take note of an event; return whether it is news."""
        is_news = self._is_new(event)
        self._committed_ms = max(self._committed_ms, event.committed_ms)
        if is_news and isinstance(event, Final | Suppressed):
            language = event.language if isinstance(event, Final) else ""
            self._uncommitted.append((event.utterance, event.end_ms, language))
            self._split_ms = event.committed_ms if event.endpoint == "max_length" else self._split_ms
        self._commit()
        return is_news

    def _commit(self) -> None:
        """Drop the utterances that end before the settled position, and note the language of the last final."""
        committed = [each for each in self._uncommitted if each[1] <= self._committed_ms]
        self._uncommitted = [each for each in self._uncommitted if each[1] > self._committed_ms]
        self._language = next((language for *_, language in reversed(committed) if language), self._language)

    def _is_new(self, event: Event) -> bool:
        match event:
            case SpeechStarted(utterance):
                is_news = utterance >= max(self._next_start, self._next_result)
                self._next_start = max(self._next_start, utterance + 1)
            case Partial(utterance):
                is_news = utterance >= self._next_result
            case Final(utterance) | Suppressed(utterance):
                is_news = utterance >= self._next_result
                self._next_result = max(self._next_result, utterance + 1)
            case _:
                is_news = True
        return is_news
