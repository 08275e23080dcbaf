"""The decodes that make up one utterance's final: its segments, in order.

While an utterance is open, most of it is decoded already:

- Committed segments end in pauses at which the utterance is split (splitting.py). They are decoded once.
- The candidate is a speculative decode of a pause at which the utterance may be split. It becomes a committed segment
  if it is, and is withdrawn otherwise.
- The last segment follows the committed ones. In a pause it is decoded speculatively, in case the utterance ends in it.
  When speech resumes, that decode is withdrawn, or becomes the candidate.

At the end of the utterance a speculative decode is kept exactly if it has the window of the last segment. Every window
therefore depends on the audio only, and the text is the same whether or not a decode was ready in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from stt_service.session.events import Decode, DecodeTiming, Output, Promote, Withdraw
from stt_service.session.splitting import UtteranceSplitter
from stt_service.settings.schema import FRAME_S
from stt_service.vad.types import Pause, UtteranceEnded
from stt_service.whisper.types import Kind, Transcript, Window, concatenate

BuildWindow = Callable[[Kind, int, int, int], Window]  # from kind, start, end of speech, and end


@dataclass(slots=True, eq=False)
class DecodedSegment:
    """A segment of the utterance that is decoded separately."""

    decode: Decode
    speech_end: int
    result: tuple[Transcript, DecodeTiming] | None = None


@dataclass(frozen=True, slots=True)
class _Speculation:
    """A speculative decode that begins at a frame, if the pause lasts until then."""

    pause: Pause
    frame: int


class FinalDecodes:
    """The decodes of one utterance. Frames are numbered from the beginning of the stream."""

    def __init__(self, utterance: int, splitter: UtteranceSplitter, build_window: BuildWindow) -> None:
        self._utterance, self._splitter, self._build_window = utterance, splitter, build_window
        self._start = splitter.segment_start
        self._count = 0
        self._committed: list[DecodedSegment] = []
        self._candidate: DecodedSegment | None = None
        self._last: DecodedSegment | None = None
        self._scheduled: _Speculation | None = None

    @property
    def segment_start(self) -> int:
        """Where the last segment begins."""
        return self._splitter.segment_start

    @property
    def has_speculative_final(self) -> bool:
        """Whether the decodes that were requested cover all speech so far."""
        return self._last is not None

    @property
    def is_text_pending(self) -> bool:
        """Whether the decode of the last segment is requested and has no text yet."""
        return self._last is not None and self._last.result is None

    @property
    def is_complete(self) -> bool:
        return all(segment.result is not None for segment in self._segments())

    @property
    def committed(self) -> Iterator[tuple[Decode, Transcript]]:
        """The first segments that are committed and decoded."""
        for segment in self._committed:
            if segment.result is None:
                return
            yield segment.decode, segment.result[0]

    @property
    def only_segment(self) -> tuple[Decode, Transcript] | None:
        """The only segment and its transcript; None where there are several or it is not decoded."""
        if self._committed or self._last is None or self._last.result is None:
            return None
        return self._last.decode, self._last.result[0]

    def pause(self, pause: Pause, speculate_at: int | None) -> None:
        """Schedule a speculative decode for a frame of the pause; None: for never."""
        self._scheduled = None if speculate_at is None else _Speculation(pause, speculate_at)

    def speculate(self, frame: int) -> list[Output]:
        """Return the speculative decode, if it is time for it."""
        scheduled = self._scheduled
        if scheduled is None or frame < scheduled.frame:
            return []
        self._scheduled = None
        self._last = self._segment(Kind.SPECULATIVE, self.segment_start, scheduled.pause)
        return [self._last.decode]

    def resume(self, pause: Pause, frame: int) -> list[Output]:
        """End the pause: withdraw its speculative decode, unless the utterance may be split in it."""
        discarded, self._last = self._last, None
        if self._splitter.resume(pause, frame):
            discarded, self._candidate = self._candidate, discarded
        self._scheduled = None
        return _withdrawals(discarded)

    def split(self, speech_end: int) -> list[Output]:
        """Split the utterance if there is enough speech after a pause; return the decode that is missing."""
        start, pause = self.segment_start, self._splitter.advance(speech_end)
        if pause is None:
            return []
        segment, self._candidate = self._candidate, None
        decodes: list[Output] = []
        if segment is None:
            segment = self._segment(Kind.SPECULATIVE, start, pause)
            decodes = [segment.decode]
        self._committed.append(segment)
        return decodes

    def end(self, ended: UtteranceEnded) -> list[Output]:
        """End the utterance; return the decodes that are missing."""
        outputs, self._candidate = _withdrawals(self._candidate), None
        while self._committed and self._committed[-1].speech_end > ended.speech_end:  # the utterance was cut before it
            outputs += _withdrawals(self._committed.pop())
        self._splitter.end(self._committed[-1].decode.end if self._committed else self._start)
        decodes = self._decode_last(ended)
        if any(each.result is None and each.decode.kind is Kind.SPECULATIVE for each in self._segments()):
            outputs.append(Promote(self._utterance))
        return outputs + decodes

    def _decode_last(self, ended: UtteranceEnded) -> list[Output]:
        last, self._last = self._last, None
        if self._committed and self._committed[-1].speech_end == ended.speech_end:
            return _withdrawals(last)
        if last is not None and (last.decode.start, last.decode.end) == (self.segment_start, ended.window_end):
            self._last = last
            return []
        self._last = self._segment(Kind.FINAL, self.segment_start, Pause(ended.speech_end, ended.window_end))
        return [*_withdrawals(last), self._last.decode]

    def redecode(self, first: Decode, previous_language: str | None) -> list[Output]:
        """Decode the only segment again, with a previous language that was not known when it was first decoded."""
        options = replace(first.window.options, previous_language=previous_language, kind=Kind.FINAL)
        window = replace(first.window, options=options)
        decode = Decode(self._utterance, Kind.FINAL, window, first.start, first.end, self._count)
        self._count += 1
        self._last = DecodedSegment(decode, first.end)
        return [decode]

    def cancel(self) -> list[Output]:
        """Return the withdrawals of every decode without a result: there will be no final."""
        segments = (*self._segments(), self._candidate)
        return [each for segment in segments if segment and segment.result is None for each in _withdrawals(segment)]

    def deliver(self, decode: Decode, transcript: Transcript, timing: DecodeTiming) -> None:
        """Store the transcript of a decode; that of a withdrawn one is dropped."""
        for segment in (*self._segments(), self._candidate):
            if segment is not None and segment.decode is decode:
                segment.result = transcript, timing

    def result(self) -> tuple[Transcript, DecodeTiming, bool]:
        """Return the joined transcript, and of the last segment its timing and whether it was decoded speculatively.

        Raises:
            ValueError: a segment is not decoded yet.
        """
        segments = [(each.decode, each.result) for each in self._segments() if each.result is not None]
        if not segments or len(segments) < len(self._segments()):
            raise ValueError("a segment of the utterance is not decoded yet")
        transcripts = [(result[0], (decode.start - self._start) * FRAME_S) for decode, result in segments]
        last, (_, timing) = segments[-1]
        return concatenate(transcripts), timing, last.kind is Kind.SPECULATIVE

    def _segments(self) -> list[DecodedSegment]:
        return [*self._committed, *([self._last] if self._last else [])]

    def _segment(self, kind: Kind, start: int, pause: Pause) -> DecodedSegment:
        window = self._build_window(kind, start, pause.speech_end, pause.window_end)
        decode = Decode(self._utterance, kind, window, start, pause.window_end, self._count)
        self._count += 1
        return DecodedSegment(decode, pause.speech_end)


def _withdrawals(segment: DecodedSegment | None) -> list[Output]:
    return [Withdraw(segment.decode.utterance, segment.decode.number)] if segment else []
