"""The resume point of a dictation, and which events repeat earlier ones. Pure.

Theory of operation
    A server commits audio: with each response it sends `committed_ms`, before which no text is pending. When a stream
    fails, the next one starts at the last committed position, so it receives uncommitted audio again, and may emit
    events again that the caller already has. Utterances are numbered over all streams of a dictation; the numbers
    distinguish new events from repeated ones.

    Input is every event, in order (`handle`). State:

        committed_ms   the highest committed position; the next stream starts there
        next_start     the first utterance without a SpeechStarted so far
        next_result    the first utterance without a result (Final or Suppressed) so far
        uncommitted    results that end after the committed position: their audio is sent again
        split_ms       where an utterance was last split at its maximum length

    Invariants:

    - Each utterance has exactly one SpeechStarted and one result for the caller, in order: a lower number is a repeat.
    - A resumed stream numbers from the first utterance of the audio that it receives: the first uncommitted result,
      otherwise `next_result`. So the same utterance has the same number in both streams.
    - If the committed position is a split, the utterance continues there: the server must not require a new onset.
    - `previous_language` is that of the last committed Final. An uncommitted Final is recognized again, and must not
      influence itself.
    - Positions never decrease, also if a broken server sends a lower one.
"""

from __future__ import annotations

from dataclasses import dataclass

from stt_client.events import Event, Final, Partial, SpeechStarted, Suppressed


@dataclass(frozen=True, slots=True)
class Resume:
    """Where the next stream starts: the fields of the wire's `Resume`."""

    audio_offset_ms: int
    next_utterance: int
    continues_utterance: bool = False  # an utterance was split at the offset
    left_context_ms: int = 0  # of audio before the offset, with which the stream starts
    previous_language: str = ""  # of the last final before the offset


class ResumeTracker:
    """The events and the committed position of one dictation so far."""

    def __init__(self) -> None:
        self._committed_ms = 0
        self._next_start = 0
        self._next_result = 0
        self._split_ms = -1
        self._uncommitted: list[tuple[int, int, str]] = []  # utterance, end_ms, language
        self._language = ""  # of the last committed final

    @property
    def committed_ms(self) -> int:
        return self._committed_ms

    @property
    def resume(self) -> Resume:
        """The resume point: the committed position and the first utterance after it, known or not."""
        number = self._uncommitted[0][0] if self._uncommitted else self._next_result
        continues_utterance = self._split_ms == self._committed_ms
        return Resume(
            self._committed_ms, number, continues_utterance=continues_utterance, previous_language=self._language
        )

    def handle(self, event: Event) -> bool:
        """Record an event; return whether it is new to the caller."""
        is_new = self._is_new(event)
        self._committed_ms = max(self._committed_ms, event.committed_ms)
        if is_new and isinstance(event, Final | Suppressed):
            language = event.language if isinstance(event, Final) else ""
            self._uncommitted.append((event.utterance, event.end_ms, language))
            self._split_ms = event.committed_ms if event.endpoint == "max_length" else self._split_ms
        self._commit()
        return is_new

    def _commit(self) -> None:
        """Drop the results that end before the committed position, and retain the language of the last final."""
        committed = [each for each in self._uncommitted if each[1] <= self._committed_ms]
        self._uncommitted = [each for each in self._uncommitted if each[1] > self._committed_ms]
        self._language = next((language for *_, language in reversed(committed) if language), self._language)

    def _is_new(self, event: Event) -> bool:
        match event:
            case SpeechStarted(utterance):
                is_new = utterance >= max(self._next_start, self._next_result)
                self._next_start = max(self._next_start, utterance + 1)
            case Partial(utterance):
                is_new = utterance >= self._next_result
            case Final(utterance) | Suppressed(utterance):
                is_new = utterance >= self._next_result
                self._next_result = max(self._next_result, utterance + 1)
            case _:
                is_new = True
        return is_new
