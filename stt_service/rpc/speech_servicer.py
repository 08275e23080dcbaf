"""The SpeechToText servicer: admission, a session for each call."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from stt_service.access.admission import AdmissionControl, ClientIdentity, ClientQuota
from stt_service.access.rate_limit import caller
from stt_service.models.registry import ModelLease
from stt_service.models.startup import LoadedServer
from stt_service.rpc import convert
from stt_service.rpc.call_log import CallLogger, track_call
from stt_service.rpc.recognizer import StreamRecognizer
from stt_service.rpc.recording_decoder import RecordingDecoders
from stt_service.rpc.status_mapping import map_errors_to_status, no_op, send_failure
from stt_service.rpc.stream import GRACE_S, Requests, StreamHandler, StreamTimeouts, first_config, write
from stt_service.rpc.stream_registry import ActiveStream, StreamRegistry
from stt_service.rpc.unary import recognised
from stt_service.scheduling.realtime import RealtimeTracker
from stt_service.session.session import Session, SessionConfig
from stt_service.settings.runtime import ActiveSettings
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.gate import stream_vads

if TYPE_CHECKING:
    import grpc

    from stt_service.rpc.request_reader import Request
    from stt_service.rpc.stream import Context

    UnaryContext = grpc.aio.ServicerContext[pb.RecognizeRequest, pb.RecognizeResponse]

RECORDING_S = 120.0  # for a recording to arrive, which holds a place: 32 MiB at 2.3 Mbit/s


class SpeechToText(stt_pb2_grpc.SpeechToTextServicer):
    """The servicer. Refuses everything until it serves."""

    def __init__(
        self, config: ActiveSettings, admission: AdmissionControl, streams: StreamRegistry, metrics: Metrics
    ) -> None:
        self._config, self._admission, self._streams, self._metrics = config, admission, streams, metrics
        self._ready: LoadedServer | None = None
        self._decoders = RecordingDecoders()

    def serve(self, loaded: LoadedServer) -> None:
        """Begin to serve those who are admitted."""
        self._ready = loaded

    async def StreamingRecognize(self, requests: Requests, context: Context) -> None:  # noqa: N802
        with track_call(self._metrics, caller(context)) as call:
            async with map_errors_to_status(context, partial(send_failure, context, requests)):
                with call, self._admission.acquire_slot(self._caller(call.client)):
                    await self._stream(self._loaded, call, requests, context)

    async def _stream(self, loaded: LoadedServer, call: CallLogger, requests: Requests, context: Context) -> None:
        server = self._config.settings
        limits = StreamTimeouts(server.idle_timeout, server.max_stream_duration, GRACE_S)
        config = await first_config(requests, limits, self._admission.draining)
        with loaded.registry.lease() as lent:
            live = self._opened(loaded, lent, config, call)
            offset_ms = config.resume.audio_offset_ms
            first = pb.StreamingRecognizeResponse(received_ms=offset_ms, committed_ms=offset_ms, started=_started(live))
            await write(context, first, limits.write_s)
            call.opened(live)
            audio_format = convert.audio_format(config.format)
            stream = StreamHandler(live, audio_format, limits, self._admission.draining, config.resumable)
            with self._streams.register(live):
                await stream.run(requests, context)

    def _opened(
        self, loaded: LoadedServer, lent: ModelLease, config: pb.StreamingConfig, call: CallLogger
    ) -> ActiveStream:
        """Return a stream as the config wants it.

        Raises:
            InvalidRequest: a value in it will not do.
        """
        session, now = self._session(loaded, lent, config), time.monotonic()
        figures = StreamStats(self._metrics, config.resume.audio_offset_ms)
        return ActiveStream(
            id=call.id,
            client_id=config.client_id,
            peer=call.client,
            models=lent.names,
            opened_s=now,
            session=session,
            recognizer=StreamRecognizer(
                session, lent.pair, (call.client, call.id), RealtimeTracker(now), observer=figures
            ),
            stats=figures,
        )

    async def Recognize(  # noqa: N802
        self, request: Request[pb.RecognizeRequest], context: UnaryContext
    ) -> pb.RecognizeResponse:
        """Recognize a recording, which is received once there is a place for it."""
        with track_call(self._metrics, caller(context)) as call:
            async with map_errors_to_status(context, no_op):
                with (
                    call,
                    self._admission.acquire_slot(self._caller(call.client)),
                    self._loaded.registry.lease() as lent,
                ):
                    return await self._recognise(self._loaded, lent, call, await request.read(RECORDING_S))
        raise AssertionError("unreachable: answered aborts the call")

    async def _recognise(
        self, loaded: LoadedServer, lent: ModelLease, call: CallLogger, request: pb.RecognizeRequest
    ) -> pb.RecognizeResponse:
        config = pb.StreamingConfig(settings=request.settings, word_times=request.word_times)
        if request.HasField("format"):
            config.format.CopyFrom(request.format)
        recorded = RealtimeTracker(time.monotonic(), initial_lead_s=math.inf)
        session, figures = self._session(loaded, lent, config), StreamStats(self._metrics)
        recognition = StreamRecognizer(session, lent.pair, (call.client, call.id), recorded, observer=figures)
        return await recognised(recognition, request, lent.names.finals, self._decoders)

    def _session(self, loaded: LoadedServer, lent: ModelLease, config: pb.StreamingConfig) -> Session:
        """Return a session as the config wants it.

        Raises:
            InvalidRequest: a value in it will not do.
        """
        convert.client_id(config.client_id)
        offset_ms, first_utterance = convert.resume(config.resume)
        server = self._config.settings
        live = server.runtime().updated(convert.changes(config.settings))
        lent.pair.check_language(live.language)
        return Session(
            SessionConfig(
                settings=server,
                runtime=live,
                audio_format=convert.audio_format(config.format),
                partials=config.partials and server.enable_realtime_transcription,
                word_timestamps=config.word_times,
                offset_ms=offset_ms,
                first_utterance=first_utterance,
                continues_utterance=config.resume.continues_utterance,
                left_context_ms=config.resume.left_context_ms,
                previous_language=config.resume.previous_language or None,
            ),
            stream_vads(loaded.silero, server),
        )

    def _caller(self, name: str) -> ClientIdentity:
        server = self._config.settings
        return ClientIdentity(
            name, time.monotonic(), ClientQuota(server.max_streams_per_peer, server.rate_limit_per_minute)
        )

    @property
    def _loaded(self) -> LoadedServer:
        assert self._ready is not None  # or nobody is admitted
        return self._ready


def _started(live: ActiveStream) -> pb.Started:
    return pb.Started(
        stream_id=live.id,
        settings=convert.settings(live.session.runtime),
        model=live.models.finals,
        partial_model=live.models.partials if live.session.makes_partials else "",
    )
