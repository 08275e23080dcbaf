"""Bearer tokens: calls without a valid token of their port are rejected before any message is read."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import grpc
from stt.v1 import stt_pb2 as pb

from stt_service.access.auth_failures import AuthFailureLog
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.rate_limit import client_address
from stt_service.access.tokens import Tokens, bearer_token
from stt_service.errors import UnauthenticatedError
from stt_service.rpc.health import HEALTH_CHECK
from stt_service.rpc.status_mapping import AnyContext, map_errors_to_status, no_op, send_failure

if TYPE_CHECKING:
    from stt_service.recognition.stream import Context, Requests

    Handler = grpc.RpcMethodHandler[Any, Any]

UNAUTHENTICATED_METHOD = (
    HEALTH_CHECK  # for load balancers, which have no token; not Watch, with which any client could hold calls open
)
STREAMING = f"/{pb.DESCRIPTOR.services_by_name['SpeechToText'].full_name}/StreamingRecognize"
REJECTION = "Missing or invalid token: send `authorization: Bearer TOKEN` with a token of this port (stt-cli: --token)."


class AuthenticatedContext:
    """A call's context with the name of its token. All else is the context's own."""

    def __init__(self, context: AnyContext, client: str) -> None:
        self._context = context
        self.client = client

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)


def client_name(context: AnyContext | AuthenticatedContext) -> str:
    """Return the name of the call's token, or the client's address if the port needs no tokens."""
    return context.client if isinstance(context, AuthenticatedContext) else client_address(context.peer())


class Authentication(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # it is generic in the stubs alone
    """Requires a valid token. The handler gets an AuthenticatedContext."""

    def __init__(self, port: str, tokens: ReloadingFile[Tokens], on_rejected: Callable[[str], None]) -> None:
        self._tokens, self._on_rejected = tokens, on_rejected
        self._failures = AuthFailureLog(port)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        if details.method == UNAUTHENTICATED_METHOD:
            return await continuation(details)
        client = self._tokens.value().lookup(_bearer_token(details))
        if client is not None:
            return _with_client(await continuation(details), client)
        self._on_rejected("token")
        # As a stream in any case: gRPC reads the message of any other call before it runs the handler.
        if details.method == STREAMING:
            serialize = pb.StreamingRecognizeResponse.SerializeToString
            return grpc.stream_stream_rpc_method_handler(self._reject_in_band, response_serializer=serialize)
        return grpc.stream_stream_rpc_method_handler(self._reject)

    async def _reject_in_band(self, requests: Requests, context: Context) -> None:
        self._failures.count(client_address(context.peer()), time.monotonic())
        async with map_errors_to_status(context, partial(send_failure, context, requests)):
            raise UnauthenticatedError(REJECTION)

    async def _reject(self, _requests: Requests, context: Context) -> None:
        self._failures.count(client_address(context.peer()), time.monotonic())
        async with map_errors_to_status(context, no_op):
            raise UnauthenticatedError(REJECTION)


def _with_client(handler: Handler, client: str) -> Handler:
    """Return the handler with the client's name in its context. RequestReader makes each handler a stream."""
    act = cast("Callable[[object, AuthenticatedContext], Awaitable[None]]", handler.stream_stream)

    async def run(messages: object, context: AnyContext) -> None:
        await act(messages, AuthenticatedContext(context, client))

    return grpc.stream_stream_rpc_method_handler(
        run, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
    )


def _bearer_token(details: grpc.HandlerCallDetails) -> str:
    """Return the token of the call; an empty string, which is no valid token, if it has none."""
    for key, value in details.invocation_metadata:
        if key == "authorization" and isinstance(value, str) and (token := bearer_token(value)):
            return token
    return ""
