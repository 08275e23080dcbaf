"""Receives the requests of calls with bounded memory and time; a malformed one is its client's fault.

gRPC receives the message of a unary call whole before the handler runs, and waits for it without limit: whoever reaches
the port could make the server buffer any number of unfinished messages. On the wire a unary call and a stream of one
message are the same, so every handler runs as a stream here, and its message is received only when it is wanted. A call
whose message nobody receives holds one window of HTTP/2 flow control, 64 KiB.
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
METADATA_BYTES = 8 * 2**10  # of a call; gRPC holds to it only once the peer has acknowledged its SETTINGS
ENTRY_BYTES = 32  # that each entry counts for beside its name and value (RFC 9113, 6.5.2)
MESSAGE_S = 5.0  # for the message of a unary call to arrive
PENDING_BYTES = 128 * 2**20  # of messages that arrive at the same time, of all calls without a limit of their own


async def _unimplemented(_messages: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


UNIMPLEMENTED = grpc.stream_stream_rpc_method_handler(_unimplemented)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What the calls of one method may take."""

    calls: int = 100  # open at once
    duration_s: float | None = None  # after that a call is ended; None: it may last


class Request(Generic[T]):
    """The one message of a call, which is not received before `read`."""

    def __init__(self, messages: AsyncIterator[T]) -> None:
        self._messages = messages

    async def read(self, limit_s: float) -> T:
        """Receive the message.

        Raises:
            InvalidRequest: it is malformed, or the client ended the call before its end.
            TimedOut: it did not arrive in time.
        """
        try:
            async with asyncio.timeout(limit_s):
                return await anext(self._messages)
        except StopAsyncIteration:
            raise InvalidRequestError("The request ended before its message was complete: send all of it.") from None
        except TimeoutError:
            raise DeadlineExceededError(f"The request did not arrive within {limit_s:g} s: send it faster.") from None


class RequestReader(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # it is generic in the stubs alone
    """Runs the handlers of a port so that nothing is received unbounded.

    Args:
        max_message_bytes: Limit of one message of the port.
        unbounded: Methods that bound their calls and messages themselves; a unary one gets a `Request`.
        bounds: CallLimits of methods that need others than the usual ones.
    """

    def __init__(
        self,
        max_message_bytes: int,
        unbounded: frozenset[str] = frozenset(),
        bounds: Mapping[str, CallLimits] = MappingProxyType({}),
    ) -> None:
        self.max_message_bytes = max_message_bytes
        self._slots = asyncio.Semaphore(max(1, PENDING_BYTES // max_message_bytes))
        self._unbounded, self._bounds = unbounded, bounds
        self._open = Counter[str]()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(details) or UNIMPLEMENTED
        if (size := _metadata_bytes(details)) > METADATA_BYTES:
            return _refusing(InvalidRequestError(f"Metadata of {size} bytes: a call may have {METADATA_BYTES}."))
        if details.method in self._unbounded:
            return _unbounded(handler)
        return _stream(handler, self._bounded(handler, details.method))

    def _bounded(self, handler: Handler, method: str) -> Callable[[Any, AnyContext], Awaitable[None]]:
        act = _behavior(handler)

        async def bounded(messages: AsyncIterator[Any], context: AnyContext) -> None:
            try:
                with self._counted(method):
                    async with asyncio.timeout(self._bound(method).duration_s):
                        await act(messages if handler.request_streaming else await self._read(messages), context)
            except SttError as error:
                await abort(context, error)
            except TimeoutError:
                await abort(
                    context, DeadlineExceededError(f"A call of {method} may last {self._bound(method).duration_s:g} s.")
                )

        return bounded

    def _bound(self, method: str) -> CallLimits:
        return self._bounds.get(method, CallLimits())

    async def _read(self, messages: AsyncIterator[T]) -> T:
        """Receive a message, when not too many others arrive."""
        try:
            async with asyncio.timeout(MESSAGE_S):
                await self._slots.acquire()
        except TimeoutError:
            raise ResourceExhaustedError(
                "Too many requests arrive at the same time: try again later.", RETRY_AFTER_S
            ) from None
        try:
            return await Request(messages).read(MESSAGE_S)
        finally:
            self._slots.release()

    @contextmanager
    def _counted(self, method: str) -> Iterator[None]:
        most = self._bound(method).calls
        if self._open[method] >= most:
            raise ResourceExhaustedError(
                f"{most} calls of {method} are open, the most there may be: end one.", RETRY_AFTER_S
            )
        self._open[method] += 1
        try:
            yield
        finally:
            self._open[method] -= 1


def _metadata_bytes(details: grpc.HandlerCallDetails) -> int:
    return sum(len(key) + len(value) + ENTRY_BYTES for key, value in details.invocation_metadata)


def _refusing(error: SttError) -> Handler:
    async def refuse(_messages: object, context: AnyContext) -> None:
        await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(refuse)


def checked(deserialize: Deserialize[T] | None) -> Deserialize[T] | None:
    """Return a deserializer whose failure is the client's fault, and does not quote the message."""
    if deserialize is None:
        return None
    parse = deserialize

    def parsed(message: bytes) -> T:
        try:
            return parse(message)
        except DecodeError:
            raise InvalidRequestError(
                f"A message of {len(message)} bytes is not the protobuf message that this method takes."
            ) from None

    return parsed


def _behavior(handler: Handler) -> Callable[[Any, AnyContext], Awaitable[None]]:
    """Return what the handler does, as a coroutine that writes its responses itself."""
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
        request_deserializer=checked(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )


def _unbounded(handler: Handler) -> Handler:
    """Return the handler; one of a unary method gets its message as a Request."""
    act = _behavior(handler)
    if handler.request_streaming:
        return _stream(handler, act)

    async def unread(messages: AsyncIterator[Any], context: AnyContext) -> None:
        await act(Request(messages), context)

    return _stream(handler, unread)
