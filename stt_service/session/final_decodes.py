"""The decodes that one utterance's final is made of: its parts, in order, and which of them are still to come.

An early decode, made while it is silent, is kept exactly if the utterance ends or is parted in that silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from stt_service.session.events import Decode, DecodeTiming, Output, Promote, Withdraw
from stt_service.session.splitting import UtteranceSplitter
from stt_service.settings.schema import FRAME_S
from stt_service.vad.types import SpeechPaused, UtteranceEnded
from stt_service.whisper.types import Kind, Transcript, Window, concatenate

Cut = Callable[[Kind, int, int, int], Window]  # from kind, start, end of speech, and end


@dataclass(slots=True, eq=False)
class DecodedSegment:
    """A stretch of the utterance that is decoded by itself."""

    decode: Decode
    speech_end: int
    result: tuple[Transcript, DecodeTiming] | None = None


class FinalDecodes:
    """One utterance's. Frames are numbers of the stream's."""

    def __init__(self, utterance: int, parting: UtteranceSplitter, cut: Cut) -> None:
        self._utterance, self._parting, self._cut = utterance, parting, cut
        self._first = parting.start
        self._count = 0
        self._settled: list[DecodedSegment] = []
        self._candidate: DecodedSegment | None = None  # ends in the pause in which the utterance may be parted
        self._last: DecodedSegment | None = None  # what follows the settled ones, up to the present silence
        self._pause: SpeechPaused | None = None
        self._early_at: int | None = None  # when the last part is decoded ahead, if that is to come

    @property
    def start(self) -> int:
        """Where the part begins that is being said."""
        return self._parting.start

    @property
    def has_speculative_final(self) -> bool:
        """Whether all that was said so far is decoded, or about to be."""
        return self._last is not None

    @property
    def is_text_pending(self) -> bool:
        """Whether the decode of all that was said so far has no text yet."""
        return self._last is not None and self._last.result is None

    @property
    def complete(self) -> bool:
        return all(part.result is not None for part in self._parts())

    @property
    def settled(self) -> Iterator[tuple[Decode, Transcript]]:
        """The first parts that are settled and decoded."""
        for part in self._settled:
            if part.result is None:
                return
            yield part.decode, part.result[0]

    def pause(self, pause: SpeechPaused, early_at: int | None) -> None:
        """Take a silence, and the frame at which to decode ahead, if it lasts; None: never."""
        self._pause, self._early_at = pause, early_at

    def speculate(self, now: int) -> list[Output]:
        """Decode ahead if it is time."""
        if self._pause is None or self._early_at is None or now < self._early_at:
            return []
        self._early_at = None
        self._last = self._part(Kind.SPECULATIVE, self.start, self._pause)
        return [self._last.decode]

    def resume(self, now: int) -> list[Output]:
        """Take the end of the silence: what was decoded ahead is void, but where the utterance may be parted."""
        assert self._pause is not None
        void, self._last = self._last, None
        if self._parting.resume(self._pause, now):
            void, self._candidate = self._candidate, void
        self._pause = self._early_at = None
        return _withdrawn(void)

    def part(self, speech_end: int) -> list[Output]:
        """Part the utterance if enough has been said since the pause."""
        start, pause = self.start, self._parting.settle(speech_end)
        if pause is None:
            return []
        part, self._candidate = self._candidate, None
        asked: list[Output] = []
        if part is None:
            part = self._part(Kind.SPECULATIVE, start, pause)
            asked = [part.decode]
        self._settled.append(part)
        return asked

    def end(self, ended: UtteranceEnded) -> list[Output]:
        """Take the end; ask for what is missing."""
        outputs, self._candidate = _withdrawn(self._candidate), None
        while self._settled and self._settled[-1].speech_end > ended.speech_end:  # cut before that
            outputs += _withdrawn(self._settled.pop())
        self._parting.end(self._settled[-1].decode.end if self._settled else self._first)
        asked = self._finish(ended)
        if any(part.result is None and part.decode.kind is Kind.SPECULATIVE for part in self._parts()):
            outputs.append(Promote(self._utterance))
        return outputs + asked

    def _finish(self, ended: UtteranceEnded) -> list[Output]:
        """Settle which decode is the last part."""
        last, self._last = self._last, None
        if self._settled and self._settled[-1].speech_end == ended.speech_end:
            return _withdrawn(last)
        if last is not None and (last.decode.start, last.decode.end) == (self.start, ended.window_end):
            self._last = last
            return []
        self._last = self._part(Kind.FINAL, self.start, SpeechPaused(ended.speech_end, ended.window_end))
        return [*_withdrawn(last), self._last.decode]

    def decode_again(self, previous_language: str | None) -> list[Output]:
        """Decode the only segment again, beside a previous language that was not known when it was first decoded."""
        assert self._last is not None
        first = self._last.decode
        options = replace(first.window.options, previous_language=previous_language, kind=Kind.FINAL)
        window = replace(first.window, options=options)
        again = Decode(self._utterance, Kind.FINAL, window, first.start, first.end, self._count)
        self._count += 1
        self._last = DecodedSegment(again, self._last.speech_end)
        return [again]

    def detected(self) -> tuple[Decode, Transcript] | None:
        """Return the only segment and its transcript; None where there are several or it is not decoded."""
        if self._settled or self._last is None or self._last.result is None:
            return None
        return self._last.decode, self._last.result[0]

    def cancel(self) -> list[Output]:
        """Withdraw every decode that is still to come: no final will be made."""
        parts = (*self._parts(), self._candidate)
        return [each for part in parts if part is not None and part.result is None for each in _withdrawn(part)]

    def receive(self, decode: Decode, transcript: Transcript, cost: DecodeTiming) -> None:
        """Take a transcript; of a decode that is void, it is dropped."""
        for part in (*self._parts(), self._candidate):
            if part is not None and part.decode is decode:
                part.result = transcript, cost

    def result(self) -> tuple[Transcript, DecodeTiming, bool]:
        """Return the transcript of complete ones, and of the last part its cost and whether it was decoded early."""
        transcripts: list[tuple[Transcript, float]] = []
        for part in self._parts():
            assert part.result is not None
            transcript, cost = part.result
            transcripts.append((transcript, (part.decode.start - self._first) * FRAME_S))
        return concatenate(transcripts), cost, part.decode.kind is Kind.SPECULATIVE

    def _parts(self) -> list[DecodedSegment]:
        return [*self._settled, *([self._last] if self._last else [])]

    def _part(self, kind: Kind, start: int, pause: SpeechPaused) -> DecodedSegment:
        window = self._cut(kind, start, pause.speech_end, pause.window_end)
        decode = Decode(self._utterance, kind, window, start, pause.window_end, self._count)
        self._count += 1
        return DecodedSegment(decode, pause.speech_end)


def _withdrawn(part: DecodedSegment | None) -> list[Output]:
    return [Withdraw(part.decode.utterance, part.decode.number)] if part else []
