"""One stream without I/O: audio, transcripts and commands in; decode requests and events out.

A session is driven by one caller, which runs the requested decodes:

    feed            audio → frames
    detect          frames → decisions: utterance started, paused, resumed, ended (detector.py)
    request decode  decisions → Decode, PartialDue, Promote, Withdraw (utterance_queue.py)
    deliver         transcript of a Decode → the utterance that needs it
    emit            SpeechStarted, SpeechEnded, Partial, Final, Suppressed

Every method returns its outputs in order, and the caller handles them in that order. A Decode is answered with
`deliver`; a PartialDue with `begin_partial` when a decoder is free, which returns the Decode of the newest audio, or
with `cancel_partial`.

States: open; paused, without audio for now (`catch_up`), until the next audio; retiring (`stop_after_utterance`,
`suspend`), in which the open utterance is the last one; retired, when it has ended; complete, after `end`. Pending
finals are emitted in every state.

Time is stream time, in frames of 32 ms from the beginning of this stream. Events have milliseconds of the dictation,
which may have started in an earlier stream.

Invariants: the same input gives the same finals at any pace, however the audio is split into chunks and whatever other
streams do; partials depend on free capacity. Finals are in the order of their utterances. A stream that is resumed at
`committed_ms` gives the same finals as one that was never interrupted, because after each utterance, and in long
silence, the detector restarts in the state of a new stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stt_service.audio.frame_reader import FrameReader
from stt_service.audio.pcm import Frames
from stt_service.session.config import SessionConfig, VadFactory
from stt_service.session.detector import Detection, SpeechDetector
from stt_service.session.events import Decode, DecodeTiming, Output, PartialDue
from stt_service.session.utterance_queue import UtteranceQueue
from stt_service.settings.schema import FRAME_MS, RuntimeSettings
from stt_service.vad.types import (
    Decision,
    Endpoint,
    LongSilence,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from stt_service.whisper.types import Kind, Transcript

STEP_FRAMES = 32  # processed at once: 1 s, since the audio after an endpoint is scored twice
SILENCE_STEP_MS = 1000


class Session:
    """Recognition of one stream."""

    def __init__(self, config: SessionConfig, new_vad: VadFactory) -> None:
        self._config = config
        self._runtime = config.runtime
        self._reader = FrameReader(config.audio_format, config.left_context_ms)
        self._detector = SpeechDetector(config, new_vad)
        self._utterances = UtteranceQueue(config, self._detector.audio)
        self._complete = False
        self._retiring = False
        self._paused = False

    @property
    def runtime(self) -> RuntimeSettings:
        """The settings in force from the next utterance on."""
        return self._runtime

    @property
    def makes_partials(self) -> bool:
        return self._config.partials

    @property
    def received_ms(self) -> int:
        """End of the audio received, in the dictation."""
        return self._config.offset_ms + self._reader.received_ms

    @property
    def committed_ms(self) -> int:
        """End of the audio whose result was emitted, or that has none. A stream resumed there gives the same text."""
        pending = self._utterances.first_pending_frame
        if self._complete and pending is None:
            return self.received_ms
        frame = self._detector.committed if pending is None else pending
        return min(self._config.offset_ms + frame * FRAME_MS, self.received_ms)

    @property
    def next_utterance(self) -> int:
        return self._utterances.next_number

    @property
    def pending_finals(self) -> int:
        """Number of finals that are not emitted yet."""
        return self._utterances.pending_finals

    @property
    def in_utterance(self) -> bool:
        """Whether an utterance is open."""
        return self._utterances.has_open_utterance

    @property
    def is_retired(self) -> bool:
        """Whether the last utterance of this stream has ended; no more audio is processed."""
        return self._retiring and not self.in_utterance

    @property
    def has_advanced(self) -> bool:
        """Whether a stream that resumes where this one is committed, once pending finals are out, begins further on."""
        return self._detector.committed > 0

    def feed(self, pcm: bytes) -> list[Output]:
        """Process bytes of the stream's format.

        Raises:
            InvalidRequestError: the bytes do not have the declared format.
        """
        return self._process_frames(self._reader.push(pcm))

    def feed_silence(self, samples: int) -> Iterator[list[Output]]:
        """Process that many samples of silence, at the stream's own rate, in short steps; yield the outputs of each.

        The result is that of feeding silent audio. The cost is bounded however long the silence is: once a period of
        it, from one restart of the detector to the next, has changed nothing but positions, the next ones are skipped.
        """
        rate_hz = self._config.audio_format.sample_rate_hz
        while samples and not (self._reader.is_silent and samples >= rate_hz):
            step = min(samples, rate_hz * SILENCE_STEP_MS // 1000)
            samples -= step
            yield self._process_frames(self._reader.push_silence(step))
        left_ms = samples // rate_hz * 1000
        while left_ms:
            skipped_ms = self._skip_silence(left_ms)
            step_ms = skipped_ms or min(left_ms, SILENCE_STEP_MS)
            left_ms -= step_ms
            yield [] if skipped_ms else self._process_frames(self._reader.push_zeros(step_ms))
        if samples % rate_hz:
            yield self._process_frames(self._reader.push_silence(samples % rate_hz))

    def catch_up(self) -> list[Output]:
        """Expect no audio for now: partials are due until they cover all audio, whatever their pacing."""
        self._paused = True
        return self._request_partial()

    def finalize(self, endpoint: Endpoint = Endpoint.FINALIZE) -> list[Output]:
        """End the open utterance now."""
        detections = self._detector.flush()
        outputs = [] if self.is_retired else self._process_detections(detections)
        decisions = [] if self.is_retired else self._detector.end_utterance(endpoint)
        for decision in decisions:
            outputs += self._handle(decision)
        if decisions and not self.is_retired:
            outputs += self._process_detections(self._detector.restart())
        return outputs

    def end(self, endpoint: Endpoint = Endpoint.END_OF_AUDIO) -> list[Output]:
        """End the audio; nothing may be fed after it."""
        outputs = self._process_frames(self._reader.flush())
        outputs = [output for output in outputs if not isinstance(output, PartialDue)]  # the final follows at once
        outputs += self.finalize(endpoint)
        self._complete = True
        return outputs

    def stop_after_utterance(self) -> None:
        """Process audio up to the end of the open utterance only: the rest is for another stream."""
        self._retiring = True

    def suspend(self) -> list[Output]:
        """Process no more audio and leave the open utterance uncommitted: the stream that resumes recognizes it whole.

        Pending finals are still emitted. `committed_ms` stays where the utterance would be found again.
        """
        self._retiring = True
        return self._utterances.drop_open()

    def check_whole(self) -> None:
        """Check that the audio did not end inside a sample.

        Raises:
            InvalidRequestError: it did; the result of the audio before it is not lost.
        """
        self._reader.check_whole()

    def update(self, changes: Mapping[str, object]) -> None:
        """Change runtime settings from the next utterance on.

        Raises:
            InvalidRequestError: a value is invalid; nothing is changed.
        """
        self._runtime = self._runtime.updated(changes)
        self._detector.reconfigure(self._runtime)

    def begin_partial(self, utterance: int) -> Decode | None:
        """Return the decode of a partial that was requested; None if it is no longer needed."""
        return self._utterances.begin_partial(utterance, self._detector.frame, self._detector.speech_end)

    def cancel_partial(self, utterance: int) -> None:
        """Cancel a partial that was requested and will not be decoded."""
        self._utterances.cancel_partial(utterance)

    def deliver(self, decode: Decode, transcript: Transcript, timing: DecodeTiming) -> list[Output]:
        """Process the transcript of a decode that was requested; an outdated one is dropped."""
        if decode.kind is Kind.PARTIAL:
            if not self._utterances.is_open(decode.utterance):
                return []
            return self._utterances.deliver_partial(decode, transcript, timing) + self._request_partial()
        self._utterances.deliver(decode, transcript, timing)
        finals = self._utterances.pop_finals(self.received_ms)
        return finals + self._utterances.show_speculative(decode, transcript)

    def _process_frames(self, frames: Frames) -> list[Output]:
        self._paused = False
        outputs: list[Output] = []
        for first in range(0, len(frames), STEP_FRAMES):
            if self.is_retired:
                break
            outputs += self._process_detections(self._detector.feed(frames[first : first + STEP_FRAMES]))
            outputs += self._request_partial()
            self._detector.discard_committed()
        return outputs

    def _process_detections(self, detections: Iterable[Detection]) -> list[Output]:
        outputs: list[Output] = []
        for detection in detections:
            if detection.decision is not None:
                outputs += self._handle(detection.decision)
            outputs += self._utterances.advance(detection.frame, detection.speech_end)
            if self.is_retired:
                break
        return outputs

    def _handle(self, decision: Decision) -> list[Output]:
        match decision:
            case UtteranceStarted():
                return self._utterances.start(decision, self._runtime)
            case SpeechPaused():
                self._utterances.pause(decision)
                return []
            case SpeechResumed():
                return self._utterances.resume(decision)
            case UtteranceEnded():
                return self._utterances.end(decision, self.received_ms) + self._utterances.pop_finals(self.received_ms)
            case LongSilence():
                return []

    def _skip_silence(self, milliseconds: int) -> int:
        skipped_ms = self._detector.skip_silence(milliseconds)
        self._reader.skip(skipped_ms)
        return skipped_ms

    def _request_partial(self) -> list[Output]:
        detector = self._detector
        return self._utterances.request_partial(detector.frame, detector.speech_end, without_wait=self._paused)
