"""One StreamingRecognize call, from its first message to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
import grpc.aio
from stt.v1 import stt_pb2

from stt_client.errors import ServiceError
from stt_client.events import Event, Started
from stt_client.target import Target
from stt_client.transport import convert
from stt_client.transport.channel import metadata, open_channel, require_message, to_service_error

START_TIMEOUT_S = 10.0  # for the server to accept the stream
METHOD = f"/{stt_pb2.DESCRIPTOR.package}.SpeechToText/StreamingRecognize"

Requests = AsyncGenerator[stt_pb2.StreamingRecognizeRequest, None]
Call = grpc.aio.StreamStreamCall[stt_pb2.StreamingRecognizeRequest, stt_pb2.StreamingRecognizeResponse]


async def stream(target: Target, address: str, requests: Requests) -> AsyncGenerator[Event, None]:
    """Connect, send the requests, then half-close; yield the server's events until it ends the stream.

    Closing the generator cancels the call.

    Raises:
        ServiceError: The connection failed, or the server rejected or aborted the stream.
    """
    async with open_channel(target, address) as channel:
        call = _call(channel, target)
        writer = asyncio.create_task(_send(call, requests))  # canceled below in any case
        try:
            async with aclosing(_events(call, address)) as events:
                async for event in events:
                    yield event
            if writer.done():
                writer.result()
        finally:
            call.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)


def _call(channel: grpc.aio.Channel, target: Target) -> Call:
    method: grpc.aio.StreamStreamMultiCallable[
        stt_pb2.StreamingRecognizeRequest, stt_pb2.StreamingRecognizeResponse
    ] = channel.stream_stream(
        METHOD,
        stt_pb2.StreamingRecognizeRequest.SerializeToString,
        stt_pb2.StreamingRecognizeResponse.FromString,
    )
    return method(None, metadata=metadata(target))


async def _events(call: Call, address: str) -> AsyncGenerator[Event, None]:
    try:
        responses = aiter(call)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                first = await anext(responses)
        except TimeoutError as error:
            raise ServiceError(f"{address} does not answer.", "UNAVAILABLE") from error
        except StopAsyncIteration:
            return
        yield _require_started(convert.event_of(require_message(first, address)), address)
        async for response in responses:
            yield convert.event_of(require_message(response, address))
    except grpc.aio.AioRpcError as error:
        raise to_service_error(error, address) from error


def _require_started(first: Event, address: str) -> Event:
    """Return the first event. Audio is sent only after `started`, so with any other both sides would wait forever."""
    if not isinstance(first, Started):
        raise ServiceError(f"{address} did not start the stream: its first message is not `started`.", "INTERNAL")
    return first


async def _send(call: Call, requests: Requests) -> None:
    """Write the requests, then half-close. The reading side reports why a call ended."""
    try:
        async with aclosing(requests):
            async for request in requests:
                await call.write(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return  # the call has ended
