"""One utterance from its onset to its final: partials while it is open, the decodes of its final, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

from stt_service.session.events import Decode, DecodeTiming, Final, Output, Partial, SpeechEnded, Suppressed
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
    """An open utterance. Events have milliseconds of the dictation: those of the stream plus `offset_ms`."""

    number: int
    started: UtteranceStarted
    runtime: RuntimeSettings
    partials: Partials
    finals: FinalDecodes
    offset_ms: int
    with_partials: bool
    revision: int = 0
    partials_running: int = 0

    def request_partial(self, frame: int, speech_end: int) -> bool:
        """Return whether a partial is due; it then counts as in flight until it begins or is canceled."""
        if not self._shows_partials or self.partials_running > self.partials.may_overlap:
            return False
        if not self.partials.is_due(frame, speech_end):
            return False
        self.partials.in_flight = True
        return True

    def begin_partial(
        self, windows: WindowBuilder, frame: int, speech_end: int, *, previous_language: str | None
    ) -> Decode | None:
        """Return the decode of the partial that was requested; None if it is no longer needed."""
        self.cancel_partial()
        if not self._shows_partials:
            return None
        self._commit_segments()
        self.partials_running += 1
        word_timestamps = self.partials.needs_word_timestamps(frame)
        start = self.partials.begin(frame, speech_end)
        window = windows.partial(
            self.runtime, start, frame, word_timestamps=word_timestamps, previous_language=previous_language
        )
        return Decode(self.number, Kind.PARTIAL, window, start, frame)

    def cancel_partial(self) -> None:
        """Note that the requested partial is no longer in flight."""
        self.partials.in_flight = False

    def deliver_partial(self, decode: Decode, transcript: Transcript, timing: DecodeTiming) -> Partial | None:
        """Return the event of a partial's transcript, as `partial_event` does, and schedule the next partial."""
        self.partials_running -= 1
        self.partials.record_cost(timing.inference_s / timing.batch, idle=timing.idle)
        return self.partial_event(decode, transcript)

    def partial_event(self, decode: Decode, transcript: Transcript) -> Partial | None:
        """Return the text of the open utterance; None when the transcript cannot be trusted or is outdated.

        A speculative transcript counts too: it is the best text while it is not known whether more speech follows.
        """
        if not self._is_trusted(transcript, self.started.onset, decode.end):
            return None
        hypothesis = self._hypothesis(decode, transcript)
        if hypothesis is None:
            return None
        self.revision += 1
        start_ms, end_ms = self.to_ms(self.started.onset), self.to_ms(decode.end)
        return Partial(self.number, self.revision, hypothesis.stable, hypothesis.unstable, start_ms, end_ms)

    def to_ms(self, frame: int) -> int:
        """Return the frame's position in the dictation."""
        return self.offset_ms + frame * FRAME_MS

    @property
    def _shows_partials(self) -> bool:
        """Whether partials are useful.

        They are not while a speculative decode of the final is running, since its text follows soon. On a slow machine
        that takes seconds: with idle capacity the last words before the pause are shown in the meantime.
        """
        if self.finals.has_speculative_final:
            return self.with_partials and self.partials.is_idle and self.finals.is_text_pending
        return self.with_partials

    def _commit_segments(self) -> None:
        """Pass the text of the committed segments of the final to the partials."""
        committed = list(self.finals.committed)
        if committed and all(
            self._is_trusted(transcript, decode.start, decode.end) for decode, transcript in committed
        ):
            self.partials.commit(_text([transcript for _, transcript in committed]), committed[-1][0].end)

    def _is_trusted(self, transcript: Transcript, start: int, end: int) -> bool:
        """Return whether a text of the open utterance can be shown; all frames but the pre-roll count as speech."""
        length_s = (end - max(start, self.started.onset)) * FRAME_S
        return suppression_reason(transcript, SpeechStats(length_s, length_s)) is None

    def _hypothesis(self, decode: Decode, transcript: Transcript) -> Hypothesis | None:
        if decode.kind is Kind.PARTIAL:
            return self.partials.add_hypothesis(transcript.text, transcript.words, decode.start, decode.end)
        before = [(segment, text) for segment, text in self.finals.committed if segment.end <= decode.start]
        if decode.start != (before[-1][0].end if before else self.started.start):
            return None  # a segment before it is not decoded yet
        return self.partials.add_full_hypothesis(_text([*(text for _, text in before), transcript]), decode.end)


@dataclass(frozen=True, slots=True, eq=False)
class EndedUtterance:
    """An utterance that has ended and waits for its final."""

    utterance: Utterance
    ended: UtteranceEnded

    @property
    def resume_frame(self) -> int:
        """The frame at which a resumed stream finds the utterance again."""
        return self.utterance.started.committed

    @property
    def is_decoded(self) -> bool:
        return self.utterance.finals.is_complete

    def redecode_in(self, previous_language: str | None) -> list[Output]:
        """Return the decode that is needed where weak evidence contradicts the language of the previous final.

        That final may be ready after this utterance was decoded; deciding only now gives the same text at any pace.
        """
        only = self.utterance.finals.only_segment
        if only is None or previous_language is None:
            return []
        (decode, transcript), options = only, only[0].window.options
        if options.language is not None or options.previous_language == previous_language:
            return []
        is_accepted = transcript.language == previous_language or is_strong_evidence(
            transcript.language_probability, decode.window.duration_s
        )
        return [] if is_accepted else self.utterance.finals.redecode(decode, previous_language)

    def speech_ended(self, received_ms: int) -> SpeechEnded:
        """Return the event of the end, before the final."""
        utterance, ended = self.utterance, self.ended
        end_ms, endpoint_ms = utterance.to_ms(ended.speech_end), utterance.to_ms(ended.end)
        return SpeechEnded(utterance.number, min(end_ms, received_ms), min(endpoint_ms, received_ms), ended.endpoint)

    def result(self, received_ms: int) -> Final | Suppressed:
        """Return the event of an utterance whose segments are decoded."""
        utterance, ended = self.utterance, self.ended
        transcript, timing, speculative = utterance.finals.result()
        start_ms, end_ms = utterance.to_ms(ended.onset), min(utterance.to_ms(ended.speech_end), received_ms)
        committed_ms = min(utterance.to_ms(ended.end), received_ms)
        length_s = (ended.window_end - ended.start) * FRAME_S
        reason = suppression_reason(transcript, SpeechStats(ended.voiced_frames * FRAME_S, length_s))
        if reason is not None:
            return Suppressed(utterance.number, start_ms, end_ms, reason, transcript.text, ended.endpoint, committed_ms)
        return Final(
            utterance=utterance.number,
            text=transcript.text,
            start_ms=start_ms,
            end_ms=end_ms,
            language=transcript.language,
            language_probability=transcript.language_probability,
            confidence=min(1.0, exp(transcript.average_log_probability)),
            words=tuple(self._in_dictation(word) for word in transcript.words),
            endpoint=ended.endpoint,
            endpoint_s=(ended.end - ended.speech_end) * FRAME_S,
            speculative=speculative,
            timing=timing,
            committed_ms=committed_ms,
        )

    def _in_dictation(self, word: Word) -> Word:
        """Return a word of the window with its times in the dictation; the pre-roll before the onset has no speech."""
        later = word.shifted(self.utterance.to_ms(self.ended.start) / 1000)
        start_s = max(later.start_s, self.utterance.to_ms(self.ended.onset) / 1000)
        return replace(later, start_s=start_s, end_s=max(later.end_s, start_s))


def _text(transcripts: Sequence[Transcript]) -> str:
    return join_texts([transcript.text for transcript in transcripts], transcripts[-1].language)
