"""A Control client that uses the generated stub directly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from stt.v1 import control_pb2 as pb
from stt.v1 import control_pb2_grpc

Stub = control_pb2_grpc.ControlStub
stub_on: Callable[[grpc.aio.Channel], Stub] = Stub


@asynccontextmanager
async def operator(address: str) -> AsyncIterator[Stub]:
    """Yield a connection to a control port."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield stub_on(channel)


async def rejection(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Return the status code and the message of a rejected call."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""


async def only_session(control: Stub) -> pb.Session:
    session: pb.Session
    [session] = (await control.ListSessions(pb.ListSessionsRequest())).sessions
    return session


async def models(control: Stub) -> dict[str, pb.Model]:
    return {model.name: model for model in (await control.ListModels(pb.ListModelsRequest())).models}


async def status(control: Stub) -> pb.Status:
    answer: pb.GetStatusResponse = await control.GetStatus(pb.GetStatusRequest())
    return answer.status


async def update_settings(control: Stub, **values: str) -> dict[str, str]:
    """Change settings; return all values in force."""
    answer = await control.UpdateConfig(pb.UpdateConfigRequest(values=values))
    return {parameter.name: parameter.value for parameter in answer.parameters}
