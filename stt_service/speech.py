"""The SpeechToText servicer: admission, a session for each call, what is logged of it."""

from __future__ import annotations

import logging
import math
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from stt_service import wire
from stt_service.admission import Admission
from stt_service.answers import answered, say_in_band, say_nothing
from stt_service.decoding import Decoding
from stt_service.live_streams import LiveStream, LiveStreams, host
from stt_service.models import Models
from stt_service.pace import Pace
from stt_service.parameters import Parameters
from stt_service.recognition import Recognition
from stt_service.session import Session, SessionConfig
from stt_service.streams import GRACE_S, Limits, Requests, Stream, first_config, write
from stt_service.unary import recognised
from stt_service.vad import Silero, stream_vads

if TYPE_CHECKING:
    import grpc

    from stt_service.streams import Context

    UnaryContext = grpc.aio.ServicerContext[pb.RecognizeRequest, pb.RecognizeResponse]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """What there is once the models are loaded and tried."""

    models: Models
    decoding: Decoding
    silero: Silero


class SpeechToText(stt_pb2_grpc.SpeechToTextServicer):
    """The servicer. Refuses everything until it serves."""

    def __init__(self, parameters: Parameters, admission: Admission, streams: LiveStreams) -> None:
        self._parameters, self._admission, self._streams = parameters, admission, streams
        self._ready: Ready | None = None

    def serve(self, ready: Ready) -> None:
        """Begin to serve those who are admitted."""
        self._ready = ready

    async def StreamingRecognize(self, requests: Requests, context: Context) -> None:  # noqa: N802
        async with answered(context, partial(say_in_band, context, requests)):
            with self._admission.place():
                await self._stream(self._loaded, requests, context)

    async def _stream(self, ready: Ready, requests: Requests, context: Context) -> None:
        limits = Limits(self._parameters.idle_timeout, self._parameters.max_stream_duration, GRACE_S)
        config = await first_config(requests, limits, self._admission.draining)
        stream_id = secrets.token_hex(4)
        session = self._session(ready, config)
        partials = ready.models.names.partials if session.makes_partials else ""
        started = pb.Started(
            stream_id=stream_id,
            settings=wire.settings(session.live),
            model=ready.models.names.finals,
            partial_model=partials,
        )
        offset_ms = config.resume.audio_offset_ms
        first = pb.StreamingRecognizeResponse(received_ms=offset_ms, final_ms=offset_ms, started=started)
        await write(context, first, limits.write_s)
        log.info("stream %s opened: client %r, language %s", stream_id, config.client_id, session.live.language)
        recognition = Recognition(session, ready.decoding, stream_id, Pace(time.monotonic()))
        live = LiveStream(
            id=stream_id,
            client_id=config.client_id,
            peer=host(context.peer()),
            models=ready.models.names,
            opened=time.monotonic(),
            session=session,
            recognition=recognition,
        )
        stream = Stream(live, wire.audio_format(config.format), limits, self._admission.draining)
        try:
            with self._streams.listed(live):
                await stream.run(requests, context)
        finally:
            log.info(
                "stream %s closed: %.1f s of audio, %d utterances, %.1f s settled",
                stream_id,
                recognition.heard_ms / 1000,
                session.next_utterance - config.resume.next_utterance,
                (session.final_ms - offset_ms) / 1000,
            )

    async def Recognize(  # noqa: N802
        self, request: pb.RecognizeRequest, context: UnaryContext
    ) -> pb.RecognizeResponse:
        async with answered(context, say_nothing):
            with self._admission.place():
                return await self._recognise(self._loaded, request)
        raise AssertionError("unreachable: answered aborts the call")

    async def _recognise(self, ready: Ready, request: pb.RecognizeRequest) -> pb.RecognizeResponse:
        config = pb.StreamingConfig(settings=request.settings, word_times=request.word_times)
        if request.HasField("format"):
            config.format.CopyFrom(request.format)
        recorded = Pace(time.monotonic(), lead_s=math.inf)
        recognition = Recognition(self._session(ready, config), ready.decoding, secrets.token_hex(4), recorded)
        return await recognised(recognition, request, ready.models.names.finals)

    def _session(self, ready: Ready, config: pb.StreamingConfig) -> Session:
        """Return a session as the config wants it.

        Raises:
            InvalidRequest: a value in it will not do.
        """
        wire.client_id(config.client_id)
        offset_ms, first_utterance = wire.resume(config.resume)
        live = self._parameters.live().updated(wire.changes(config.settings))
        ready.decoding.check(live.language)
        return Session(
            SessionConfig(
                server=self._parameters,
                live=live,
                audio_format=wire.audio_format(config.format),
                partials=config.partials and self._parameters.enable_realtime_transcription,
                word_times=config.word_times,
                offset_ms=offset_ms,
                first_utterance=first_utterance,
                in_speech=config.resume.in_speech,
                lead_ms=config.resume.lead_ms,
            ),
            stream_vads(ready.silero, self._parameters),
        )

    @property
    def _loaded(self) -> Ready:
        assert self._ready is not None  # or nobody is admitted
        return self._ready
