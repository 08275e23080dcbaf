"""The routes under /api/control. Each is an operation of ControlService, which decides everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Mount, Route, Router
from stt.v1 import control_pb2 as pb

from stt_service.control import convert
from stt_service.control.service import ControlService
from stt_service.errors import NotFoundError, ResourceExhaustedError
from stt_service.http.control.messages import HEADERS, MethodNotAllowedError, event, read_message, reject, response
from stt_service.http.guard import AccessRules, Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

MAX_WATCHES = 50  # open streams of the status, as over gRPC
WATCH_RETRY_S = 5.0
MAX_BODY_BYTES = 64 * 2**10  # a change of all settings, with the longest texts, has 20 KiB
MAX_PATH_CHARS = 100  # of a message
METHOD_NOT_ALLOWED = 405

RequestT = TypeVar("RequestT", bound=Message)
Endpoint = Callable[["Request"], Awaitable[Response]]


def control_routes(service: ControlService, rules: AccessRules, on_rejected: Callable[[str], None]) -> list[BaseRoute]:
    """Return the routes of Control.

    Args:
        service: Has the operations.
        rules: The rules for operators.
        on_rejected: Receives the reason of a rejected request.
    """
    guarded = Guard(ControlApi(service), replace(rules, max_body_bytes=MAX_BODY_BYTES), reject, on_rejected)
    return [Mount("/api/control", app=guarded)]


class ControlApi:
    """The ASGI application under /api/control; errors are raised as SttError."""

    def __init__(self, service: ControlService) -> None:
        self._service, self._watches = service, 0
        operation, control = self._operation, ControlService
        get, post, patch = ["GET"], ["POST"], ["PATCH"]
        self._router = Router(
            [
                Route("/status", operation(pb.GetStatusRequest, control.get_status), methods=get),
                Route("/status/events", self.watch, methods=get),
                Route("/history", operation(pb.GetHistoryRequest, control.get_history), methods=get),
                Route("/settings", operation(pb.GetConfigRequest, control.get_config), methods=get),
                Route("/settings", operation(pb.UpdateConfigRequest, control.update_config), methods=patch),
                Route("/models", operation(pb.ListModelsRequest, control.list_models), methods=get),
                Route("/models/load", operation(pb.LoadModelRequest, control.load_model), methods=post),
                Route("/models/unload", operation(pb.UnloadModelRequest, control.unload_model), methods=post),
                Route("/sessions", operation(pb.ListSessionsRequest, control.list_sessions), methods=get),
                Route(
                    "/sessions/{session_id}/finalize",
                    operation(pb.FinalizeSessionRequest, control.finalize_session),
                    methods=post,
                ),
                Route(
                    "/sessions/{session_id}/terminate",
                    operation(pb.TerminateSessionRequest, control.terminate_session),
                    methods=post,
                ),
                Route("/drain", operation(pb.DrainRequest, control.drain), methods=post),
                Route("/drain/cancel", operation(pb.CancelDrainRequest, control.cancel_drain), methods=post),
            ],
            redirect_slashes=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            SttError: the operation is not possible, or there is none of this path and method.
        """
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            if error.status_code == METHOD_NOT_ALLOWED:
                raise MethodNotAllowedError(scope["method"], self._methods(scope)) from None
            raise NotFoundError(f"Invalid path={scope['path'][:MAX_PATH_CHARS]!r}: see docs/control.md.") from None

    def _methods(self, scope: Scope) -> list[str]:
        """Return the methods of the path."""
        routes = [route for route in self._router.routes if isinstance(route, Route)]
        return sorted(
            {name for route in routes if route.matches(scope)[0] is not Match.NONE for name in route.methods or ()}
        )

    def _operation(
        self, request_type: type[RequestT], operation: Callable[[ControlService, RequestT], Awaitable[Message]]
    ) -> Endpoint:
        """Return the endpoint of an operation."""

        async def answer(request: Request) -> Response:
            return response(await operation(self._service, await read_message(request, request_type())))

        return answer

    async def watch(self, request: Request) -> Response:
        """Return server-sent events with the status, until the client disconnects or the server stops."""
        message = await read_message(request, pb.WatchStatusRequest())
        convert.interval_s(message)
        if self._watches >= MAX_WATCHES:
            raise ResourceExhaustedError(f"At most {MAX_WATCHES} clients can watch the status.", WATCH_RETRY_S)
        return _EventStream(self._events(message), self._count, HEADERS)

    async def _events(self, message: pb.WatchStatusRequest) -> AsyncIterator[str]:
        async with aclosing(self._service.watch_status(message)) as statuses:
            async for status in statuses:
                yield event("status", status)

    def _count(self, change: int) -> None:
        self._watches += change


class _EventStream(StreamingResponse):
    """Server-sent events that are counted while they are sent."""

    def __init__(self, events: AsyncIterator[str], count: Callable[[int], None], headers: Mapping[str, str]) -> None:
        super().__init__(events, headers=headers, media_type="text/event-stream")
        self._count = count
        count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._count(-1)
