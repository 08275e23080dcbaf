"""The data port: the SpeechToText servicer, health, reflection, drain."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs lack it
from grpc_reflection.v1alpha import reflection
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from stt_service import wire
from stt_service.admission import Admission
from stt_service.answers import DISCARD_S, answered, say_in_band, say_nothing
from stt_service.batcher import Lane, Model
from stt_service.errors import StartFailed
from stt_service.models import Models
from stt_service.pace import Pace
from stt_service.parameters import Parameters
from stt_service.recognition import Decoding, Recognition
from stt_service.session import Session, SessionConfig
from stt_service.streams import Limits, Requests, Stream, first_config, write
from stt_service.unary import recognised
from stt_service.vad import Silero, silero_path, stream_vads

if TYPE_CHECKING:
    from stt_service.streams import Context

    UnaryContext = grpc.aio.ServicerContext[pb.RecognizeRequest, pb.RecognizeResponse]

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["SpeechToText"].full_name
MAX_MESSAGE_BYTES = 32 * 2**20
GRACE_S = 60.0  # for streams to get what they are owed when the server drains
LINGER_S = 2 * DISCARD_S  # for the last statuses to go out before the server ends
OPTIONS = (
    ("grpc.so_reuseport", 0),  # or two servers bind one port in silence
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.bdp_probe", 0),  # or clients run two minutes ahead of a busy server
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 2_000),  # clients ask every four seconds: channel.py
)


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """What there is once the models are loaded and tried."""

    models: Models
    decoding: Decoding
    silero: Silero


class SpeechToText(stt_pb2_grpc.SpeechToTextServicer):
    """The servicer. Refuses everything until it serves."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._ready: Ready | None = None
        self._admission = Admission()

    def serve(self, ready: Ready, max_streams: int) -> None:
        """Begin to serve."""
        self._ready = ready
        self._admission.open(max_streams)

    async def drain(self) -> None:
        """Tell every stream that the server goes away, admit no more, and wait for the last one's end."""
        await self._admission.drain()

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
        stream = Stream(recognition, wire.audio_format(config.format), limits, self._admission.draining)
        try:
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


class Server:
    """The listening server."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._server = grpc.aio.server(options=OPTIONS)
        self._service = SpeechToText(parameters)
        self._health = health.HealthServicer()
        self.port = 0

    async def start(self) -> None:
        """Listen; health says NOT_SERVING.

        Raises:
            StartFailed: the port is taken, or the address is not this machine's.
        """
        stt_pb2_grpc.add_SpeechToTextServicer_to_server(self._service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self._server)
        await self._tell_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        address = f"{self._parameters.server_bind}:{self._parameters.data_port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise StartFailed(
                f"DATA_PORT={self._parameters.data_port} on {self._parameters.server_bind} cannot be used: "
                "another program has it, or the address is not this machine's; set DATA_PORT or SERVER_BIND."
            ) from error
        await self._server.start()

    async def serve(self, models: Models, max_streams: int) -> None:
        """Run the lane and serve until cancelled."""
        plan = models.plan
        lane = Lane(self._parameters.max_batch, plan.workers)
        finals = Model(models.finals.transcribe, plan.places, models.finals.multilingual)
        partials = finals
        if models.partials is not models.finals:
            partials = Model(models.partials.transcribe, plan.places, models.partials.multilingual)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lane.run())
            ready = Ready(models, Decoding(lane, finals, partials), Silero(silero_path()))
            self._service.serve(ready, max_streams)
            await self._tell_health(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Stop: what is owed is sent first, for at most GRACE_S."""
        await self._tell_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._server.stop(GRACE_S))
            await self._service.drain()
            # Sooner than that, now: who watches our health never ends by himself.
            await self._server.stop(LINGER_S)

    async def _tell_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)
