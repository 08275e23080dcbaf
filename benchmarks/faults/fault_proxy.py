"""A TCP proxy on a free loopback port that closes connections after a number of bytes, goes silent, or stalls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

READ_BYTES = 4096


class FaultProxy:
    """Connections go to the backends round-robin."""

    def __init__(self, backends: Sequence[str], next_limit: Callable[[], int | None]) -> None:
        """`next_limit` returns the bytes, in both directions, after which a new connection is closed; None: never."""
        self._backends = cycle(backends)
        self._next_limit = next_limit
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._silent: list[asyncio.Event] = []
        self._network = asyncio.Event()  # set while it forwards data
        self._network.set()
        self._carried: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.address = ""
        self.cuts = 0

    def fall_silent(self) -> None:
        """Forward nothing more on the existing connections, without closing them: as in a dead network."""
        self._flowing.clear()
        self._silent.append(self._flowing)
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def stall(self, length_s: float) -> None:
        """Forward nothing for the given time, also on new connections, then all data received meanwhile."""
        self._network.clear()
        try:
            await asyncio.sleep(length_s)
        finally:
            self._network.set()

    async def end(self) -> None:
        """Close all connections."""
        for flowing in self._silent:
            flowing.set()
        for writer in self._carried.values():
            writer.transport.abort()
        await asyncio.gather(*self._carried)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        carrying = asyncio.create_task(self._carry(reader, writer))
        self._carried[carrying] = writer
        await carrying
        del self._carried[carrying]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = next(self._backends).rpartition(":")
        try:
            beyond_reader, beyond_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self._next_limit(), (self._flowing, self._network))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(connection.pump(reader, beyond_writer))
                tasks.create_task(connection.pump(beyond_reader, writer))
        except* (OSError, _LimitReachedError) as group:
            self.cuts += group.subgroup(_LimitReachedError) is not None
        finally:
            writer.transport.abort()
            beyond_writer.transport.abort()


class _LimitReachedError(Exception):
    """The connection has reached its limit."""


class _Connection:
    def __init__(self, limit: int | None, gates: Sequence[asyncio.Event]) -> None:
        """Forward so many bytes, while all gates are open."""
        self._left = limit
        self._gates = gates

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            for gate in self._gates:
                await gate.wait()
            if self._left is not None:
                data = data[: self._left]
                self._left -= len(data)
            writer.write(data)
            await writer.drain()
            if self._left == 0:
                raise _LimitReachedError
        raise OSError  # one side has closed: close the other


@asynccontextmanager
async def proxying(backends: Sequence[str], next_limit: Callable[[], int | None]) -> AsyncIterator[FaultProxy]:
    """Run a proxy; leaving ends its connections."""
    proxy = FaultProxy(backends, next_limit)
    serving = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    host, port = serving.sockets[0].getsockname()
    proxy.address = f"{host}:{port}"
    try:
        yield proxy
    finally:
        serving.close()
        await proxy.end()
