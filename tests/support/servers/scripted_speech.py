"""A stand-in for SpeechService: its streams are scripted sessions over timelines, without model and network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
from stt.v1 import stt_pb2 as pb

from stt_service.recognition import convert
from stt_service.recognition.stream import Requests, ResponseWriter
from stt_service.session.config import SessionConfig
from stt_service.session.events import (
    Decode,
    Event,
    Final,
    OutgoingEvent,
    Output,
    PartialDue,
    Promote,
    Suppressed,
    Withdraw,
)
from stt_service.session.session import Session
from stt_service.telemetry.metrics import Api
from stt_service.whisper.types import Kind, Transcript, Word
from tests.support.timelines.simulated_stream import (
    SYMBOL_FRAMES,
    TIMING,
    TRANSCRIPT,
    ScriptedVad,
    server_settings,
)

SAMPLE_SCALE = 32_768  # every sample of frame n has the value n: simulated_stream.py


def words_of(decode: Decode, timeline: str) -> list[str]:
    """Return a word for each symbol of speech that begins in the window, named after its number.

    The second frame counts: padding is zero, as is the first frame of all.
    """
    frames = set(np.unique(np.round(decode.window.samples * SAMPLE_SCALE)).tolist())
    symbols = (symbol for symbol in range(len(timeline)) if timeline[symbol] == "#")
    return [f"w{symbol}" for symbol in symbols if symbol * SYMBOL_FRAMES + 1 in frames]


def transcribe(decode: Decode, timeline: str) -> Transcript:
    """Return the words of the window; the newest word of a partial is wrong, as it may be with Whisper."""
    words = words_of(decode, timeline)
    if words and decode.kind is Kind.PARTIAL:
        words[-1] = f"x{words[-1]}"
    timed = tuple(Word(f" {word}", 0.0, 0.1, 0.5) for word in words if decode.window.options.word_timestamps)
    return replace(TRANSCRIPT, text=" ".join(words), words=timed)


class ScriptedStream:
    """A session whose decodes are delivered at once, or a number of calls later."""

    def __init__(self, config: SessionConfig, timeline: str, late: int = 0) -> None:
        self._session = Session(config, lambda _: ScriptedVad(timeline))
        self._timeline, self._late = timeline, late
        self._pending: list[Decode] = []

    def feed(self, pcm: bytes) -> list[OutgoingEvent]:
        return self._handle(self._session.feed(pcm), self._late)

    def finalize(self) -> list[OutgoingEvent]:
        return self._handle(self._session.finalize(), self._late)

    def update(self) -> list[OutgoingEvent]:
        return [OutgoingEvent(self._session.received_ms, self._session.committed_ms, self._session.runtime)]

    def request(self, request: pb.StreamingRecognizeRequest) -> list[OutgoingEvent]:
        match request.WhichOneof("request"):
            case "finalize":
                return self.finalize()
            case "update":
                return self.update()
        return self.feed(request.audio)

    def end(self) -> list[OutgoingEvent]:
        """End the audio and deliver all decodes; the last event reports the position."""
        events = self._handle(self._session.end(), 0)
        return [*events, OutgoingEvent(self._session.received_ms, self._session.committed_ms, None)]

    def _handle(self, outputs: list[Output], late: int) -> list[OutgoingEvent]:
        events: list[Event] = []
        while outputs or len(self._pending) > late:
            if not outputs:
                decode = self._pending.pop(0)
                outputs = self._session.deliver(decode, transcribe(decode, self._timeline), TIMING)
                continue
            output, *outputs = outputs
            match output:
                case Decode():
                    self._pending.append(output)
                case PartialDue(utterance):
                    begun = self._session.begin_partial(utterance)
                    self._pending += [begun] if begun else []
                case Promote() | Withdraw():
                    pass
                case _:
                    events.append(output)
        return [OutgoingEvent(self._session.received_ms, self._session.committed_ms, event) for event in events]


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A call without a log."""

    logger: AbstractContextManager[None]


@dataclass(slots=True)
class ScriptedSpeech:
    """Recognizes streams of 16 kHz; the audio is that of a timeline.

    Attributes:
        timeline: Speech and silence of the audio.
        late: Number of decodes that are pending while more audio arrives.
        pauses: Turns of the event loop before each response, for one stream after the other.
        idle_timeout_s: How long a client may send no audio.
    """

    timeline: str
    late: int = 0
    pauses: Sequence[int] = (0,)
    idle_timeout_s: float = 300.0
    _streams: int = 0

    def call(self, _client: str, _api: Api) -> AbstractContextManager[ScriptedCall]:
        return nullcontext(ScriptedCall(nullcontext()))

    def check_settings(self, settings: pb.Settings) -> None:
        server_settings().runtime().updated(convert.changes(settings))

    def stream_slot(self, _call: ScriptedCall) -> AbstractContextManager[ScriptedSpeech]:
        return nullcontext(self)

    async def recognize(self, _call: ScriptedCall, requests: Requests, writer: ResponseWriter) -> None:
        pause, self._streams = self.pauses[self._streams % len(self.pauses)], self._streams + 1
        first = await anext(requests)
        stream = ScriptedStream(session_config(first.config), self.timeline, self.late)
        async for request in requests:
            await _write(writer, stream.request(request), pause)
        await _write(writer, stream.end(), pause)


async def _write(writer: ResponseWriter, events: list[OutgoingEvent], pause: int) -> None:
    for event in events:
        for _ in range(pause):
            await asyncio.sleep(0)
        await writer.write(convert.response(event))


def session_config(config: pb.StreamingConfig) -> SessionConfig:
    """Return the config of a session as SpeechService makes it, with the durations of timelines."""
    server = server_settings()
    return SessionConfig(
        server,
        server.runtime(),
        convert.audio_format(config.format),
        partials=config.partials,
        stability=convert.stability(config.stability),
        speech_ended=config.speech_ended,
        word_timestamps=config.word_times,
    )


def finals(timeline: str, pcm: bytes, finalize_at: tuple[int, ...] = ()) -> list[str]:
    """Return the text of each utterance of a stream that gets the audio in one chunk, or in one up to each `finalize`.

    That of a suppressed utterance is empty.
    """
    server = server_settings()
    stream, events, start = ScriptedStream(SessionConfig(server, server.runtime(), partials=False), timeline), [], 0
    for end in finalize_at:
        events += [*stream.feed(pcm[start:end]), *stream.finalize()]
        start = end
    events += [*stream.feed(pcm[start:]), *stream.end()]
    return [
        event.payload.text if isinstance(event.payload, Final) else ""
        for event in events
        if isinstance(event.payload, Final | Suppressed)
    ]
