"""One stream without I/O: sound, transcripts and commands in; decodes and events out.

Time is audio time, in frames of 32 ms from the beginning of this stream; events carry milliseconds of the
dictation, which may have begun in an earlier stream. The same input gives the same output at any pace, but for
partials, which are made as the machine has room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from stt_service.audio.buffer import AudioBuffer
from stt_service.audio.frame_reader import FrameReader
from stt_service.audio.pcm import AudioFormat, Frames, Samples
from stt_service.session.events import Decode, DecodeTiming, Final, Output, PartialDue, SpeechStarted
from stt_service.session.final_decodes import FinalDecodes
from stt_service.session.partials import Partials, PartialsConfig
from stt_service.session.speculation import SpeculationTimer
from stt_service.session.splitting import UtteranceSplitter, parting_config
from stt_service.session.utterance import Utterance
from stt_service.session.windows import WindowBuilder
from stt_service.settings.schema import FRAME_MS, RuntimeSettings, ServerSettings, frames
from stt_service.vad.segmenter import COMMIT_SILENCE_FRAMES, Segmenter
from stt_service.vad.types import (
    Decision,
    Endpoint,
    LongSilence,
    SegmenterConfig,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
    segmenter_config,
)
from stt_service.whisper.types import Kind, Transcript


class Vad(Protocol):
    """Speech probabilities of one stream's frames, in order, perhaps some frames late."""

    def push(self, frames: Frames) -> Samples: ...

    def flush(self) -> Samples: ...

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None: ...


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a stream is opened with."""

    settings: ServerSettings
    runtime: RuntimeSettings
    audio_format: AudioFormat = field(default_factory=AudioFormat)
    partials: bool = True
    word_timestamps: bool = False
    offset_ms: int = 0
    first_utterance: int = 0
    continues_utterance: bool = False  # at the offset an utterance was cut
    left_context_ms: int = 0  # of audio from before the offset, which only the resampler shall hear
    previous_language: str | None = None  # of the last final before the offset


VadFactory = Callable[[RuntimeSettings], Vad]
STEP_FRAMES = 32  # frames that are looked at together: a second, as what follows an endpoint is scored twice
SILENCE_STEP_MS = 1000


class Session:
    """One stream's recognition."""

    def __init__(self, config: SessionConfig, new_vad: VadFactory) -> None:
        self._config, self._new_vad = config, new_vad
        self._live = config.runtime
        self._vad = new_vad(self._live)
        self._intake = FrameReader(config.audio_format, config.left_context_ms)
        self._sound = AudioBuffer()
        self._segmenter = Segmenter(
            segmenter_config(config.runtime, config.settings), continues_utterance=config.continues_utterance
        )
        self._resume_frame = 0  # where the stream could be taken up by another one, but for finals that are not told
        self._next_number = config.first_utterance
        self._previous_language = config.previous_language
        self._open: Utterance | None = None
        self._closed: deque[Utterance] = deque()  # ended, not yet told, in order
        self._windows = WindowBuilder(self._sound, config.settings, word_times=config.word_timestamps)
        self._early_time = SpeculationTimer()
        self._complete = False
        self._retiring = False
        self._silent_from = 0  # all frames from here on are zeros, ...
        self._undisturbed_from = 0  # ... and from here on no command came and no utterance ended
        self._paused = False  # no audio comes for now

    @property
    def runtime(self) -> RuntimeSettings:
        """The settings in force from the next utterance on."""
        return self._live

    @property
    def makes_partials(self) -> bool:
        return self._config.partials

    @property
    def received_ms(self) -> int:
        """End of the audio received."""
        return self._config.offset_ms + self._intake.received_ms

    @property
    def committed_ms(self) -> int:
        """All before it is settled: told as a final, suppressed, or silence. A stream resumed there says the same."""
        if self._complete and not self._closed:
            return self.received_ms
        base = self._closed[0].base if self._closed else self._resume_frame
        return min(self._ms(base), self.received_ms)

    @property
    def next_utterance(self) -> int:
        return self._next_number

    @property
    def pending_finals(self) -> int:
        """Finals that are not told yet."""
        return len(self._closed)

    @property
    def in_utterance(self) -> bool:
        """Whether an utterance is open."""
        return self._open is not None

    @property
    def is_retired(self) -> bool:
        """Whether the utterance is over after which nothing more is heard."""
        return self._retiring and self._open is None

    def stop_after_utterance(self) -> None:
        """Hear the open utterance to its end and no more: what follows is for another stream."""
        self._retiring = True

    @property
    def has_advanced(self) -> bool:
        """Whether a stream that resumes where this one is committed, once pending finals are out, begins further on."""
        return self._resume_frame > 0

    def suspend(self) -> list[Output]:
        """Take no more audio and leave the open utterance uncommitted: the stream that resumes recognizes it whole.

        Pending finals are still emitted. `committed_ms` stays where the utterance would be found again.
        """
        self._retiring = True
        utterance, self._open = self._open, None
        return utterance.finals.cancel() if utterance is not None else []

    def catch_up(self) -> list[Output]:
        """Note that no audio comes for now: partials are due until they cover all audio, whatever their pacing."""
        self._paused = True
        return self._partial_if_due()

    def push(self, pcm: bytes) -> list[Output]:
        """Take bytes of the stream's format.

        Raises:
            InvalidRequest: they are not what the format says.
        """
        return self._receive_frames(self._intake.push(pcm))

    def silence(self, samples: int) -> Iterator[list[Output]]:
        """Take so many samples of silence, at the stream's own rate, in short steps; yield what each one gives.

        The result is that of pushing silent audio. The cost is bounded however long the silence is: once a period of
        it, from one restart to the next, has changed nothing but positions, the following ones are skipped.
        """
        rate_hz = self._config.audio_format.sample_rate_hz
        while samples and not (self._intake.is_silent and samples >= rate_hz):
            step = min(samples, rate_hz * SILENCE_STEP_MS // 1000)
            samples -= step
            yield self._receive_frames(self._intake.silence(step))
        left_ms = samples // rate_hz * 1000
        while left_ms:
            step_ms = self._skip(left_ms) or min(left_ms, SILENCE_STEP_MS)
            left_ms -= step_ms
            yield self._receive_frames(self._intake.zeros(step_ms)) if step_ms <= SILENCE_STEP_MS else []
        if samples % rate_hz:
            yield self._receive_frames(self._intake.silence(samples % rate_hz))

    def finalize(self, endpoint: Endpoint = Endpoint.FINALIZE) -> list[Output]:
        """End the open utterance now."""
        self._undisturbed_from = self._sound.end
        outputs: list[Output] = []
        while self._segmenter.frame < self._sound.end and not self.is_retired:
            outputs += self._advance(self._vad.flush())
        ended = None if self.is_retired else self._segmenter.flush(endpoint)
        return outputs + (self._on_flushed(ended) + self._restart() if ended else [])

    def end(self, endpoint: Endpoint = Endpoint.END_OF_AUDIO) -> list[Output]:
        """Take the end of the audio; nothing may be pushed after it."""
        heard = self._receive_frames(self._intake.flush())
        outputs: list[Output] = [each for each in heard if not isinstance(each, PartialDue)]  # the final comes with it
        outputs += self.finalize(endpoint)
        self._complete = True
        return outputs

    def check_whole(self) -> None:
        """Refuse audio that ended inside a sample.

        Raises:
            InvalidRequest: what came before is not lost by it.
        """
        self._intake.check_whole()

    def update(self, changes: Mapping[str, object]) -> None:
        """Change live settings from the next utterance on.

        Raises:
            InvalidRequest: a value will not do; nothing is changed.
        """
        live = self._live.updated(changes)
        config = segmenter_config(live, self._config.settings)
        self._live = live
        self._undisturbed_from = self._sound.end
        self._segmenter.reconfigure(config)
        self._vad.reconfigure(config, live.webrtc_sensitivity)

    def partial(self, utterance: int) -> Decode | None:
        """Cut the window of a partial whose turn has come; None when it is no longer wanted."""
        if self._open is None or self._open.number != utterance:
            return None
        frame, speech_end = self._segmenter.frame, self._segmenter.speech_end
        return self._open.cut_partial(self._windows, frame, speech_end, previous_language=self._previous_language)

    def receive(self, decode: Decode, transcript: Transcript, cost: DecodeTiming) -> list[Output]:
        """Take the transcript of a decode that was asked for; what is out of date is dropped."""
        if decode.kind is Kind.PARTIAL:
            return self._on_partial(decode, transcript, cost)
        self._early_time.record(decode, cost)
        for utterance in (self._open, *self._closed):
            if utterance is not None and utterance.number == decode.utterance:
                utterance.finals.receive(decode, transcript, cost)
        return self._ready_finals() + self._ahead(decode, transcript)

    def cancel_partial(self, utterance: int) -> None:
        """Take note that the turn of a partial will not come."""
        if self._open is not None and self._open.number == utterance:
            self._open.abandon_partial()

    def _receive_frames(self, arrived: Frames) -> list[Output]:
        self._paused = False
        outputs: list[Output] = []
        for first in range(0, len(arrived), STEP_FRAMES):
            if self.is_retired:
                break
            piece = arrived[first : first + STEP_FRAMES]
            self._sound.append(piece)
            if piece.any():
                self._silent_from = self._sound.end
            outputs += self._advance(self._vad.push(piece))
            outputs += self._partial_if_due()
            self._sound.forget(self._resume_frame)
        return outputs

    def _skip(self, milliseconds: int) -> int:
        """Skip whole periods of silence that would change nothing but positions; return how long they are."""
        periods = milliseconds // (COMMIT_SILENCE_FRAMES * FRAME_MS)
        since = max(self._silent_from, self._undisturbed_from)
        if (
            not periods
            or self._open is not None
            or not self._segmenter.is_periodic
            or since > self._resume_frame - COMMIT_SILENCE_FRAMES
        ):
            return 0
        frames = self._segmenter.skip(periods)
        self._sound.skip(frames)
        self._resume_frame += frames
        self._intake.skip(frames * FRAME_MS)
        return frames * FRAME_MS

    def _advance(self, probabilities: Samples) -> list[Output]:
        """Take the probabilities of the next frames."""
        if not len(probabilities):
            return []
        first = self._segmenter.frame
        energies = self._sound.energies(first, first + len(probabilities))
        if self._segmenter.skip_silence(probabilities, energies):
            return []
        outputs: list[Output] = []
        for probability, energy in zip(probabilities.tolist(), energies.tolist(), strict=True):
            decision = self._segmenter.step(probability, energy)
            if decision is not None:
                outputs += self._on_decision(decision)
            if self._open is not None:
                outputs += self._ahead_of_time(self._open)
            if isinstance(decision, UtteranceEnded | LongSilence):
                return outputs + self._restart()
        return outputs

    def _restart(self) -> list[Output]:
        """Go on from where the segmenter is as a stream that begins there: so one resumed there says the same."""
        self._resume_frame = self._segmenter.committed
        if self.is_retired:
            return []
        self._vad = self._new_vad(self._live)
        return self._advance(self._vad.push(self._sound.frames(self._resume_frame)))

    def _on_decision(self, decision: Decision) -> list[Output]:
        match decision:
            case UtteranceStarted():
                return self._on_started(decision)
            case SpeechPaused():
                return self._on_hangover(decision)
            case SpeechResumed():
                return self._on_resumed()
            case UtteranceEnded():
                return self._on_ended(decision)
            case LongSilence():
                return []

    def _on_started(self, started: UtteranceStarted) -> list[Output]:
        number, self._next_number = self._next_number, self._next_number + 1
        server = self._config.settings
        config = PartialsConfig(
            first_after=frames(server.init_realtime_after_seconds),
            pause=frames(server.realtime_processing_pause),
            max_uncut_frames=self._segmenter.max_uncut_frames,
        )
        partials = Partials(started.start, started.onset, config)
        parting = UtteranceSplitter(started.start, parting_config(self._live))
        finals = FinalDecodes(number, parting, partial(self._windows.final, self._live))
        self._open = Utterance(
            number,
            started,
            self._live,
            partials,
            finals,
            offset_ms=self._config.offset_ms,
            base=self._resume_frame,
            with_partials=self._config.partials,
        )
        return [SpeechStarted(number, self._ms(started.onset))]

    def _on_hangover(self, hangover: SpeechPaused) -> list[Output]:
        if self._open is not None:
            finals, early_at = self._open.finals, None
            if self._config.settings.early_transcription_on_silence:
                early_at = self._early_time.start_frame(self._segmenter.frame, self._segmenter.endpoint, finals.start)
            finals.pause(hangover, early_at)
        return []

    def _ahead_of_time(self, utterance: Utterance) -> list[Output]:
        """Return the decodes of what the open utterance's final is known to need, or likely will."""
        segmenter, finals = self._segmenter, utterance.finals
        return finals.part(segmenter.speech_end) + finals.speculate(segmenter.frame)

    def _on_resumed(self) -> list[Output]:
        return self._open.finals.resume(self._segmenter.frame) if self._open is not None else []

    def _on_flushed(self, ended: UtteranceEnded) -> list[Output]:
        if self._open is not None:
            return self._on_ended(ended)
        return self._on_started(UtteranceStarted(ended.start, ended.onset)) + self._on_ended(ended)

    def _on_ended(self, ended: UtteranceEnded) -> list[Output]:
        utterance, self._open = self._open, None
        assert utterance is not None
        utterance.ended = ended
        self._closed.append(utterance)
        return utterance.finals.end(ended) + self._ready_finals()

    def _partial_if_due(self) -> list[Output]:
        if self._open is None:
            return []
        if self._paused:
            self._open.partials.skip_wait()
        if not self._open.asks_for_partial(self._segmenter.frame, self._segmenter.speech_end):
            return []
        return [PartialDue(self._open.number)]

    def _on_partial(self, decode: Decode, transcript: Transcript, cost: DecodeTiming) -> list[Output]:
        if self._open is None or self._open.number != decode.utterance:
            return []
        partial = self._open.partial_came(decode, transcript, cost)
        return [*([partial] if partial else []), *self._partial_if_due()]

    def _ahead(self, decode: Decode, transcript: Transcript) -> list[Output]:
        """Tell an early transcript as a partial: the utterance may be over or not."""
        utterance = self._open
        if utterance is None or utterance.number != decode.utterance or not self._config.partials:
            return []
        partial = utterance.partial(decode, transcript)
        return [partial] if partial else []

    def _ready_finals(self) -> list[Output]:
        """Return the finals that are ready, in the order of their utterances."""
        ready: list[Output] = []
        while self._closed and self._closed[0].finals.complete:
            if again := self._closed[0].in_previous_language(self._previous_language):
                return ready + again
            event = self._closed.popleft().result(self.received_ms)
            if isinstance(event, Final):
                self._previous_language = event.language
            ready.append(event)
        return ready

    def _ms(self, frame: int) -> int:
        return self._config.offset_ms + frame * FRAME_MS
