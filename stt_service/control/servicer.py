"""The gRPC adapter of ControlService. control.proto documents the methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from typing import TypeVar

import grpc
from stt.v1 import control_pb2 as pb
from stt.v1 import control_pb2_grpc

from stt_service.control.service import ControlService
from stt_service.rpc.status_mapping import map_errors_to_status, no_op

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Request, Response]


def rpc_method(
    operation: Callable[[ControlService, Request], Awaitable[Response]],
) -> Callable[[Control, Request, Context[Request, Response]], Awaitable[Response]]:
    """Return the gRPC method of an operation."""

    @wraps(operation)
    async def answer(self: Control, request: Request, context: Context[Request, Response]) -> Response:
        async with map_errors_to_status(context, no_op):
            return await operation(self.service, request)
        raise AssertionError("unreachable: map_errors_to_status aborts the call")

    return answer


class Control(control_pb2_grpc.ControlServicer):
    """The servicer."""

    def __init__(self, service: ControlService) -> None:
        self.service = service

    GetStatus = rpc_method(ControlService.get_status)
    GetHistory = rpc_method(ControlService.get_history)
    GetConfig = rpc_method(ControlService.get_config)
    UpdateConfig = rpc_method(ControlService.update_config)
    ListModels = rpc_method(ControlService.list_models)
    LoadModel = rpc_method(ControlService.load_model)
    UnloadModel = rpc_method(ControlService.unload_model)
    ListSessions = rpc_method(ControlService.list_sessions)
    FinalizeSession = rpc_method(ControlService.finalize_session)
    TerminateSession = rpc_method(ControlService.terminate_session)
    Drain = rpc_method(ControlService.drain)
    CancelDrain = rpc_method(ControlService.cancel_drain)

    async def WatchStatus(  # noqa: N802
        self,
        request: pb.WatchStatusRequest,
        context: Context[pb.WatchStatusRequest, pb.WatchStatusResponse],
    ) -> AsyncIterator[pb.WatchStatusResponse]:
        async with map_errors_to_status(context, no_op), aclosing(self.service.watch_status(request)) as statuses:
            async for response in statuses:
                yield response
