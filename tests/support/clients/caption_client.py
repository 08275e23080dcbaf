"""A viewer of captions: server-sent events over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from stt.v1 import stt_pb2 as pb

from tests.support.clients.page_client import TIMEOUT_S, Json, parsed


@dataclass(frozen=True, slots=True)
class SseEvent:
    """An event; a comment has the kind `:`."""

    kind: str
    data: Json
    id: str

    @property
    def response(self) -> pb.StreamingRecognizeResponse:
        """The response, without its recording."""
        return parsed(json.dumps({name: value for name, value in self.data.items() if name != "recording"}))


class CaptionStream:
    """The response of a viewer."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._text = ""
        self.status = 0

    async def read_head(self) -> None:
        """Read the status and the headers."""
        async with asyncio.timeout(TIMEOUT_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
        self.status = int(head.split()[1])

    async def next(self) -> SseEvent | None:
        """Return the next event or comment; None at the end of the response."""
        while "\n\n" not in self._text:
            async with asyncio.timeout(TIMEOUT_S):
                size = int(await self._reader.readline(), 16)
                part = await self._reader.readexactly(size + 2)
            if not size:
                return None
            self._text += part[:-2].decode()
        block, self._text = self._text.split("\n\n", 1)
        return await self.next() if block.startswith("retry:") else _event(block)

    async def until(self, kind: str) -> list[SseEvent]:
        """Return the events up to the first of this kind."""
        events: list[SseEvent] = []
        while not events or events[-1].kind != kind:
            event = await self.next()
            assert event is not None, f"the stream ended without {kind}, after {events}"
            events.append(event)
        return events


def _event(block: str) -> SseEvent:
    if block.startswith(":"):
        return SseEvent(":", {}, "")
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    return SseEvent(fields["event"], json.loads(fields["data"]), fields.get("id", ""))


@asynccontextmanager
async def viewer(
    address: str, name: str, headers: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[CaptionStream]:
    """View the captions of a name."""
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        lines = [f"GET /api/captions/{name} HTTP/1.1", *(f"{k}: {v}" for k, v in {"Host": address, **headers}.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        stream = CaptionStream(reader)
        await stream.read_head()
        yield stream
    finally:
        writer.close()
