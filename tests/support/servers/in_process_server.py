"""A complete server in this process whose engine waits until it is released; its texts are the names of its streams."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from stt_service.access.admission import ServingState
from stt_service.access.credentials import load_credentials
from stt_service.errors import ModelNotFoundError
from stt_service.models.devices import Device
from stt_service.models.loader import ComputePlan, LoadedModels, ModelNames, SelfTest
from stt_service.models.startup import LoadedServer, assemble
from stt_service.server import Server
from stt_service.settings.schema import ServerSettings
from tests.support.models.blocking_engine import BlockingEngine

if TYPE_CHECKING:
    from stt_service.models.registry import ModelLoader
    from stt_service.whisper import engine


class BlockingServerEngine(BlockingEngine):
    """The engine with the interface that the server uses."""

    compute_type = "int8"

    def __init__(self, *, multilingual: bool = True) -> None:
        super().__init__()
        self.multilingual = multilingual
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def load_no_other_model(name: str) -> BlockingServerEngine:
    raise ModelNotFoundError(f"{name} is not available.")


@dataclass(frozen=True, slots=True)
class EngineLoader:
    """Loads models by name and accepts every model as valid."""

    load: Callable[[str], BlockingServerEngine]

    async def check(self, name: str) -> Path:
        return Path(name)

    def open(self, name: str, folder: Path) -> BlockingServerEngine:
        return self.load(name)


def loaded_server(
    held: BlockingServerEngine, load: Callable[[str], BlockingServerEngine], settings: Callable[[], ServerSettings]
) -> LoadedServer:
    """Return the loaded server of a startup with this engine."""
    model = cast("engine.Engine", held)
    models = LoadedModels(ModelNames("base", "base"), model, model, ComputePlan(workers=1, slots=1, threads=1))
    device = Device("cuda", "cpu", reason="libcuda.so.1 is missing")
    return assemble(device, models, SelfTest(0.6, 0.15), cast("ModelLoader", EngineLoader(load)), settings)


@asynccontextmanager
async def running_server(
    held: BlockingServerEngine,
    max_streams: int,
    data_port: int = 0,
    load: Callable[[str], BlockingServerEngine] = load_no_other_model,
    more: Mapping[str, object] = MappingProxyType({}),
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Server]:
    """Run a server with this engine; drain it on exit unless it has drained."""
    language = "ru" if held.multilingual else "en"
    ports = {"data_port": data_port, "control_port": 0, "http_port": 0}
    parameters = ServerSettings.model_validate({**ports, "max_streams": max_streams, "language": language, **more})
    server = Server(parameters, load_credentials(parameters, now))
    await server.start()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.serve(loaded_server(held, load, server.settings)))
        while server.state is not ServingState.SERVING:  # noqa: ASYNC110  (it notifies only Health)
            await asyncio.sleep(0)
        try:
            yield server
        finally:
            held.release()
            await server.drain()
            running.cancel()
