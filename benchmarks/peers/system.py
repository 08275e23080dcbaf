"""Shared parts of the peers: a server on a free port, and a WebSocket for each stream."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.comparison.systems import Connection, Message, System
from benchmarks.harness.ports import free_ports
from benchmarks.peers.environment import PeerEnvironment
from benchmarks.peers.process import PeerProcess
from stt_service.models.store import models_folder, resolve

ENDPOINT_S = 0.7
FINALS = "base"
OPEN_TIMEOUT_S = 30.0  # a server that computes on its event loop answers late
CLOSE_S = 3.0


class Peer(System):
    """A peer's server, on the CPU only. Weights are never downloaded: `make setup` has done so."""

    ports = 1  # number of ports; clients connect to the first
    ready: str  # pattern of the output line that shows readiness
    url: str  # of the first port, once it runs

    def __init__(self, language: str, environment: PeerEnvironment) -> None:
        self.language = language
        self.environment = environment
        self.partials = "tiny.en" if language == "en" else FINALS  # of peers that use two models

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            NotInstalledError: it is not installed.
            ModelNotFoundError: the weights are missing.
            ServiceError: it does not start.
        """
        ports = free_ports(self.ports)
        self.url = f"ws://127.0.0.1:{ports[0]}"
        self._process = PeerProcess(
            self.command(ports),
            ready=self.ready,
            settings={"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", **self.settings()},
            folder=self.environment.folder,
        )
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @abstractmethod
    def command(self, ports: Sequence[int]) -> list[str | Path]:
        """Return the command that starts it."""

    def settings(self) -> dict[str, str]:
        """Return its additional environment variables."""
        return {}


def weights(name: str) -> Path:
    """Return the folder of a model's weights, which must exist.

    Raises:
        ModelNotFoundError: they are missing.
    """
    return resolve(name, models_folder(os.environ.get("MODELS_DIR", "")), fetch=False)


class PeerConnection(Connection):
    """A stream over a WebSocket. Subclasses send the greeting, frame the audio and parse the messages."""

    def __init__(self, url: str) -> None:
        self.over = False  # set by `parse` if the server has finished and expects the client to close
        self._url = url
        self._connected: ClientConnection | None = None

    @property
    def socket(self) -> ClientConnection:
        assert self._connected is not None, "open() comes first"
        return self._connected

    async def open(self) -> None:
        self._connected = await connect(
            self._url,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_S,
            ping_interval=None,  # a server that computes on its event loop would miss keepalive pings
            compression=None,
            proxy=None,
            max_size=None,
        )
        await self.greet()

    async def greet(self) -> None:
        """Send the messages before the audio."""

    async def send(self, pcm: bytes) -> None:
        await self.socket.send(pcm)

    async def finish(self) -> None:
        """Do nothing: most protocols have no such message."""

    async def messages(self) -> AsyncIterator[Message]:
        async for raw in self.socket:
            at = monotonic()
            for message in self.parse(raw, at):
                yield message
            if self.over:
                return

    @abstractmethod
    def parse(self, raw: str | bytes, at: float) -> list[Message]:
        """Return the text that the peer's own client would show for the message."""

    async def close(self) -> None:
        if self._connected is not None:
            await self._connected.close()
