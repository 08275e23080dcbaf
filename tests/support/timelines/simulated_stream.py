"""Streams as timeline strings, four frames per symbol: `#` speech, `o` speech too weak for an onset, `.` silence; and a
session that receives them.

Every sample of frame n has the value n, so that a window shows which frames it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st

from stt_service.audio.pcm import FRAME_SAMPLES, Frames, Samples
from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode, DecodeTiming, Event, Output, Partial, PartialDue, Promote, Withdraw
from stt_service.session.session import Session
from stt_service.settings.schema import ServerSettings
from stt_service.vad.types import SegmenterConfig
from stt_service.whisper.types import Kind, Transcript

SYMBOL_FRAMES = 4
FRAME_MS = 32
SYMBOL_MS = SYMBOL_FRAMES * FRAME_MS
SYMBOL_S = SYMBOL_MS / 1000
FRAME_BYTES = 2 * FRAME_SAMPLES
TIMING = DecodeTiming(queue_s=0.01, inference_s=0.001, batch=1)
TRANSCRIPT = Transcript(
    text="Мама мыла раму.",
    language="ru",
    language_probability=0.9,
    average_log_probability=-0.2,
    no_speech_probability=0.02,
    compression_ratio=1.1,
)

PROBABILITY = {"#": 0.99, "o": 0.4, ".": 0.01}

# Speech of three symbols or more is an utterance; forty-five symbols exceed the maximum length.
TIMELINES = st.lists(
    st.tuples(st.sampled_from("#."), st.sampled_from([3, 4, 5, 8, 45])) | st.just((".", 1)), max_size=9
).map(lambda runs: "".join(symbol * length for symbol, length in runs))
WEAK_TIMELINES = st.lists(
    st.tuples(st.sampled_from("##oo."), st.sampled_from([3, 5, 20, 45])), min_size=1, max_size=6
).map(lambda runs: "".join(symbol * length for symbol, length in runs))
VAD_DELAYS = st.sampled_from([0, 1, 48])


def server_settings(**settings: object) -> ServerSettings:
    """Return settings whose durations are whole symbols: endpoint after two, speculative decode after one."""
    defaults = {
        "post_speech_silence_duration": 2 * SYMBOL_S,
        "min_length_of_recording": 0,
        "max_length_of_recording": 40 * SYMBOL_S,
        "pre_recording_buffer_duration": SYMBOL_S,
        "early_transcription_on_silence": SYMBOL_S,
        "realtime_processing_pause": SYMBOL_S,
        "init_realtime_after_seconds": SYMBOL_S,
    }
    return ServerSettings.model_validate(defaults | settings)


def pcm(timeline: str, first_frame: int = 0) -> bytes:
    """Return the audio of the timeline, which starts at this frame of the stream."""
    numbers = np.arange(first_frame, first_frame + SYMBOL_FRAMES * len(timeline))
    return np.repeat(numbers, FRAME_SAMPLES).astype("<i2").tobytes()


class ScriptedVad:
    """Returns the timeline's probabilities by frame number, then silence, delayed by `late` frames."""

    def __init__(self, timeline: str, late: int = 0) -> None:
        probabilities = np.array([PROBABILITY[symbol] for symbol in timeline], np.float32)
        self._timeline: Samples = np.repeat(probabilities, SYMBOL_FRAMES)
        self._late, self._first, self._received, self._returned = late, 0, 0, 0
        self.aggressiveness: int | None = None

    def push(self, frames: Frames) -> Samples:
        if not self._received and len(frames):
            self._first = round(float(frames[0, 0]) * 32_768)
        self._received += len(frames)
        return self._advance(max(self._returned, self._received - self._late))

    def flush(self) -> Samples:
        return self._advance(self._received)

    def reconfigure(self, config: SegmenterConfig, aggressiveness: int) -> None:
        self.aggressiveness = aggressiveness

    def _advance(self, end: int) -> Samples:
        scripted = self._timeline[self._first + self._returned : self._first + end]
        silence = np.full(end - self._returned - len(scripted), 0.01, np.float32)
        self._returned = end
        return np.concatenate((scripted, silence))


class SimulatedStream:
    """A session fed with a timeline; records its outputs. Partials start immediately or after `begin_partial`."""

    def __init__(self, timeline: str, config: SessionConfig, late: int = 0, first_frame: int = 0) -> None:
        self.vads: list[ScriptedVad] = []
        self.session = Session(config, lambda _: self._new_vad(timeline, late))
        self.outputs: list[Output] = []
        self._audio, self._sent = pcm(timeline)[first_frame * FRAME_BYTES :], 0
        self._begins_partials = True

    @property
    def decodes(self) -> list[Decode]:
        return [output for output in self.outputs if isinstance(output, Decode)]

    @property
    def events(self) -> list[Event]:
        return [output for output in self.outputs if not isinstance(output, Decode | PartialDue | Promote | Withdraw)]

    def feed(self, symbols: float | None = None) -> list[Output]:
        """Send this many symbols of the timeline, or the rest; return the session's outputs."""
        size = len(self._audio) if symbols is None else round(symbols * SYMBOL_FRAMES * FRAME_BYTES)
        return self.send(size)

    def send(self, size: int) -> list[Output]:
        """Send this many bytes of the timeline."""
        self._sent, start = self._sent + size, self._sent
        return self._record(self.session.feed(self._audio[start : start + size]))

    def finalize(self) -> list[Output]:
        return self._record(self.session.finalize())

    def suspend(self) -> list[Output]:
        return self._record(self.session.suspend())

    def catch_up(self) -> list[Output]:
        return self._record(self.session.catch_up())

    def end(self) -> list[Output]:
        return self._record(self.session.end())

    def hold_partials(self) -> None:
        """Start partials only with `begin_partial` from now on."""
        self._begins_partials = False

    def begin_partial(self, utterance: int = 0) -> Decode | None:
        """Start the partial of the utterance; return its decode."""
        decode = self.session.begin_partial(utterance)
        self.outputs += [decode] if decode else []
        return decode

    def deliver(
        self, decode: Decode, transcript: Transcript = TRANSCRIPT, timing: DecodeTiming = TIMING
    ) -> list[Output]:
        return self._record(self.session.deliver(decode, transcript, timing))

    def deliver_all(self) -> list[Output]:
        """Deliver every decode requested so far, in order; return the session's outputs."""
        return [output for decode in self.decodes for output in self.deliver(decode)]

    def _new_vad(self, timeline: str, late: int) -> ScriptedVad:
        self.vads.append(ScriptedVad(timeline, late))
        return self.vads[-1]

    def _record(self, outputs: Sequence[Output]) -> list[Output]:
        recorded: list[Output] = []
        for output in outputs:
            if isinstance(output, PartialDue) and self._begins_partials:
                decode = self.session.begin_partial(output.utterance)
                recorded += [decode] if decode else []
            else:
                recorded.append(output)
        self.outputs += recorded
        return recorded


def stream_with_partials(timeline: str = "..##########", **settings: object) -> SimulatedStream:
    """Return a stream with partials."""
    server = server_settings(**settings)
    return SimulatedStream(timeline, SessionConfig(server, server.runtime()))


def stream_without_partials(timeline: str, *, late: int = 0, **settings: object) -> SimulatedStream:
    """Return a stream without partials."""
    server = server_settings(**settings)
    return SimulatedStream(timeline, SessionConfig(server, server.runtime(), partials=False), late)


def window_frames(decode: Decode) -> range:
    """Return the frames of the timeline in the window, which must be complete and contiguous."""
    frames = (decode.window.samples * 32_768).astype(int).reshape(-1, FRAME_SAMPLES)
    first = int(frames[0, 0])
    expected = np.arange(first, first + len(frames))
    assert (frames == expected[:, np.newaxis]).all()
    return range(first, first + len(frames))


def symbol_frames(first: float, end: float) -> range:
    """Return the frames of the timeline's symbols from `first` to `end` (exclusive)."""
    return range(round(first * SYMBOL_FRAMES), round(end * SYMBOL_FRAMES))


def partials(stream: SimulatedStream) -> list[Partial]:
    return [event for event in stream.events if isinstance(event, Partial)]


def only_decode(outputs: Iterable[Output]) -> Decode:
    """Return the one decode among the outputs."""
    [decode] = [output for output in outputs if isinstance(output, Decode)]
    return decode


def decode_kinds(outputs: Iterable[Output]) -> list[Kind]:
    return [output.kind for output in outputs if isinstance(output, Decode)]
