"""What goes wrong becomes an answer here: in band where the call is a stream, then the call's status."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

import grpc
from stt.v1 import stt_pb2 as pb

from stt_service.access.admission import RETRY_AFTER_S
from stt_service.errors import (
    AbortedError,
    DeadlineExceededError,
    FailedPreconditionError,
    InferenceError,
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
    SttError,
    UnauthenticatedError,
    UnavailableError,
)
from stt_service.rpc import convert
from stt_service.rpc.stream import Requests

AnyContext = grpc.aio.ServicerContext[Any, Any]
log = logging.getLogger(__name__)

REFUSED_HEADER = "stt-refused"  # docker/envoy/envoy.yaml looks for it
DISCARD_TIMEOUT_S = 0.5  # for a client that is writing to see why its stream failed
DISCARDING = asyncio.Semaphore(4)  # each holds a message at most; the other clients may lose the status
CODES = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    ResourceExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    AbortedError: grpc.StatusCode.ABORTED,
    InferenceError: grpc.StatusCode.INTERNAL,
}


@asynccontextmanager
async def map_errors_to_status(context: AnyContext, say: Callable[[SttError], Awaitable[None]]) -> AsyncIterator[None]:
    """Answer what goes wrong inside: first by `say`, then by the call's status."""
    try:
        yield
        return
    except* SttError as group:
        error = _leaf(group)
        error = _logged(error) if isinstance(error, InferenceError) else error
    except* Exception as group:
        error = _logged(group)
    if isinstance(error, ResourceExhaustedError | UnavailableError):
        await _refuse(context, error)
    await say(error)
    await _abort(context, error)


async def abort(context: AnyContext, error: SttError) -> NoReturn:
    """End the call with the error's status."""
    if isinstance(error, ResourceExhaustedError | UnavailableError):
        await _refuse(context, error)
    await _abort(context, error)


async def _abort(context: AnyContext, error: SttError) -> NoReturn:
    try:
        await context.abort(_code(error), str(error))
    except grpc.aio.InternalError:
        raise asyncio.CancelledError("The client has ended the call, so it takes no status.") from None
    raise AssertionError("unreachable: gRPC raises AbortError")


async def _refuse(context: AnyContext, error: SttError) -> None:
    """Say it in the headers as well, if they are not sent: what comes later, a balancer passes on without a look.

    A call that is refused there can be tried on another server, and its client never knows.
    """
    with suppress(grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
        await context.send_initial_metadata(((REFUSED_HEADER, _code(error).name),))


def _logged(error: Exception) -> SttError:
    """Log what is our fault under an id; return what the client may know of it."""
    name = secrets.token_hex(4)
    log.error("call failed, id %s", name, exc_info=error)
    return InferenceError(f"The server failed, id {name} in its log: try again.")


def _code(error: SttError) -> grpc.StatusCode:
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


async def send_failure(context: AnyContext, requests: Requests, error: SttError) -> None:
    """Send the failure, and read on for a moment: a client that is writing would lose the status (grpc#36066).

    What is read is a message of any size, so only a few calls at once do it.
    """
    code = _code(error)
    failure = pb.Failure(code=code.value[0], reason=code.name, message=str(error))
    if isinstance(error, ResourceExhaustedError):
        failure.retry_after.CopyFrom(convert.duration(error.retry_after_s))
    if isinstance(error, UnavailableError):
        failure.retry_after.CopyFrom(convert.duration(RETRY_AFTER_S))
    # InternalError: a message that the client does not read is still on its way. InvalidRequest: one is malformed.
    with suppress(TimeoutError, grpc.RpcError, asyncio.InvalidStateError, grpc.aio.InternalError, InvalidRequestError):
        async with asyncio.timeout(DISCARD_TIMEOUT_S):
            await context.write(pb.StreamingRecognizeResponse(failure=failure))
            if not DISCARDING.locked():
                async with DISCARDING:
                    async for _ in requests:
                        pass


async def no_op(error: SttError) -> None:
    """A call with one answer has its status only."""


def _leaf(group: BaseExceptionGroup[SttError]) -> SttError:
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, BaseExceptionGroup) else first
