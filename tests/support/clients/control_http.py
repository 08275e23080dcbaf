"""A client of Control over HTTP, with real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message as Headers
from types import MappingProxyType
from typing import Any

TIMEOUT_S = 60.0
JSON = MappingProxyType({"Content-Type": "application/json"})
NONE: Mapping[str, str] = MappingProxyType({})
MAX_LINE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of Control."""

    status: int
    headers: Headers
    content: Any

    @property
    def message(self) -> str:
        """The sentence of an error."""
        return str(self.content["failure"]["message"])


@dataclass(frozen=True, slots=True)
class ControlHttp:
    """Control on an HTTP port."""

    address: str
    token: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, message: object = NONE, **headers: str) -> Answer:
        return await self.send("POST", path, json.dumps(dict(message) if message is NONE else message), headers)

    async def patch(self, values: Mapping[str, str]) -> Answer:
        """Change settings."""
        return await self.send("PATCH", "/settings", json.dumps({"values": dict(values)}))

    async def send(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = NONE) -> Answer:
        """Send a request; a body is declared as JSON unless the headers have another type."""
        declared = {**(NONE if body is None else JSON), **self._authorization(), **headers}
        return await asyncio.to_thread(self._send, method, path, body, declared)

    @asynccontextmanager
    async def events(self, path: str = "/status/events") -> AsyncIterator[AsyncIterator[Any]]:
        """Yield the content of server-sent events as they arrive."""
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=MAX_LINE_BYTES)
        lines = [f"GET /api/control{path} HTTP/1.1", f"Host: {self.address}"]
        lines += [f"{name}: {value}" for name, value in self._authorization().items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            yield _events(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    def _authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"/api/control{path}", body, dict(headers))
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, response.headers, json.loads(content) if content else None)
        finally:
            connection.close()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[Any]:
    """Yield the data of each event until the server ends the response."""
    async with asyncio.timeout(TIMEOUT_S):
        while line := await reader.readline():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
