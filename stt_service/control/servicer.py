"""The Control servicer: what an operator asks for is told or done at once. control.proto is its manual."""

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

from stt_service.control import convert
from stt_service.control.status import STATES, StatusReporter
from stt_service.errors import UnavailableError
from stt_service.models.startup import LoadedServer
from stt_service.rpc.health import ServingState
from stt_service.rpc.status_mapping import map_errors_to_status, no_op
from stt_service.rpc.stream_registry import ActiveStream, StreamRegistry
from stt_service.settings.runtime import ActiveSettings
from stt_service.vad.types import Endpoint

log = logging.getLogger(__name__)
SHARED_S = 0.1  # half of the least interval

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Request, Response]


def answering(
    call: Callable[[Control, Request], Awaitable[Response]],
) -> Callable[[Control, Request, Context[Request, Response]], Awaitable[Response]]:
    """Make a call of a method that returns the answer, or raises why there is none."""

    @wraps(call)
    async def answer(self: Control, request: Request, context: Context[Request, Response]) -> Response:
        async with map_errors_to_status(context, no_op):
            return await call(self, request)
        raise AssertionError("unreachable: answered aborts the call")

    return answer


class Control(control_pb2_grpc.ControlServicer):
    """The servicer. It waits for nothing: what takes long goes on after the answer."""

    def __init__(
        self, config: ActiveSettings, gate: ServingState, streams: StreamRegistry, looks: StatusReporter
    ) -> None:
        self._config, self._gate, self._streams, self._looks = config, gate, streams, looks
        self._now: LoadedServer | None = None
        self._seen, self._seen_s = pb.Status(), -math.inf

    def serve(self, loaded: LoadedServer) -> None:
        """Begin to report and change what was loaded."""
        self._now = loaded

    @answering
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

    @answering
    async def GetConfig(self, request: pb.GetConfigRequest) -> pb.GetConfigResponse:  # noqa: N802
        return pb.GetConfigResponse(parameters=convert.parameters(self._config.settings))

    @answering
    async def UpdateConfig(self, request: pb.UpdateConfigRequest) -> pb.UpdateConfigResponse:  # noqa: N802
        working = self._working
        changed = self._config.with_changes(request.values)
        working.registry.pair.check_language(changed.language)
        self._config.settings = changed
        logging.getLogger().setLevel(changed.log_level.upper())
        await self._gate.open(working.max_streams(changed))
        if request.values:
            log.info("control: settings changed: %s", ", ".join(sorted(request.values)).upper())
        return pb.UpdateConfigResponse(parameters=convert.parameters(changed))

    @answering
    async def ListModels(self, request: pb.ListModelsRequest) -> pb.ListModelsResponse:  # noqa: N802
        return pb.ListModelsResponse(models=[convert.model(shelved) for shelved in self._working.registry])

    @answering
    async def LoadModel(self, request: pb.LoadModelRequest) -> pb.LoadModelResponse:  # noqa: N802
        shelved = self._working.registry.load(request.name, convert.roles(request.roles))
        log.info("control: model %r asked for", shelved.name)
        return pb.LoadModelResponse(model=convert.model(shelved))

    @answering
    async def UnloadModel(self, request: pb.UnloadModelRequest) -> pb.UnloadModelResponse:  # noqa: N802
        shelved = self._working.registry.unload(request.name)
        log.info("control: model %r not wanted any more", shelved.name)
        return pb.UnloadModelResponse(model=convert.model(shelved))

    @answering
    async def ListSessions(self, request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:  # noqa: N802
        return pb.ListSessionsResponse(sessions=self._sessions(*self._streams))

    @answering
    async def FinalizeSession(  # noqa: N802
        self, request: pb.FinalizeSessionRequest
    ) -> pb.FinalizeSessionResponse:
        stream = self._streams.find(request.session_id)
        stream.recognizer.finalize_now(Endpoint.FINALIZE)
        log.info("control: stream %s finalised", stream.id)
        return pb.FinalizeSessionResponse(session=self._sessions(stream)[0])

    @answering
    async def TerminateSession(  # noqa: N802
        self, request: pb.TerminateSessionRequest
    ) -> pb.TerminateSessionResponse:
        stream = self._streams.find(request.session_id)
        stream.terminated.set()
        log.info("control: stream %s terminated", stream.id)
        return pb.TerminateSessionResponse(session=self._sessions(stream)[0])

    @answering
    async def Drain(self, request: pb.DrainRequest) -> pb.DrainResponse:  # noqa: N802
        assert self._working
        await self._gate.drain()
        log.info("control: draining, %d streams open", self._gate.admission.streams)
        return pb.DrainResponse(state=STATES[self._gate.state], streams=self._gate.admission.streams)

    @answering
    async def CancelDrain(self, request: pb.CancelDrainRequest) -> pb.CancelDrainResponse:  # noqa: N802
        assert self._working
        await self._gate.cancel_drain()
        log.info("control: not draining any more")
        return pb.CancelDrainResponse(state=STATES[self._gate.state], streams=self._gate.admission.streams)

    @property
    def _working(self) -> LoadedServer:
        if self._now is None:
            raise UnavailableError("The server is still loading its models: try again in a few seconds.")
        return self._now

    def _status(self) -> pb.Status:
        now = self._now
        return self._looks.serving(now) if now else self._looks.loading()

    def _watched_status(self) -> pb.Status:
        """Return a status that all who watch share: it is made a few times a second, however many there are."""
        now_s = monotonic()
        if now_s - self._seen_s >= SHARED_S:
            self._seen_s, self._seen = now_s, self._status()
        return self._seen

    def _sessions(self, *streams: ActiveStream) -> list[pb.Session]:
        lags = self._now.executor.queue_snapshot().longest_by_stream_s if self._now else {}
        return [convert.session(stream, lags.get(stream.id, 0.0)) for stream in streams]
