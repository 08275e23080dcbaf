"""Receives the requests of calls with bounded memory and time; a malformed request is an error of the client.

gRPC receives the whole message of a unary call before the handler runs, and waits for it without limit: any client that
reaches the port could make the server buffer any number of unfinished messages. On the wire a unary call and a stream
of one message are the same, so every handler runs as a stream here, and its message is received only when it is
requested. A call whose message is not received holds one HTTP/2 flow-control window, 64 KiB.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError

from stt_service.access.admission import RETRY_AFTER_S
from stt_service.errors import DeadlineExceededError, InvalidRequestError, ResourceExhaustedError, SttError
from stt_service.rpc.status_mapping import AnyContext, abort

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

T = TypeVar("T")
Deserialize = Callable[[bytes], T]
METADATA_BYTES = 8 * 2**10  # of a call; gRPC applies it only once the peer has acknowledged its SETTINGS
ENTRY_BYTES = 32  # that each entry counts in addition to its name and value (RFC 9113, 6.5.2)
MESSAGE_TIMEOUT_S = 5.0  # for the message of a unary call to arrive
PENDING_BYTES = 128 * 2**20  # of messages received concurrently, for all calls without a limit of their own


async def _unimplemented(_messages: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


UNIMPLEMENTED = grpc.stream_stream_rpc_method_handler(_unimplemented)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of the calls of one method."""

    calls: int = 100  # concurrent
    duration_s: float | None = None  # then the call is ended; None: no limit


class Request(Generic[T]):
    """The single message of a call, which is received by `read`."""

    def __init__(self, messages: AsyncIterator[T]) -> None:
        self._messages = messages

    async def read(self, limit_s: float) -> T:
        """Receive the message.

        Raises:
            InvalidRequestError: the message is malformed, or the client ended the call before it was complete.
            DeadlineExceededError: the message did not arrive in time.
        """
        try:
            async with asyncio.timeout(limit_s):
                return await anext(self._messages)
        except StopAsyncIteration:
            raise InvalidRequestError(
                "The request ended before its message was complete: send the whole message."
            ) from None
        except TimeoutError:
            raise DeadlineExceededError(f"The request did not arrive within {limit_s:g} s: send it faster.") from None


class RequestReader(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Runs the handlers of a port with bounds on all messages.

    Args:
        max_message_bytes: limit of one message of the port.
        unbounded: methods that bound their calls and messages themselves; a unary one gets a `Request`.
        bounds: limits of methods that differ from the default CallLimits.
    """

    def __init__(
        self,
        max_message_bytes: int,
        unbounded: frozenset[str] = frozenset(),
        bounds: Mapping[str, CallLimits] = MappingProxyType({}),
    ) -> None:
        self.max_message_bytes = max_message_bytes
        self._slots = asyncio.Semaphore(max(1, PENDING_BYTES // max_message_bytes))
        self._unbounded, self._call_limits = unbounded, bounds
        self._open = Counter[str]()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(details) or UNIMPLEMENTED
        if (size := _metadata_bytes(details)) > METADATA_BYTES:
            return _rejecting(
                InvalidRequestError(f"Invalid metadata of {size} bytes: must be at most {METADATA_BYTES}.")
            )
        if details.method in self._unbounded:
            return _unbounded(handler)
        return _stream(handler, self._bounded(handler, details.method))

    def _bounded(self, handler: Handler, method: str) -> Callable[[Any, AnyContext], Awaitable[None]]:
        act = _behavior(handler)

        async def bounded(messages: AsyncIterator[Any], context: AnyContext) -> None:
            try:
                with self._count_call(method):
                    async with asyncio.timeout(self._limits(method).duration_s):
                        await act(messages if handler.request_streaming else await self._receive(messages), context)
            except SttError as error:
                await abort(context, error)
            except TimeoutError:
                await abort(
                    context,
                    DeadlineExceededError(
                        f"Time limit exceeded: {method} may take {self._limits(method).duration_s:g} s."
                    ),
                )

        return bounded

    def _limits(self, method: str) -> CallLimits:
        return self._call_limits.get(method, CallLimits())

    async def _receive(self, messages: AsyncIterator[T]) -> T:
        """Receive a message once fewer than the maximum are being received."""
        try:
            async with asyncio.timeout(MESSAGE_TIMEOUT_S):
                await self._slots.acquire()
        except TimeoutError:
            raise ResourceExhaustedError(
                "Too many requests are being received: try again later.", RETRY_AFTER_S
            ) from None
        try:
            return await Request(messages).read(MESSAGE_TIMEOUT_S)
        finally:
            self._slots.release()

    @contextmanager
    def _count_call(self, method: str) -> Iterator[None]:
        max_calls = self._limits(method).calls
        if self._open[method] >= max_calls:
            raise ResourceExhaustedError(
                f"Call limit exceeded: at most {max_calls} open calls of {method}; close one first.", RETRY_AFTER_S
            )
        self._open[method] += 1
        try:
            yield
        finally:
            self._open[method] -= 1


def _metadata_bytes(details: grpc.HandlerCallDetails) -> int:
    return sum(len(key) + len(value) + ENTRY_BYTES for key, value in details.invocation_metadata)


def _rejecting(error: SttError) -> Handler:
    async def reject(_messages: object, context: AnyContext) -> None:
        await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(reject)


def checked_deserializer(deserialize: Deserialize[T] | None) -> Deserialize[T] | None:
    """Return a deserializer that raises InvalidRequestError without quoting the message."""
    if deserialize is None:
        return None
    parse = deserialize

    def parsed(message: bytes) -> T:
        try:
            return parse(message)
        except DecodeError:
            raise InvalidRequestError(
                f"Invalid message of {len(message)} bytes: must be the protobuf message of this method."
            ) from None

    return parsed


def _behavior(handler: Handler) -> Callable[[Any, AnyContext], Awaitable[None]]:
    """Return the handler's behavior as a coroutine function that writes the responses."""
    given = cast(
        "Callable[..., Any]",
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream,
    )

    async def act(request: object, context: AnyContext) -> None:
        if inspect.isasyncgenfunction(given):
            async with aclosing(given(request, context)) as responses:
                async for response in responses:
                    await context.write(response)
        elif handler.response_streaming:
            await given(request, context)
        else:
            await context.write(await given(request, context))

    return act


def _stream(handler: Handler, act: Callable[[Any, AnyContext], Awaitable[None]]) -> Handler:
    return grpc.stream_stream_rpc_method_handler(
        act,
        request_deserializer=checked_deserializer(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )


def _unbounded(handler: Handler) -> Handler:
    """Return the handler as a stream; the handler of a unary method gets its message as a Request."""
    act = _behavior(handler)
    if handler.request_streaming:
        return _stream(handler, act)

    async def unread(messages: AsyncIterator[Any], context: AnyContext) -> None:
        await act(Request(messages), context)

    return _stream(handler, unread)
