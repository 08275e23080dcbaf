"""Lets in the calls that show a token of their port; of all others no message is read."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import grpc
from stt.v1 import stt_pb2 as pb

from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.rate_limit import HOLDER, source
from stt_service.access.tokens import Tokens
from stt_service.errors import UnauthenticatedError
from stt_service.rpc.health import HEALTH_CHECK
from stt_service.rpc.status_mapping import map_errors_to_status, no_op, send_failure

if TYPE_CHECKING:
    from stt_service.rpc.stream import Context, Requests

    Handler = grpc.RpcMethodHandler[object, object]

log = logging.getLogger(__name__)

OPEN = HEALTH_CHECK  # for balancers, which have no token; Watch would let anybody hold calls open
STREAMING = f"/{pb.DESCRIPTOR.services_by_name['SpeechToText'].full_name}/StreamingRecognize"
SCHEME = "bearer "
REFUSAL = "A token that this port accepts is needed: send `authorization: Bearer TOKEN` (stt-cli: --token)."
SILENCE_S = 10.0  # between two lines in the log, however many are refused


class Authentication(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # it is generic in the stubs alone
    """Asks each call for a token. Whose it is, the handler finds in HOLDER."""

    def __init__(self, port: str, tokens: ReloadingFile[Tokens], refused: Callable[[str], None]) -> None:
        self._tokens, self._refused = tokens, refused
        self._refusals = AuthFailureLog(port)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        if details.method == OPEN:
            return await continuation(details)
        holder = self._tokens.value().lookup(_shown(details))
        if holder is not None:
            HOLDER.set(holder)
            return await continuation(details)
        self._refused("token")
        # As a stream whatever it is, since gRPC reads the message of any other call before the handler runs.
        if details.method == STREAMING:
            said = pb.StreamingRecognizeResponse.SerializeToString
            return grpc.stream_stream_rpc_method_handler(self._refuse_in_band, response_serializer=said)
        return grpc.stream_stream_rpc_method_handler(self._refuse)

    async def _refuse_in_band(self, requests: Requests, context: Context) -> None:
        self._refusals.count(context.peer(), time.monotonic())
        async with map_errors_to_status(context, partial(send_failure, context, requests)):
            raise UnauthenticatedError(REFUSAL)

    async def _refuse(self, _requests: Requests, context: Context) -> None:
        self._refusals.count(context.peer(), time.monotonic())
        async with map_errors_to_status(context, no_op):
            raise UnauthenticatedError(REFUSAL)


class AuthFailureLog:
    """Tells the log of refused calls, at most every SILENCE_S: whoever tries a million tokens shall not fill a disk."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._untold = 0
        self._told_s = -SILENCE_S

    def count(self, peer: str, now_s: float) -> None:
        self._untold += 1
        if now_s - self._told_s >= SILENCE_S:
            log.warning(
                "%s: %d calls without a token that holds, the last from %s", self._port, self._untold, source(peer)
            )
            self._untold, self._told_s = 0, now_s


def _shown(details: grpc.HandlerCallDetails) -> str:
    """Return the token that the call shows; an empty one, which nobody has, if it shows none."""
    for key, value in details.invocation_metadata:
        if key == "authorization" and isinstance(value, str) and value[: len(SCHEME)].lower() == SCHEME:
            return value[len(SCHEME) :].strip()
    return ""
