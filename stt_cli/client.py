"""Speaks to the server: an async iterator of audio in, of events out.

The only client file that knows gRPC. It plays no part in where audio comes from or where text goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from stt.v1 import stt_pb2

from stt_cli import wire
from stt_cli.errors import ServiceError, Unreachable
from stt_cli.events import Connection, ConnectionState, Event, Input, ServerStatus, Started, StreamOptions

CONNECT_TIMEOUT_S = 5.0
STATUS_TIMEOUT_S = 5.0
STREAMING = f"/{stt_pb2.DESCRIPTOR.package}.SpeechToText/StreamingRecognize"
LOST_STATUS = "Internal error from Core"  # what gRPC leaves of a status that came while it was writing
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

Call = grpc.aio.StreamStreamCall[stt_pb2.StreamingRecognizeRequest, stt_pb2.StreamingRecognizeResponse]


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: who signed the server's certificate (else the system's authorities), and the client's own."""

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where to find a server: addresses HOST:PORT in order of preference, each of which may be several by DNS."""

    addresses: tuple[str, ...]
    token: str | None = None
    tls: Tls | None = None  # None: no TLS


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on without a server, in seconds, and how much audio may wait for one."""

    first_s: float = 5.0  # before one has ever answered
    lost_s: float = 3600.0  # once one has
    owed_s: float = 60.0  # once the audio has ended
    kept_s: float = 3600.0  # of audio that is not settled; then no more is taken. More than a minute goes to disk


async def recognize(
    server: str | Target,
    source: AsyncIterator[Input],
    options: StreamOptions,
    patience: Patience = Patience(),
) -> AsyncGenerator[Event, None]:
    """Recognise a dictation; yield what is said of it until nothing more is owed.

    `server` is HOST:PORT, or several with commas. The source is read from the first moment on, and what is not settled
    is kept: a lost server costs no word.
    """
    addresses = server.split(",") if isinstance(server, str) else server.addresses
    yield Connection(ConnectionState.CONNECTING)
    async with connect(addresses[0]) as client, aclosing(client.recognize(source, options)) as events:
        async for event in events:
            if isinstance(event, Started):
                yield Connection(ConnectionState.CONNECTED)
            yield event


@asynccontextmanager
async def connect(server: str, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncIterator[Client]:
    """Yield a client whose connection stands.

    Raises:
        Unreachable: when the address refuses, or does not answer in time.
    """
    async with grpc.aio.insecure_channel(server) as channel:
        try:
            async with asyncio.timeout(timeout_s):
                ready = await _is_ready(channel)
        except TimeoutError:
            ready = False
        if not ready:
            raise Unreachable(server)
        yield Client(channel, server)


async def _is_ready(channel: grpc.aio.Channel) -> bool:
    """Wait until all addresses of the server have been tried, or one answered."""
    state = channel.get_state(try_to_connect=True)
    while state not in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE):
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
    return state is grpc.ChannelConnectivity.READY


class Client:
    """One connection; any number of streams may run on it at once."""

    def __init__(self, channel: grpc.aio.Channel, server: str) -> None:
        self._channel = channel
        self._server = server

    async def recognize(self, chunks: AsyncIterator[Input], options: StreamOptions) -> AsyncGenerator[Event, None]:
        """Stream the audio; yield what the server says until it owes nothing more.

        The end of `chunks` half-closes the stream. An error of theirs does so too and is raised again once
        the finals owed have come. Closing the generator cancels the stream.

        Raises:
            ServiceError: when the server refuses, fails or is lost.
        """
        method: grpc.aio.StreamStreamMultiCallable[
            stt_pb2.StreamingRecognizeRequest, stt_pb2.StreamingRecognizeResponse
        ] = self._channel.stream_stream(
            STREAMING,
            stt_pb2.StreamingRecognizeRequest.SerializeToString,
            stt_pb2.StreamingRecognizeResponse.FromString,
        )
        call = method(None)
        writer = asyncio.create_task(_send(call, chunks, options))  # ended below, whatever happens
        try:
            async with aclosing(self._events(call)) as events:
                async for event in events:
                    yield event
            if writer.done():
                writer.result()  # raises the error of the source, if there was one
        finally:
            call.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _events(self, call: Call) -> AsyncGenerator[Event, None]:
        try:
            async for response in call:
                event = wire.event_of(response)
                if event is not None:
                    yield event
        except grpc.aio.AioRpcError as error:
            raise self._explained(error) from error

    async def status(self) -> ServerStatus:
        """Ask whether the server serves, what, and how long an answer takes."""
        try:
            await self._health()  # the first call pays for setting up; the second is timed
            asked = time.perf_counter()
            health = await self._health()
            round_trip_ms = (time.perf_counter() - asked) * 1000
            return ServerStatus(health, await self._services(), round_trip_ms)
        except grpc.aio.AioRpcError as error:
            raise self._explained(error) from error

    async def _health(self) -> str:
        check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
            self._channel.unary_unary(
                HEALTH,
                health_pb2.HealthCheckRequest.SerializeToString,
                health_pb2.HealthCheckResponse.FromString,
            )
        )
        response = await check(health_pb2.HealthCheckRequest(), timeout=STATUS_TIMEOUT_S)
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return name

    async def _services(self) -> tuple[str, ...]:
        """Return the names of the services; empty where the server has no reflection."""
        reflect: grpc.aio.StreamStreamMultiCallable[
            reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
        ] = self._channel.stream_stream(
            REFLECTION,
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        question = reflection_pb2.ServerReflectionRequest(list_services="*")
        try:
            async for response in reflect(iter([question]), timeout=STATUS_TIMEOUT_S):
                return tuple(sorted(service.name for service in response.list_services_response.service))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
        return ()

    def _explained(self, error: grpc.aio.AioRpcError) -> ServiceError:
        """Put a status that came without a `failure` in a sentence."""
        status, details = error.code().name, error.details() or "no reason given"
        if details == LOST_STATUS:
            return ServiceError(f"{self._server} broke off the stream and gave no reason.", "UNKNOWN")
        match error.code():
            case grpc.StatusCode.UNIMPLEMENTED:
                message = f"what answers at {self._server} is no stt-server: {details}"
            case grpc.StatusCode.UNAVAILABLE:
                message = f"the connection to {self._server} was lost: {details}"
            case _:
                message = f"{self._server} answered {status}: {details}"
        return ServiceError(message, status)


async def _send(call: Call, chunks: AsyncIterator[Input], options: StreamOptions) -> None:
    """Write config and audio, then half-close. What ends the call is told by its reading side."""
    try:
        await call.write(wire.config_request(options))
        try:
            async for chunk in chunks:
                if isinstance(chunk, bytes):
                    await call.write(wire.audio_request(chunk))
        finally:
            if not _being_cancelled():
                await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return  # the call has ended


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
