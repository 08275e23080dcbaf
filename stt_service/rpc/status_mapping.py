"""Maps errors to gRPC statuses. A stream also receives the error as an in-band Failure before its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

import grpc
from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError, ResourceExhaustedError, SttError, UnavailableError
from stt_service.recognition.failures import failure, public_errors, status_code
from stt_service.recognition.stream import Requests

AnyContext = grpc.aio.ServicerContext[Any, Any]

REJECTED_HEADER = "stt-refused"  # matched by docker/envoy/envoy.yaml
DISCARD_TIMEOUT_S = 0.5  # for a client that is still writing to receive the failure
DISCARDING = asyncio.Semaphore(4)  # each holds at most one message; other clients may lose the status


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


async def abort(context: AnyContext, error: SttError) -> NoReturn:
    """End the call with the error's status."""
    if isinstance(error, ResourceExhaustedError | UnavailableError):
        await _send_rejection_header(context, error)
    await _abort(context, error)


async def _abort(context: AnyContext, error: SttError) -> NoReturn:
    try:
        await context.abort(status_code(error), str(error))
    except grpc.aio.InternalError:
        raise asyncio.CancelledError("The client has ended the call, so it receives no status.") from None
    raise AssertionError("unreachable: gRPC raises AbortError")


async def _send_rejection_header(context: AnyContext, error: SttError) -> None:
    """Send the rejection in the headers as well, unless they are sent already.

    Load balancers only examine headers: they can retry a call that is rejected there on another server, invisibly to
    the client.
    """
    with suppress(grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
        await context.send_initial_metadata(((REJECTED_HEADER, status_code(error).name),))


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
