"""Recognition of streams and recordings, independent of the protocol: admission, models and a session for each call.

Adapters (gRPC, HTTP) translate their messages to requests of this service, and its responses back. They do not decide
on admission, how audio is segmented or when a stream ends.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stt.v1 import stt_pb2 as pb

from stt_service.access.admission import AdmissionControl, ClientIdentity, ClientQuota
from stt_service.errors import DeadlineExceededError, InvalidRequestError, UnavailableError
from stt_service.models.registry import ModelLease
from stt_service.models.startup import LoadedServer
from stt_service.recognition import convert
from stt_service.recognition.call_log import CallLogger, track_call
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.stream import (
    DRAINED,
    GRACE_S,
    Requests,
    ResponseWriter,
    StreamHandler,
    StreamTimeouts,
    TimedWriter,
)
from stt_service.recognition.stream_registry import ActiveStream, StreamRegistry
from stt_service.scheduling.realtime import RealtimeTracker
from stt_service.session.config import SessionConfig
from stt_service.session.session import Session
from stt_service.settings.runtime import ActiveSettings
from stt_service.settings.schema import LANGUAGES
from stt_service.telemetry.metrics import Api, Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.gate import stream_vad_factory
from stt_service.vad.silero import Silero


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a client, before its admission."""

    client: ClientIdentity
    logger: CallLogger


@dataclass(frozen=True, slots=True)
class StreamSlot:
    """A slot for the streams of one connection. `recognize` recognizes one to its end, for a call of its own.

    The writer limits the time in which the client must read: it may also wait for the streams before its own.
    """

    recognize: Callable[[Call, Requests, ResponseWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RecordingSlot:
    """A slot and models for one recording."""

    model: str
    new_recognizer: Callable[[pb.StreamingConfig], StreamRecognizer]


class SpeechService:
    """Recognizes streams and recordings. Admission rejects all calls until the models are loaded."""

    def __init__(
        self,
        config: ActiveSettings,
        admission: AdmissionControl[LoadedServer],
        streams: StreamRegistry,
        metrics: Metrics,
    ) -> None:
        self._config, self._admission, self._streams, self._metrics = config, admission, streams, metrics

    @property
    def model_name(self) -> str:
        """Name of the model of finals that new calls use; empty while the server loads."""
        loaded = self._admission.loaded
        return "" if loaded is None else loaded.registry.names.finals

    @property
    def default_language(self) -> str:
        """Language of calls that declare none: a Whisper code, or `auto`."""
        return self._config.settings.language

    @property
    def languages(self) -> frozenset[str]:
        """Codes of the languages that new calls support; empty while the server loads."""
        loaded = self._admission.loaded
        if loaded is None:
            return frozenset()
        return LANGUAGES if loaded.registry.pair.finals.multilingual else frozenset({"en"})

    @property
    def not_ready_reason(self) -> str:
        """Why no call is admitted, even with free slots; empty if calls are admitted."""
        return self._admission.not_ready_reason

    @property
    def default_settings(self) -> pb.Settings:
        """The settings of a stream whose config has none."""
        return convert.settings(self._config.settings.runtime())

    def check_settings(self, settings: pb.Settings) -> None:
        """Check the settings of a stream before it is opened; the language once the models are loaded.

        Raises:
            InvalidRequestError: a stream with these settings would fail.
        """
        runtime, loaded = self._config.settings.runtime().updated(convert.changes(settings)), self._admission.loaded
        if loaded is not None:
            loaded.registry.pair.check_language(runtime.language)

    @property
    def idle_timeout_s(self) -> float:
        """How long a client may send no audio."""
        return self._config.settings.idle_timeout

    @property
    def _timeouts(self) -> StreamTimeouts:
        settings = self._config.settings
        return StreamTimeouts(settings.idle_timeout, settings.max_stream_duration, GRACE_S)

    @contextmanager
    def call(self, client_name: str, api: Api) -> Iterator[Call]:
        """Yield a call; all log lines inside carry its id.

        Args:
            client_name: Name of the client's token, or its address.
            api: The API that the client uses.
        """
        settings = self._config.settings
        quota = ClientQuota(settings.max_streams_per_peer, settings.rate_limit_per_minute)
        with track_call(self._metrics, client_name, api) as logger:
            yield Call(ClientIdentity(client_name, time.monotonic(), quota), logger)

    def check_admission(self, client_name: str, api: Api) -> None:
        """Check whether a call would be admitted now, before its adapter receives a long request; it is not counted.

        Raises:
            SttError: the call would not be admitted.
        """
        with self.call(client_name, api) as call:
            self._admission.check(call.client)

    async def recognize_stream(self, call: Call, requests: Requests, writer: ResponseWriter) -> None:
        """Recognize a stream to its end; every response goes to `writer`.

        Raises:
            SttError: the reason of the failure; the responses before it have been written.
        """
        with call.logger, self.stream_slot(call) as slot:
            await slot.recognize(call, requests, TimedWriter(writer, self._timeouts.write_s))

    @contextmanager
    def stream_slot(self, call: Call) -> Iterator[StreamSlot]:
        """Hold a slot for the streams of one client.

        Raises:
            SttError: the call is not admitted.
        """
        with self._admission.acquire_slot(call.client) as loaded:

            async def recognize(stream: Call, requests: Requests, writer: ResponseWriter) -> None:
                await self._recognize(loaded, stream.logger, requests, writer)

            yield StreamSlot(recognize)

    async def _recognize(
        self, loaded: LoadedServer, logger: CallLogger, requests: Requests, writer: ResponseWriter
    ) -> None:
        timeouts = self._timeouts
        config = await first_config(requests, timeouts, self._admission.draining)
        with logger.admitted(), loaded.registry.lease() as lease:
            stream = self._new_stream(loaded.silero, lease, config, logger)
            await writer.write(_started_response(stream, config.resume.audio_offset_ms))
            logger.opened(stream)
            audio_format = convert.audio_format(config.format)
            handler = StreamHandler(stream, audio_format, timeouts, self._admission.draining, config.resumable)
            with self._streams.register(stream):
                await handler.run(requests, writer)

    @contextmanager
    def recording_slot(self, call: Call) -> Iterator[RecordingSlot]:
        """Hold a slot for a recording.

        Raises:
            SttError: the call is not admitted.
        """
        with (
            call.logger,
            self._admission.acquire_slot(call.client) as loaded,
            call.logger.admitted(),
            loaded.registry.lease() as lease,
        ):

            def new_recognizer(config: pb.StreamingConfig) -> StreamRecognizer:
                offline = RealtimeTracker(time.monotonic(), initial_lead_s=math.inf)
                session, stats = self._new_session(loaded.silero, lease, config), StreamStats(self._metrics)
                owner = (call.logger.client, call.logger.id)
                return StreamRecognizer(session, lease.pair, owner, offline, observer=stats)

            yield RecordingSlot(lease.names.finals, new_recognizer)

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
            api=call.api,
            models=lease.names,
            opened_s=now_s,
            session=session,
            recognizer=StreamRecognizer(
                session, lease.pair, (call.client, call.id), RealtimeTracker(now_s), observer=stats
            ),
            stats=stats,
        )

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
                stability=convert.stability(config.stability),
                speech_ended=config.speech_ended,
                word_timestamps=config.word_times,
                offset_ms=offset_ms,
                first_utterance=first_utterance,
                continues_utterance=config.resume.continues_utterance,
                left_context_ms=config.resume.left_context_ms,
                previous_language=config.resume.previous_language or None,
            ),
            stream_vad_factory(silero, settings),
        )


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
