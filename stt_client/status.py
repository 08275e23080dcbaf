"""A server's health, services and round-trip time."""

from __future__ import annotations

import time

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from stt_client.events import ServerStatus
from stt_client.target import Target, to_target
from stt_client.transport.channel import metadata, open_channel, require_message, to_service_error
from stt_client.transport.message_values import name_of

TIMEOUT_S = 5.0
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


async def status(server: str | Target) -> ServerStatus:
    """Return the status of the first address.

    Raises:
        ClientError: An invalid token, or a TLS file that cannot be read.
        ServiceError: The server cannot be reached, or returns an error.
    """
    target = to_target(server)
    address = target.addresses[0]
    async with open_channel(target, address) as channel:
        try:
            await _health(channel, target)  # the first call sets up the connection; the second is timed
            started = time.perf_counter()
            health = await _health(channel, target)
            round_trip_ms = (time.perf_counter() - started) * 1000
            return ServerStatus(health, await _services(channel, target), round_trip_ms)
        except grpc.aio.AioRpcError as error:
            raise to_service_error(error, address) from error


async def _health(channel: grpc.aio.Channel, target: Target) -> str:
    check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
        channel.unary_unary(
            HEALTH,
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
    )
    response = await check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S, metadata=metadata(target))
    health = require_message(response, str(target)).status
    return name_of(health_pb2.HealthCheckResponse.ServingStatus, health).upper()


async def _services(channel: grpc.aio.Channel, target: Target) -> tuple[str, ...]:
    """Return the names of the services; empty where the server has no reflection."""
    reflect: grpc.aio.StreamStreamMultiCallable[
        reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    ] = channel.stream_stream(
        REFLECTION,
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    try:
        async for response in reflect(iter([request]), timeout=TIMEOUT_S, metadata=metadata(target)):
            services = require_message(response, str(target)).list_services_response.service
            return tuple(sorted(service.name for service in services))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
    return ()
