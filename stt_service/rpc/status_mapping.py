"""Maps errors to gRPC statuses. A stream also receives the error as an in-band Failure before its status."""

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
from stt_service.telemetry.log_writer import LineLimiter

AnyContext = grpc.aio.ServicerContext[Any, Any]
log = logging.getLogger(__name__)
_error_lines = LineLimiter(lines=50)

REJECTED_HEADER = "stt-refused"  # matched by docker/envoy/envoy.yaml
DISCARD_TIMEOUT_S = 0.5  # for a client that is still writing to receive the failure
DISCARDING = asyncio.Semaphore(4)  # each holds at most one message; other clients may lose the status
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
async def map_errors_to_status(context: AnyContext, send: Callable[[SttError], Awaitable[None]]) -> AsyncIterator[None]:
    """Map an error of the body to a response: first through `send`, then as the status of the call."""
    try:
        async with public_errors():
            yield
        return
    except SttError as failure:
        error = failure
    if isinstance(error, ResourceExhaustedError | UnavailableError):
        await _send_rejection_header(context, error)
    await send(error)
    await _abort(context, error)


@asynccontextmanager
async def public_errors() -> AsyncIterator[None]:
    """Raise each error inside as one SttError that the client may see; faults of the server are logged with an id.

    Raises:
        SttError: the error.
    """
    try:
        yield
        return
    except* SttError as group:
        error = _first_error(group)
        error = log_server_error(error) if isinstance(error, InferenceError) else error
    except* Exception as group:
        error = log_server_error(group)
    raise error


async def abort(context: AnyContext, error: SttError) -> NoReturn:
    """End the call with the error's status."""
    if isinstance(error, ResourceExhaustedError | UnavailableError):
        await _send_rejection_header(context, error)
    await _abort(context, error)


async def _abort(context: AnyContext, error: SttError) -> NoReturn:
    try:
        await context.abort(_code(error), str(error))
    except grpc.aio.InternalError:
        raise asyncio.CancelledError("The client has ended the call, so it receives no status.") from None
    raise AssertionError("unreachable: gRPC raises AbortError")


async def _send_rejection_header(context: AnyContext, error: SttError) -> None:
    """Send the rejection in the headers as well, unless they are sent already.

    Load balancers only examine headers: they can retry a call that is rejected there on another server, invisibly to
    the client.
    """
    with suppress(grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
        await context.send_initial_metadata(((REJECTED_HEADER, _code(error).name),))


def log_server_error(error: Exception, lines: LineLimiter = _error_lines) -> SttError:
    """Log an internal error with an id; return the error to send, which contains the id only.

    Clients may be able to cause a fault any number of times, so the number of lines is limited.
    """
    dropped, name = lines.next_line(), secrets.token_hex(4)
    if dropped is None:
        return InferenceError("Internal server error: try again.")
    log.error("call failed error_id=%s dropped_lines=%d", name, dropped, exc_info=error)
    return InferenceError(f"Internal server error (error_id={name} in the server log): try again.")


def _code(error: SttError) -> grpc.StatusCode:
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def failure(error: SttError) -> pb.Failure:
    """Return the error as the last event of a stream."""
    code = _code(error)
    message = pb.Failure(code=code.value[0], reason=code.name, message=str(error))
    if isinstance(error, ResourceExhaustedError):
        message.retry_after.CopyFrom(convert.duration(error.retry_after_s))
    if isinstance(error, UnavailableError):
        message.retry_after.CopyFrom(convert.duration(RETRY_AFTER_S))
    return message


async def send_failure(context: AnyContext, requests: Requests, error: SttError) -> None:
    """Send the failure, and read on for a moment: a client that is still writing would lose the status (grpc#36066).

    A discarded message may have any size, so only a few calls do this at the same time.
    """
    # InternalError: a message that the client does not read is still in flight. InvalidRequestError: one is malformed.
    with suppress(TimeoutError, grpc.RpcError, asyncio.InvalidStateError, grpc.aio.InternalError, InvalidRequestError):
        async with asyncio.timeout(DISCARD_TIMEOUT_S):
            await context.write(pb.StreamingRecognizeResponse(failure=failure(error)))
            await _discard(requests)


async def discard_requests(requests: AsyncIterator[object], _error: SttError) -> None:
    """Send nothing, and read on like `send_failure`, for a stream that has no in-band failure."""
    with suppress(TimeoutError, grpc.RpcError, asyncio.InvalidStateError, grpc.aio.InternalError, InvalidRequestError):
        async with asyncio.timeout(DISCARD_TIMEOUT_S):
            await _discard(requests)


async def _discard(requests: AsyncIterator[object]) -> None:
    """Read to the end of the requests, unless too many calls do."""
    if not DISCARDING.locked():
        async with DISCARDING:
            async for _ in requests:
                pass


async def no_op(error: SttError) -> None:
    """Send nothing: a unary call has its status only."""


def _first_error(group: BaseExceptionGroup[SttError]) -> SttError:
    first = group.exceptions[0]
    return _first_error(first) if isinstance(first, BaseExceptionGroup) else first
