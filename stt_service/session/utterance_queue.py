"""One stream's utterances: the open one, and those that have ended and wait for their finals.

The queue turns the decisions of the segmenter into requests for decodes, and transcripts into events. Finals are
emitted in the order of their utterances, whatever the order in which the transcripts are delivered.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from stt_service.audio.buffer import AudioBuffer
from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode, DecodeTiming, Final, Output, PartialDue, SpeechStarted
from stt_service.session.final_decodes import FinalDecodes
from stt_service.session.partials import Partials, partials_config
from stt_service.session.speculation import SpeculationTimer
from stt_service.session.splitting import UtteranceSplitter, splitter_config
from stt_service.session.utterance import EndedUtterance, Utterance
from stt_service.session.windows import WindowBuilder
from stt_service.settings.schema import FRAME_MS, RuntimeSettings
from stt_service.vad.types import SpeechPaused, SpeechResumed, UtteranceEnded, UtteranceStarted
from stt_service.whisper.types import Transcript


class UtteranceQueue:
    """At most one utterance is open. Decisions about a dropped utterance have no effect."""

    def __init__(self, config: SessionConfig, audio: AudioBuffer) -> None:
        self._config = config
        self._windows = WindowBuilder(audio, config)
        self._timer = SpeculationTimer()
        self._next_number = config.first_utterance
        self._previous_language = config.previous_language
        self._open: Utterance | None = None
        self._ended: deque[EndedUtterance] = deque()

    @property
    def next_number(self) -> int:
        return self._next_number

    @property
    def has_open_utterance(self) -> bool:
        return self._open is not None

    @property
    def pending_finals(self) -> int:
        """Number of finals that are not emitted yet."""
        return len(self._ended)

    @property
    def first_pending_frame(self) -> int | None:
        """The frame at which a resumed stream finds the oldest utterance without a final; None if there is none."""
        return self._ended[0].resume_frame if self._ended else None

    def is_open(self, number: int) -> bool:
        return self._open is not None and self._open.number == number

    def start(self, started: UtteranceStarted, runtime: RuntimeSettings) -> list[Output]:
        """Open an utterance with the settings that are in force now."""
        number, self._next_number = self._next_number, self._next_number + 1
        config = partials_config(self._config.settings, started.max_uncut_frames, self._config.stability)
        splitter = UtteranceSplitter(started.start, splitter_config(runtime))
        self._open = Utterance(
            number,
            started,
            runtime,
            Partials(started.start, started.onset, config),
            FinalDecodes(number, splitter, partial(self._windows.final, runtime)),
            offset_ms=self._config.offset_ms,
            with_partials=self._config.partials,
        )
        return [SpeechStarted(number, self._config.offset_ms + started.onset * FRAME_MS)]

    def pause(self, paused: SpeechPaused) -> None:
        """Schedule a speculative decode of the open utterance."""
        if self._open is None:
            return
        finals, speculate_at = self._open.finals, None
        if self._config.settings.early_transcription_on_silence:
            speculate_at = self._timer.start_frame(paused.frame, paused.endpoint_frame, finals.segment_start)
        finals.pause(paused.pause, speculate_at)

    def resume(self, resumed: SpeechResumed) -> list[Output]:
        """Withdraw the speculative decode of the open utterance, unless it may be split there."""
        return self._open.finals.resume(resumed.pause, resumed.frame) if self._open is not None else []

    def advance(self, frame: int, speech_end: int) -> list[Output]:
        """Process the end of a frame; return the decodes that the final needs, or probably needs."""
        if self._open is None:
            return []
        finals = self._open.finals
        return finals.split(speech_end) + finals.speculate(frame)

    def end(self, ended: UtteranceEnded, received_ms: int) -> list[Output]:
        """End the open utterance; return the decodes that its final still needs, and the event if requested."""
        utterance, self._open = self._open, None
        if utterance is None:
            return []
        pending = EndedUtterance(utterance, ended)
        self._ended.append(pending)
        event = [pending.speech_ended(received_ms)] if self._config.speech_ended else []
        return [*utterance.finals.end(ended), *event]

    def drop_open(self) -> list[Output]:
        """Drop the open utterance without a final; return the withdrawals of its decodes."""
        utterance, self._open = self._open, None
        return utterance.finals.cancel() if utterance is not None else []

    def request_partial(self, frame: int, speech_end: int, *, without_wait: bool = False) -> list[Output]:
        """Return a request for a partial if one is due, or if there is new audio and partials need not wait."""
        if self._open is None:
            return []
        if without_wait:
            self._open.partials.skip_wait()
        return [PartialDue(self._open.number)] if self._open.request_partial(frame, speech_end) else []

    def begin_partial(self, utterance: int, frame: int, speech_end: int) -> Decode | None:
        """Return the decode of a partial that was requested; None if it is no longer needed."""
        if self._open is None or self._open.number != utterance:
            return None
        return self._open.begin_partial(self._windows, frame, speech_end, previous_language=self._previous_language)

    def cancel_partial(self, utterance: int) -> None:
        """Cancel a partial that was requested and will not be decoded."""
        if self._open is not None and self._open.number == utterance:
            self._open.cancel_partial()

    def deliver_partial(self, decode: Decode, transcript: Transcript, timing: DecodeTiming) -> list[Output]:
        """Return the event of a partial's transcript; a transcript of an utterance that has ended is dropped."""
        if self._open is None or self._open.number != decode.utterance:
            return []
        event = self._open.deliver_partial(decode, transcript, timing)
        return [event] if event else []

    def deliver(self, decode: Decode, transcript: Transcript, timing: DecodeTiming) -> None:
        """Store the transcript of a final or of a speculative decode."""
        self._timer.record(decode, timing)
        for utterance in (self._open, *(each.utterance for each in self._ended)):
            if utterance is not None and utterance.number == decode.utterance:
                utterance.finals.deliver(decode, transcript, timing)

    def show_speculative(self, decode: Decode, transcript: Transcript) -> list[Output]:
        """Return a speculative transcript of the open utterance as a partial: it is not known yet whether it ends."""
        utterance = self._open
        if utterance is None or utterance.number != decode.utterance or not self._config.partials:
            return []
        event = utterance.partial_event(decode, transcript)
        return [event] if event else []

    def pop_finals(self, received_ms: int) -> list[Output]:
        """Return the finals that are ready, in order, or the decode that the next one needs in another language."""
        outputs: list[Output] = []
        while self._ended and self._ended[0].is_decoded:
            if redecodes := self._ended[0].redecode_in(self._previous_language):
                return outputs + redecodes
            event = self._ended.popleft().result(received_ms)
            if isinstance(event, Final):
                self._previous_language = event.language
            outputs.append(event)
        return outputs
