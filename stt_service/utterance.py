"""An utterance from its onset to its final: what is asked of the decoder, and what becomes of the answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

from stt_service.events import Cost, Decode, Final, Partial, Suppressed
from stt_service.guard import Evidence, verdict
from stt_service.parameters import FRAME_MS, FRAME_S, LiveParameters
from stt_service.partials import Partials
from stt_service.segmenter import Ended, Hangover, Started
from stt_service.transcript import Kind, Transcript, Word


@dataclass(slots=True, eq=False)
class Utterance:
    """What a session knows of one utterance. Times are told in milliseconds of the dictation, from `offset_ms` on."""

    number: int
    started: Started
    live: LiveParameters
    partials: Partials
    offset_ms: int
    base: int  # the frame from which on it would be found anew
    revision: int = 0
    hangover: Hangover | None = None  # silent since, while the early decode waits for its time
    early_at: int = 0  # that time, a frame
    last: Decode | None = None  # the latest early or final decode: only its transcript counts
    result: tuple[Transcript, Cost] | None = None  # of `last`
    ended: Ended | None = None

    def resume(self) -> bool:
        """Void what was decoded ahead: more was said. Tell whether it had been asked for."""
        asked = self.last is not None
        self.hangover = self.last = self.result = None
        return asked

    def partial(self, decode: Decode, transcript: Transcript) -> Partial | None:
        """Return what the transcript of an open utterance tells; None when it cannot be trusted, or is old news.

        An early transcript counts too: it is the best there is while it is not yet clear whether more comes.
        """
        length_s = (decode.end - self.started.onset) * FRAME_S
        if verdict(transcript, Evidence(length_s, length_s)) is not None:
            return None
        if decode.kind is Kind.PARTIAL:
            said = self.partials.take(transcript.text, transcript.words, decode.start, decode.end)
        else:
            said = self.partials.take_whole(transcript.text, decode.end)
        if said is None:
            return None
        self.revision += 1
        start_ms, end_ms = self._ms(self.started.onset), self._ms(decode.end)
        return Partial(self.number, self.revision, said.stable, said.unstable, start_ms, end_ms)

    def conclusion(self, received_ms: int) -> Final | Suppressed:
        """Return what an ended utterance tells, once its transcript is there."""
        ended, last = self.ended, self.last
        assert ended is not None
        assert last is not None
        assert self.result is not None
        transcript, cost = self.result
        start_ms, end_ms = self._ms(ended.onset), min(self._ms(ended.speech_end), received_ms)
        settled_ms = min(self._ms(ended.end), received_ms)
        length_s = (ended.window_end - ended.start) * FRAME_S
        reason = verdict(transcript, Evidence(ended.voiced * FRAME_S, length_s))
        if reason is not None:
            return Suppressed(self.number, start_ms, end_ms, reason, transcript.text, ended.endpoint, settled_ms)
        return Final(
            utterance=self.number,
            text=transcript.text,
            start_ms=start_ms,
            end_ms=end_ms,
            language=transcript.language,
            language_probability=transcript.language_probability,
            confidence=min(1.0, exp(transcript.average_log_probability)),
            words=tuple(self._in_dictation(word, ended.start) for word in transcript.words),
            endpoint=ended.endpoint,
            endpoint_s=(ended.end - ended.speech_end) * FRAME_S,
            early=last.kind is Kind.EARLY,
            cost=cost,
            settled_ms=settled_ms,
        )

    def _in_dictation(self, word: Word, start: int) -> Word:
        base_s = self._ms(start) / 1000
        return replace(word, start_s=base_s + word.start_s, end_s=base_s + word.end_s)

    def _ms(self, frame: int) -> int:
        return self.offset_ms + frame * FRAME_MS
