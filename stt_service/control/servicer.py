"""The Control servicer: each request is answered at once. control.proto documents the methods."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from time import monotonic
from typing import TypeVar

import grpc
from stt.v1 import control_pb2 as pb
from stt.v1 import control_pb2_grpc

from stt_service.access.admission import AdmissionControl
from stt_service.control import convert
from stt_service.control.status import STATES, StatusReporter
from stt_service.models.startup import LoadedServer
from stt_service.rpc.status_mapping import map_errors_to_status, no_op
from stt_service.rpc.stream_registry import ActiveStream, StreamRegistry
from stt_service.settings.runtime import ActiveSettings
from stt_service.vad.types import Endpoint

log = logging.getLogger(__name__)
STATUS_AGE_S = 0.1  # of a status shared by WatchStatus calls: half of the shortest interval

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Request, Response]


def rpc_method(
    call: Callable[[Control, Request], Awaitable[Response]],
) -> Callable[[Control, Request, Context[Request, Response]], Awaitable[Response]]:
    """Make a gRPC method of one that returns the response or raises an SttError."""

    @wraps(call)
    async def answer(self: Control, request: Request, context: Context[Request, Response]) -> Response:
        async with map_errors_to_status(context, no_op):
            return await call(self, request)
        raise AssertionError("unreachable: map_errors_to_status aborts the call")

    return answer


class Control(control_pb2_grpc.ControlServicer):
    """The servicer. It does not wait for long operations: they continue after the response."""

    def __init__(
        self,
        config: ActiveSettings,
        admission: AdmissionControl[LoadedServer],
        streams: StreamRegistry,
        reporter: StatusReporter,
    ) -> None:
        self._config, self._admission, self._streams, self._reporter = config, admission, streams, reporter
        self._shared, self._shared_s = pb.Status(), -math.inf

    @rpc_method
    async def GetStatus(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:  # noqa: N802
        return pb.GetStatusResponse(status=self._status())

    async def WatchStatus(  # noqa: N802
        self,
        request: pb.WatchStatusRequest,
        context: Context[pb.WatchStatusRequest, pb.WatchStatusResponse],
    ) -> AsyncIterator[pb.WatchStatusResponse]:
        async with map_errors_to_status(context, no_op):
            interval_s = convert.interval_s(request)
            while True:
                yield pb.WatchStatusResponse(status=self._watched_status())
                await asyncio.sleep(interval_s)

    @rpc_method
    async def GetConfig(self, request: pb.GetConfigRequest) -> pb.GetConfigResponse:  # noqa: N802
        return pb.GetConfigResponse(parameters=convert.parameters(self._config.settings))

    @rpc_method
    async def UpdateConfig(self, request: pb.UpdateConfigRequest) -> pb.UpdateConfigResponse:  # noqa: N802
        loaded = self._admission.require_loaded()
        changed = self._config.with_changes(request.values)
        loaded.registry.pair.check_language(changed.language)
        self._config.settings = changed
        logging.getLogger().setLevel(changed.log_level.upper())
        await self._admission.resize(loaded.max_streams(changed))
        if request.values:
            log.info("settings changed names=%s", ",".join(sorted(request.values)).upper())
        return pb.UpdateConfigResponse(parameters=convert.parameters(changed))

    @rpc_method
    async def ListModels(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:  # noqa: N802
        return pb.ListModelsResponse(
            models=[convert.model(entry) for entry in self._admission.require_loaded().registry]
        )

    @rpc_method
    async def LoadModel(self, request: pb.LoadModelRequest) -> pb.LoadModelResponse:  # noqa: N802
        entry = self._admission.require_loaded().registry.load(request.name, convert.roles(request.roles))
        log.info("model load requested name=%s", entry.name)
        return pb.LoadModelResponse(model=convert.model(entry))

    @rpc_method
    async def UnloadModel(self, request: pb.UnloadModelRequest) -> pb.UnloadModelResponse:  # noqa: N802
        entry = self._admission.require_loaded().registry.unload(request.name)
        log.info("model unload requested name=%s", entry.name)
        return pb.UnloadModelResponse(model=convert.model(entry))

    @rpc_method
    async def ListSessions(self, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:  # noqa: N802
        return pb.ListSessionsResponse(sessions=self._sessions(*self._streams))

    @rpc_method
    async def FinalizeSession(  # noqa: N802
        self, request: pb.FinalizeSessionRequest
    ) -> pb.FinalizeSessionResponse:
        stream = self._streams.find(request.session_id)
        stream.recognizer.finalize_now(Endpoint.FINALIZE)
        log.info("stream finalized by operator id=%s", stream.id)
        return pb.FinalizeSessionResponse(session=self._sessions(stream)[0])

    @rpc_method
    async def TerminateSession(  # noqa: N802
        self, request: pb.TerminateSessionRequest
    ) -> pb.TerminateSessionResponse:
        stream = self._streams.find(request.session_id)
        stream.terminated.set()
        log.info("stream terminated by operator id=%s", stream.id)
        return pb.TerminateSessionResponse(session=self._sessions(stream)[0])

    @rpc_method
    async def Drain(self, request: pb.DrainRequest) -> pb.DrainResponse:  # noqa: N802
        self._admission.require_loaded()
        await self._admission.drain()
        log.info("drain started streams=%d", self._admission.streams)
        return pb.DrainResponse(state=STATES[self._admission.state], streams=self._admission.streams)

    @rpc_method
    async def CancelDrain(self, request: pb.CancelDrainRequest) -> pb.CancelDrainResponse:  # noqa: N802
        self._admission.require_loaded()
        await self._admission.cancel_drain()
        log.info("drain canceled")
        return pb.CancelDrainResponse(state=STATES[self._admission.state], streams=self._admission.streams)

    def _status(self) -> pb.Status:
        return self._reporter.status()

    def _watched_status(self) -> pb.Status:
        """Return a status shared by all WatchStatus calls: it is made at most every STATUS_AGE_S."""
        now_s = monotonic()
        if now_s - self._shared_s >= STATUS_AGE_S:
            self._shared_s, self._shared = now_s, self._status()
        return self._shared

    def _sessions(self, *streams: ActiveStream) -> list[pb.Session]:
        waits = loaded.executor.queue_snapshot().longest_by_stream_s if (loaded := self._admission.loaded) else {}
        return [convert.session(stream, waits.get(stream.id, 0.0)) for stream in streams]
