"""A server in this process with a client and an operator; its engines return the names of streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stt.v1 import stt_pb2

from stt_service.errors import ModelNotFoundError
from stt_service.server import Server
from tests.support.clients.control_client import Stub, operator
from tests.support.clients.wire_client import Call, Request, connected
from tests.support.clients.wire_client import Stub as Speech
from tests.support.servers.in_process_server import BlockingServerEngine, running_server


@dataclass(frozen=True, slots=True)
class ControlledServer:
    """A server with a client and an operator."""

    server: Server
    control: Stub
    speech: Speech

    async def open_stream(self, name: str) -> Call:
        """Open a stream whose texts are all this name; return once the server lists it."""
        call = Call(self.speech)
        settings = stt_pb2.Settings(language="en", initial_prompt=name)
        await call.send(Request(config=stt_pb2.StreamingConfig(settings=settings, client_id=name)))
        await call.until("started")
        await call.sync()
        return call

    async def model_of_new_stream(self, name: str) -> str:
        """Return the model of a stream that is opened now."""
        call = await self.open_stream(name)
        await call.end()
        return call.responses[0].started.model


@asynccontextmanager
async def controlled_server(
    engine: BlockingServerEngine, max_streams: int = 4, others: Mapping[str, BlockingServerEngine] | None = None
) -> AsyncIterator[ControlledServer]:
    def load(name: str) -> BlockingServerEngine:
        if others is None or name not in others:
            raise ModelNotFoundError(f"{name} is not available.")
        return others[name]

    async with (
        running_server(engine, max_streams, load=load) as server,
        operator(server.control.address) as control,
        connected(server.data.address) as speech,
    ):
        yield ControlledServer(server, control, speech)
