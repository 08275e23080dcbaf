"""One stream without I/O: sound, transcripts and commands in; decodes and events out.

Time is audio time, in frames of 32 ms from the beginning of this stream; events carry milliseconds of the
dictation, which may have begun in an earlier stream. The same input gives the same output at any pace, but for
partials, which are made as the machine has room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from typing import Protocol

from stt_service.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ, AudioFormat, Decoder, Framer, Frames, Samples
from stt_service.events import Cost, Decode, Final, Output, Partial, Promote, SpeechStarted, Suppressed
from stt_service.guard import Evidence, verdict
from stt_service.parameters import AUTO, LiveParameters, Parameters, frames
from stt_service.segmenter import (
    Cut,
    Decision,
    Ended,
    Endpoint,
    Hangover,
    Resumed,
    Segmenter,
    SegmenterConfig,
    Started,
    segmenter_config,
)
from stt_service.sound import Sound
from stt_service.stabiliser import Stabiliser, StabiliserConfig
from stt_service.transcript import Context, DecodeOptions, Kind, Transcript, Window, Word

FRAME_MS = 1000 * FRAME_SAMPLES // SAMPLE_RATE_HZ
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ


class Vad(Protocol):
    """Speech probabilities of one stream's frames, in order, perhaps some frames late."""

    def push(self, frames: Frames) -> Samples: ...

    def flush(self) -> Samples: ...

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None: ...


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a stream is opened with."""

    server: Parameters
    live: LiveParameters
    audio_format: AudioFormat = field(default_factory=AudioFormat)
    partials: bool = True
    word_times: bool = False
    offset_ms: int = 0
    first_utterance: int = 0


@dataclass(slots=True, eq=False)
class _Utterance:
    """An utterance from its onset to its final."""

    number: int
    started: Started
    live: LiveParameters
    stabiliser: Stabiliser
    revision: int = 0
    partial_wanted: bool = False  # a partial is being decoded
    partial_end: int = 0  # where the last partial's window ended
    last: Decode | None = None  # the latest early or final decode: only its transcript counts
    result: tuple[Transcript, Cost] | None = None  # of `last`
    ended: Ended | None = None


class Session:
    """One stream's recognition."""

    def __init__(self, config: SessionConfig, vad: Vad) -> None:
        self._config, self._vad = config, vad
        self._live = config.live
        self._decoder, self._framer = Decoder(config.audio_format), Framer()
        self._sound = Sound()
        self._segmenter = Segmenter(segmenter_config(config.live, config.server))
        self._next_number = config.first_utterance
        self._open: _Utterance | None = None
        self._closed: deque[_Utterance] = deque()  # ended, not yet told, in order
        self._complete = False

    @property
    def live(self) -> LiveParameters:
        """The settings in force from the next utterance on."""
        return self._live

    @property
    def makes_partials(self) -> bool:
        return self._config.partials

    @property
    def received_ms(self) -> int:
        """End of the audio received."""
        return self._config.offset_ms + self._decoder.received_ms

    @property
    def final_ms(self) -> int:
        """All before it is settled: told as a final, suppressed, or silence."""
        if self._complete and not self._closed:
            return self.received_ms
        settled = self._closed[0].started.start if self._closed else self._segmenter.settled
        return min(self._ms(settled), self.received_ms)

    @property
    def next_utterance(self) -> int:
        return self._next_number

    @property
    def owed(self) -> int:
        """Finals that are not told yet."""
        return len(self._closed)

    def push(self, pcm: bytes) -> list[Output]:
        """Take bytes of the stream's format.

        Raises:
            InvalidRequest: they are not what the format says.
        """
        return self._hear(self._decoder.push(pcm))

    def finalize(self, endpoint: Endpoint = Endpoint.FINALIZE) -> list[Output]:
        """End the open utterance now."""
        outputs = self._advance(self._vad.flush())
        ended = self._segmenter.flush(endpoint)
        return outputs + (self._on_flushed(ended) if ended else [])

    def end(self, endpoint: Endpoint = Endpoint.END_OF_AUDIO) -> list[Output]:
        """Take the end of the audio; nothing may be pushed after it."""
        outputs = self._hear(self._decoder.flush())
        outputs += self._frames(self._framer.flush())
        outputs = [output for output in outputs if not _is_partial(output)]  # its final comes with it
        outputs += self.finalize(endpoint)
        self._complete = True
        return outputs

    def check_whole(self) -> None:
        """Refuse audio that ended inside a sample.

        Raises:
            InvalidRequest: what came before is not lost by it.
        """
        self._decoder.check_whole()

    def update(self, changes: Mapping[str, object]) -> None:
        """Change live settings from the next utterance on.

        Raises:
            InvalidRequest: a value will not do; nothing is changed.
        """
        live = self._live.updated(changes)
        config = segmenter_config(live, self._config.server)
        self._live = live
        self._segmenter.reconfigure(config)
        self._vad.reconfigure(config, live.webrtc_sensitivity)

    def receive(self, decode: Decode, transcript: Transcript, cost: Cost) -> list[Output]:
        """Take the transcript of a decode that was asked for; what is out of date is dropped."""
        if decode.kind is Kind.PARTIAL:
            return self._on_partial(decode, transcript)
        for utterance in (self._open, *self._closed):
            if utterance is not None and utterance.last is decode:
                utterance.result = transcript, cost
        return self._tell()

    def abandon(self, decode: Decode) -> None:
        """Take note that a decode will not come: a newer one made it needless."""
        utterance = self._open
        if decode.kind is Kind.PARTIAL and utterance is not None and utterance.number == decode.utterance:
            utterance.partial_wanted = False

    def _hear(self, samples: Samples) -> list[Output]:
        return self._frames(self._framer.push(samples))

    def _frames(self, arrived: Frames) -> list[Output]:
        if not len(arrived):
            return []
        self._sound.append(arrived)
        outputs = self._advance(self._vad.push(arrived))
        outputs += self._partial_if_due()
        self._sound.forget(self._segmenter.settled)
        return outputs

    def _advance(self, probabilities: Samples) -> list[Output]:
        """Take the probabilities of the next frames."""
        first = self._segmenter.frame
        energies = self._sound.energies(first, first + len(probabilities))
        outputs: list[Output] = []
        for probability, energy in zip(probabilities.tolist(), energies.tolist(), strict=True):
            decision = self._segmenter.step(probability, energy)
            if decision is not None:
                outputs += self._on_decision(decision)
        return outputs

    def _on_decision(self, decision: Decision) -> list[Output]:
        match decision:
            case Started():
                return self._on_started(decision)
            case Hangover():
                return self._on_hangover(decision)
            case Resumed():
                return self._on_resumed()
            case Ended():
                return self._on_ended(decision)
            case Cut():
                return self._on_ended(decision.ended) + self._on_started(decision.started)

    def _on_started(self, started: Started) -> list[Output]:
        number, self._next_number = self._next_number, self._next_number + 1
        stabiliser = Stabiliser(StabiliserConfig())
        no_partial_since = started.onset - frames(self._config.server.realtime_processing_pause)
        self._open = _Utterance(number, started, self._live, stabiliser, partial_end=no_partial_since)
        return [SpeechStarted(number, self._ms(started.onset))]

    def _on_hangover(self, hangover: Hangover) -> list[Output]:
        if not self._config.server.early_transcription_on_silence or self._open is None:
            return []
        return [self._final_decode(self._open, Kind.EARLY, hangover.speech_end, hangover.window_end)]

    def _on_resumed(self) -> list[Output]:
        """Throw the early decode away: more was said."""
        if self._open is not None:
            self._open.last = self._open.result = None
        return []

    def _on_flushed(self, ended: Ended) -> list[Output]:
        if self._open is not None:
            return self._on_ended(ended)
        return self._on_started(Started(ended.start, ended.onset)) + self._on_ended(ended)

    def _on_ended(self, ended: Ended) -> list[Output]:
        utterance, self._open = self._open, None
        assert utterance is not None
        utterance.ended = ended
        self._closed.append(utterance)
        if utterance.last is not None and utterance.last.end == ended.window_end:
            return self._tell() if utterance.result else [Promote(utterance.number)]
        return [self._final_decode(utterance, Kind.FINAL, ended.speech_end, ended.window_end)]

    def _final_decode(self, utterance: _Utterance, kind: Kind, speech_end: int, end: int) -> Decode:
        server, start = self._config.server, utterance.started.start
        options = self._options(utterance.live, kind, server.beam_size, server.encoder_context)
        window = Window(self._sound.samples(start, end), options, (speech_end - start) * FRAME_S)
        utterance.last, utterance.result = Decode(utterance.number, kind, window, end), None
        return utterance.last

    def _partial_if_due(self) -> list[Output]:
        server, utterance, now = self._config.server, self._open, self._segmenter.frame
        if utterance is None or not self._config.partials or utterance.partial_wanted:
            return []
        if utterance.last is not None or now - utterance.started.onset < frames(server.init_realtime_after_seconds):
            return []
        if now - utterance.partial_end < frames(server.realtime_processing_pause):
            return []
        options = self._options(
            utterance.live, Kind.PARTIAL, server.realtime_beam_size, server.realtime_encoder_context
        )
        utterance.partial_wanted, utterance.partial_end = True, now
        window = Window(self._sound.samples(utterance.started.start, now), options)
        return [Decode(utterance.number, Kind.PARTIAL, window, now)]

    def _options(self, live: LiveParameters, kind: Kind, beam_size: int, context: str) -> DecodeOptions:
        return DecodeOptions(
            language=None if live.language == AUTO else live.language,
            translate=live.translate,
            beam_size=beam_size,
            initial_prompt=live.initial_prompt,
            hotwords=live.hotwords,
            word_times=self._config.word_times and kind is not Kind.PARTIAL,
            context=Context(context),
            kind=kind,
        )

    def _on_partial(self, decode: Decode, transcript: Transcript) -> list[Output]:
        utterance = self._open
        if utterance is None or utterance.number != decode.utterance:
            return []
        utterance.partial_wanted = False
        length_s = (decode.end - utterance.started.onset) * FRAME_S
        if verdict(transcript, Evidence(length_s, length_s)) is not None:
            return self._partial_if_due()
        utterance.revision += 1
        said = utterance.stabiliser.push(transcript.text)
        start_ms, end_ms = self._ms(utterance.started.onset), self._ms(decode.end)
        partial = Partial(utterance.number, utterance.revision, said.stable, said.unstable, start_ms, end_ms)
        return [partial, *self._partial_if_due()]

    def _tell(self) -> list[Output]:
        """Return the finals that are ready, in the order of their utterances."""
        told: list[Output] = []
        while self._closed and self._closed[0].result is not None:
            told.append(self._conclusion(self._closed.popleft()))
        return told

    def _conclusion(self, utterance: _Utterance) -> Final | Suppressed:
        ended, last, result = utterance.ended, utterance.last, utterance.result
        assert ended is not None
        assert last is not None
        assert result is not None
        transcript, cost = result
        start_ms, end_ms = self._ms(ended.onset), min(self._ms(ended.speech_end), self.received_ms)
        length_s = (ended.window_end - ended.start) * FRAME_S
        reason = verdict(transcript, Evidence(ended.voiced * FRAME_S, length_s))
        if reason is not None:
            return Suppressed(utterance.number, start_ms, end_ms, reason, transcript.text)
        return Final(
            utterance=utterance.number,
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
        )

    def _in_dictation(self, word: Word, start: int) -> Word:
        base_s = self._ms(start) / 1000
        return Word(word.text, base_s + word.start_s, base_s + word.end_s, word.probability)

    def _ms(self, frame: int) -> int:
        return self._config.offset_ms + frame * FRAME_MS


def _is_partial(output: Output) -> bool:
    return isinstance(output, Decode) and output.kind is Kind.PARTIAL
