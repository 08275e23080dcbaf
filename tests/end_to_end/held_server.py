"""A whole server in this process whose engine waits until it is let: its texts are the names of its streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from held_engine import Engine
from wire_client import health

from stt_service.models import Models, Names, Plan
from stt_service.parameters import Parameters
from stt_service.server import Server

if TYPE_CHECKING:
    from stt_service import engine


class HeldEngine(Engine):
    """The engine's face, as the server knows it."""

    multilingual = True


@asynccontextmanager
async def serving(held: HeldEngine, max_streams: int, data_port: int = 0) -> AsyncIterator[Server]:
    """Have a server with this engine; it is drained at the end, if it was not before."""
    server = Server(Parameters.model_validate({"data_port": data_port, "control_port": 0}))
    await server.start()
    model = cast("engine.Engine", held)
    models = Models(Names("base", "base"), model, model, Plan(workers=1, places=1, threads=1))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.serve(models, max_streams))
        while await health(server.data.address) != "SERVING":
            pass
        try:
            yield server
        finally:
            held.release()
            await server.drain()
            running.cancel()
