"""An utterance from its onset to its final: what is asked of the decoder, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

from stt_service.session.events import Decode, DecodeTiming, Final, Output, Partial, Suppressed
from stt_service.session.final_decodes import FinalDecodes
from stt_service.session.partials import Partials
from stt_service.session.stabilizer import Hypothesis
from stt_service.session.windows import WindowBuilder
from stt_service.settings.schema import FRAME_MS, FRAME_S, RuntimeSettings
from stt_service.vad.types import UtteranceEnded, UtteranceStarted
from stt_service.whisper.hallucination import SpeechStats, suppression_reason
from stt_service.whisper.language import is_strong_evidence, join_texts
from stt_service.whisper.types import Kind, Transcript, Word


@dataclass(slots=True, eq=False)
class Utterance:
    """What a session knows of one utterance. Times are told in milliseconds of the dictation, from `offset_ms` on."""

    number: int
    started: UtteranceStarted
    runtime: RuntimeSettings
    partials: Partials
    finals: FinalDecodes
    offset_ms: int
    base: int  # the frame from which on it would be found anew
    with_partials: bool
    revision: int = 0
    partials_running: int = 0
    ended: UtteranceEnded | None = None

    def asks_for_partial(self, now: int, speech_end: int) -> bool:
        """Tell whether a partial is due; it is then waited for until it is cut or was abandoned."""
        if not self._shows_partials or self.partials_running > self.partials.overlap:
            return False
        if not self.partials.due(now, speech_end):
            return False
        self.partials.in_flight = True
        return True

    def cut_partial(
        self, windows: WindowBuilder, now: int, speech_end: int, *, previous_language: str | None
    ) -> Decode | None:
        """Return the decode of the partial whose turn has come; None when it is no longer wanted."""
        self.abandon_partial()
        if not self._shows_partials:
            return None
        self._settle()
        self.partials_running += 1
        word_times = self.partials.needs_word_timestamps(now)
        start = self.partials.begin(now, speech_end)
        window = windows.partial(self.runtime, start, now, word_times=word_times, previous_language=previous_language)
        return Decode(self.number, Kind.PARTIAL, window, start, now)

    def partial_came(self, decode: Decode, transcript: Transcript, cost: DecodeTiming) -> Partial | None:
        """Return what the partial that was waited for tells, if anything."""
        self.partials_running -= 1
        self.partials.cost(cost.inference_s / cost.batch, idle=cost.idle)
        return self.partial(decode, transcript)

    def abandon_partial(self) -> None:
        """Wait no more for the partial's turn."""
        self.partials.in_flight = False

    @property
    def _shows_partials(self) -> bool:
        """Whether partials make sense.

        While the final is decoded ahead, its text comes soon. On a slow machine that takes seconds: with idle capacity
        the last words before the pause are shown meanwhile.
        """
        if self.finals.has_speculative_final:
            return self.with_partials and self.partials.idle and self.finals.is_text_pending
        return self.with_partials

    def _settle(self) -> None:
        """Tell the partials what is settled of the final."""
        settled = list(self.finals.settled)
        if settled and all(self._is_trusted(transcript, decode.start, decode.end) for decode, transcript in settled):
            self.partials.settle(_text([transcript for _, transcript in settled]), settled[-1][0].end)

    def partial(self, decode: Decode, transcript: Transcript) -> Partial | None:
        """Return what the transcript of an open utterance tells; None when it cannot be trusted, or is old news.

        An early transcript counts too: it is the best there is while it is not yet clear whether more comes.
        """
        if not self._is_trusted(transcript, self.started.onset, decode.end):
            return None
        said = self._said(decode, transcript)
        if said is None:
            return None
        self.revision += 1
        start_ms, end_ms = self._ms(self.started.onset), self._ms(decode.end)
        return Partial(self.number, self.revision, said.stable, said.unstable, start_ms, end_ms)

    def _is_trusted(self, transcript: Transcript, start: int, end: int) -> bool:
        """Tell whether a text of the open utterance can be shown; all frames but the pre-roll count as speech."""
        length_s = (end - max(start, self.started.onset)) * FRAME_S
        return suppression_reason(transcript, SpeechStats(length_s, length_s)) is None

    def _said(self, decode: Decode, transcript: Transcript) -> Hypothesis | None:
        if decode.kind is Kind.PARTIAL:
            return self.partials.add_hypothesis(transcript.text, transcript.words, decode.start, decode.end)
        before = [(part, text) for part, text in self.finals.settled if part.end <= decode.start]
        if decode.start != (before[-1][0].end if before else self.started.start):
            return None  # a part before it is not decoded yet
        return self.partials.take_whole(_text([*(text for _, text in before), transcript]), decode.end)

    def in_previous_language(self, previous_language: str | None) -> list[Output]:
        """Return the decode that is needed where weak evidence contradicts the language of the final before.

        That final may come after this utterance was decoded; to decide only now gives the same text at any pace.
        """
        detected = self.finals.detected()
        if detected is None or previous_language is None:
            return []
        (decode, transcript), options = detected, detected[0].window.options
        if options.language is not None or options.previous_language == previous_language:
            return []
        stays = transcript.language == previous_language or is_strong_evidence(
            transcript.language_probability, decode.window.duration_s
        )
        return [] if stays else self.finals.decode_again(previous_language)

    def result(self, received_ms: int) -> Final | Suppressed:
        """Return what an ended utterance tells, once its transcript is there."""
        ended = self.ended
        assert ended is not None
        transcript, cost, early = self.finals.result()
        start_ms, end_ms = self._ms(ended.onset), min(self._ms(ended.speech_end), received_ms)
        settled_ms = min(self._ms(ended.end), received_ms)
        length_s = (ended.window_end - ended.start) * FRAME_S
        reason = suppression_reason(transcript, SpeechStats(ended.voiced * FRAME_S, length_s))
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
            words=tuple(self._in_dictation(word, ended.start, start_ms / 1000) for word in transcript.words),
            endpoint=ended.endpoint,
            endpoint_s=(ended.end - ended.speech_end) * FRAME_S,
            speculative=early,
            cost=cost,
            committed_ms=settled_ms,
        )

    def _in_dictation(self, word: Word, start: int, onset_s: float) -> Word:
        """Return a word of a window with its times in the dictation; the pre-roll before the onset holds no speech."""
        later = word.shifted(self._ms(start) / 1000)
        start_s = max(later.start_s, onset_s)
        return replace(later, start_s=start_s, end_s=max(later.end_s, start_s))

    def _ms(self, frame: int) -> int:
        return self.offset_ms + frame * FRAME_MS


def _text(transcripts: Sequence[Transcript]) -> str:
    return join_texts([transcript.text for transcript in transcripts], transcripts[-1].language)
