"""The SpeechToText servicer: admits each call, builds its session, and recognizes a stream or a recording."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from stt_service.access.admission import AdmissionControl, ClientIdentity, ClientQuota
from stt_service.audio.pcm import AudioFormat
from stt_service.audio.recordings import check_headerless
from stt_service.errors import DeadlineExceededError, InvalidRequestError, UnavailableError
from stt_service.models.registry import ModelLease
from stt_service.models.startup import LoadedServer
from stt_service.rpc import convert
from stt_service.rpc.auth_interceptor import client_name
from stt_service.rpc.call_log import CallLogger, track_call
from stt_service.rpc.recognizer import StreamRecognizer
from stt_service.rpc.recording_decoder import RecordingDecoders
from stt_service.rpc.status_mapping import AnyContext, map_errors_to_status, no_op, send_failure
from stt_service.rpc.stream import DRAINED, GRACE_S, Requests, StreamHandler, StreamTimeouts, write
from stt_service.rpc.stream_registry import ActiveStream, StreamRegistry
from stt_service.scheduling.realtime import RealtimeTracker
from stt_service.session.config import SessionConfig
from stt_service.session.events import Final, Suppressed
from stt_service.session.session import Session
from stt_service.settings.runtime import ActiveSettings
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.gate import stream_vad_factory
from stt_service.vad.silero import Silero
from stt_service.vad.types import Endpoint

if TYPE_CHECKING:
    import grpc

    from stt_service.rpc.request_reader import Request
    from stt_service.rpc.stream import Context

    UnaryContext = grpc.aio.ServicerContext[pb.RecognizeRequest, pb.RecognizeResponse]

RECORDING_TIMEOUT_S = 120.0  # for a recording to arrive, which holds a slot: 32 MiB at 2.3 Mbit/s


class SpeechToText(stt_pb2_grpc.SpeechToTextServicer):
    """The servicer. Admission rejects all calls until the models are loaded."""

    def __init__(
        self,
        config: ActiveSettings,
        admission: AdmissionControl[LoadedServer],
        streams: StreamRegistry,
        metrics: Metrics,
    ) -> None:
        self._config, self._admission, self._streams, self._metrics = config, admission, streams, metrics
        self._decoders = RecordingDecoders()

    async def StreamingRecognize(self, requests: Requests, context: Context) -> None:  # noqa: N802
        client = self._identify(context)
        with track_call(self._metrics, client.name) as call:
            async with map_errors_to_status(context, partial(send_failure, context, requests)):
                with call, self._admission.acquire_slot(client) as loaded:
                    await self._recognize_stream(loaded, call, requests, context)

    async def _recognize_stream(
        self, loaded: LoadedServer, call: CallLogger, requests: Requests, context: Context
    ) -> None:
        settings = self._config.settings
        timeouts = StreamTimeouts(settings.idle_timeout, settings.max_stream_duration, GRACE_S)
        config = await first_config(requests, timeouts, self._admission.draining)
        with loaded.registry.lease() as lease:
            stream = self._new_stream(loaded.silero, lease, config, call)
            await write(context, _started_response(stream, config.resume.audio_offset_ms), timeouts.write_s)
            call.opened(stream)
            audio_format = convert.audio_format(config.format)
            handler = StreamHandler(stream, audio_format, timeouts, self._admission.draining, config.resumable)
            with self._streams.register(stream):
                await handler.run(requests, context)

    def _new_stream(
        self, silero: Silero, lease: ModelLease, config: pb.StreamingConfig, call: CallLogger
    ) -> ActiveStream:
        """Return a stream with this config.

        Raises:
            InvalidRequestError: the config has an invalid value.
        """
        session, now_s = self._new_session(silero, lease, config), time.monotonic()
        stats = StreamStats(self._metrics, config.resume.audio_offset_ms)
        return ActiveStream(
            id=call.id,
            client_id=config.client_id,
            client=call.client,
            models=lease.names,
            opened_s=now_s,
            session=session,
            recognizer=StreamRecognizer(
                session, lease.pair, (call.client, call.id), RealtimeTracker(now_s), observer=stats
            ),
            stats=stats,
        )

    async def Recognize(  # noqa: N802
        self, request: Request[pb.RecognizeRequest], context: UnaryContext
    ) -> pb.RecognizeResponse:
        """Recognize a recording, which is received once the call has a slot."""
        client = self._identify(context)
        with track_call(self._metrics, client.name) as call:
            async with map_errors_to_status(context, no_op):
                with call, self._admission.acquire_slot(client) as loaded, loaded.registry.lease() as lease:
                    recording = await request.read(RECORDING_TIMEOUT_S)
                    return await self._recognize_recording(loaded.silero, lease, call, recording)
        raise AssertionError("unreachable: map_errors_to_status aborts the call")

    async def _recognize_recording(
        self, silero: Silero, lease: ModelLease, call: CallLogger, request: pb.RecognizeRequest
    ) -> pb.RecognizeResponse:
        config = pb.StreamingConfig(settings=request.settings, word_times=request.word_times)
        if request.HasField("format"):
            config.format.CopyFrom(request.format)
        offline = RealtimeTracker(time.monotonic(), initial_lead_s=math.inf)
        session, stats = self._new_session(silero, lease, config), StreamStats(self._metrics)
        recognizer = StreamRecognizer(session, lease.pair, (call.client, call.id), offline, observer=stats)
        return await recognize_recording(recognizer, request, lease.names.finals, self._decoders)

    def _new_session(self, silero: Silero, lease: ModelLease, config: pb.StreamingConfig) -> Session:
        """Return a session with this config.

        Raises:
            InvalidRequestError: the config has an invalid value.
        """
        convert.client_id(config.client_id)
        offset_ms, first_utterance = convert.resume(config.resume)
        settings = self._config.settings
        runtime = settings.runtime().updated(convert.changes(config.settings))
        lease.pair.check_language(runtime.language)
        return Session(
            SessionConfig(
                settings=settings,
                runtime=runtime,
                audio_format=convert.audio_format(config.format),
                partials=config.partials and settings.enable_realtime_transcription,
                word_timestamps=config.word_times,
                offset_ms=offset_ms,
                first_utterance=first_utterance,
                continues_utterance=config.resume.continues_utterance,
                left_context_ms=config.resume.left_context_ms,
                previous_language=config.resume.previous_language or None,
            ),
            stream_vad_factory(silero, settings),
        )

    def _identify(self, context: AnyContext) -> ClientIdentity:
        settings = self._config.settings
        quota = ClientQuota(settings.max_streams_per_peer, settings.rate_limit_per_minute)
        return ClientIdentity(client_name(context), time.monotonic(), quota)


async def first_config(requests: Requests, timeouts: StreamTimeouts, draining: asyncio.Event) -> pb.StreamingConfig:
    """Wait for the first message, which must be the config.

    Raises:
        InvalidRequestError: the message is not a config, or there is none.
        DeadlineExceededError: the client sends nothing.
        UnavailableError: the server drains first.
    """
    receiving, drained = asyncio.create_task(_config(requests)), asyncio.create_task(draining.wait())
    try:
        await asyncio.wait((receiving, drained), timeout=timeouts.config_s, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            return receiving.result()
        if drained.done():
            raise UnavailableError(DRAINED)
        raise DeadlineExceededError(f"No config received within {timeouts.config_s:g} s: send it first, then audio.")
    finally:
        receiving.cancel()
        drained.cancel()
        await asyncio.gather(receiving, drained, return_exceptions=True)


async def _config(requests: Requests) -> pb.StreamingConfig:
    async for request in requests:
        kind = request.WhichOneof("request") or "nothing"
        if kind == "config":
            return request.config
        raise InvalidRequestError(f"Invalid first message with {kind}: must be the config.")
    raise InvalidRequestError("The stream ended before its config: send the config first, then audio.")


def _started_response(stream: ActiveStream, offset_ms: int) -> pb.StreamingRecognizeResponse:
    started = pb.Started(
        stream_id=stream.id,
        settings=convert.settings(stream.session.runtime),
        model=stream.models.finals,
        partial_model=stream.models.partials if stream.session.makes_partials else "",
    )
    return pb.StreamingRecognizeResponse(received_ms=offset_ms, committed_ms=offset_ms, started=started)


async def recognize_recording(
    recognizer: StreamRecognizer, request: pb.RecognizeRequest, model: str, decoders: RecordingDecoders
) -> pb.RecognizeResponse:
    """Return the response to a Recognize call.

    Raises:
        InvalidRequestError: the recording cannot be decoded, or is too long.
        ExceptionGroup: the same, or InferenceError.
    """
    headerless = request.HasField("format")
    audio_format = convert.audio_format(request.format) if headerless else AudioFormat()
    if headerless:
        check_headerless(len(request.audio), audio_format)
    response = pb.RecognizeResponse(model=model)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(recognizer, response))
        try:
            async with recognizer:
                if headerless:
                    await recognizer.feed(request.audio, audio_format)
                else:
                    await _feed_decoded(recognizer, request.audio, decoders, response)
                await recognizer.finish(Endpoint.END_OF_AUDIO)
        finally:
            recognizer.send_queue.close()
    response.audio_duration.CopyFrom(convert.duration(recognizer.audio_received_ms / 1000))
    return response


async def _collect(recognizer: StreamRecognizer, response: pb.RecognizeResponse) -> None:
    while (event := await recognizer.send_queue.next_event()) is not None:
        match event.payload:
            case Final() as final:
                response.utterances.append(convert.final(final))
            case Suppressed() as suppressed:
                response.suppressed.append(convert.suppressed(suppressed))


async def _feed_decoded(
    recognizer: StreamRecognizer, audio: bytes, decoders: RecordingDecoders, response: pb.RecognizeResponse
) -> None:
    def warn(phrase: str) -> None:
        response.warnings.append(f"The recording {phrase}")

    async with aclosing(decoders.decode(audio, warn)) as chunks:
        async for chunk in chunks:
            await recognizer.feed(chunk, AudioFormat())
