"""Reaches a server's Control. Knows gRPC; `operations.py` knows what is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc.aio
from stt.v1 import control_pb2_grpc

from stt_client.target import Target
from stt_client.transport.channel import metadata, open_channel, to_service_error

TIMEOUT_S = 5.0
Control = control_pb2_grpc.ControlStub
_control_on: Callable[[grpc.aio.Channel], Control] = Control


@asynccontextmanager
async def operating(target: Target) -> AsyncIterator[tuple[Control, tuple[tuple[str, str], ...]]]:
    """Yield Control at the first address, and the metadata for each call.

    Raises:
        ServiceError: it cannot be reached, or refuses.
    """
    address = target.addresses[0]
    async with open_channel(target, address) as channel:
        try:
            yield _control_on(channel), metadata(target)
        except grpc.aio.AioRpcError as error:
            raise to_service_error(error, address) from error
