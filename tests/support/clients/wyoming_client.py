"""A client of the Wyoming port that sends any bytes and reads events with the official package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wyoming.asr import Transcribe, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event

TIMEOUT_S = 60.0
CHUNK_BYTES = 2048
RATE_HZ, WIDTH, CHANNELS = 16_000, 2, 1


class WyomingClient:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def send(self, *messages: Eventable) -> None:
        for message in messages:
            await async_write_event(message.event(), self.writer)

    async def send_bytes(self, content: bytes, *, close: bool = False) -> None:
        """Send any bytes; `close` then ends this direction of the connection."""
        with suppress(ConnectionError):
            self.writer.write(content)
            await self.writer.drain()
            if close:
                self.writer.write_eof()

    async def start(self, request: Transcribe | None = None) -> None:
        await self.send(*([] if request is None else [request]), AudioStart(RATE_HZ, WIDTH, CHANNELS))

    async def send_audio(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), CHUNK_BYTES):
            await self.send(AudioChunk(RATE_HZ, WIDTH, CHANNELS, pcm[at : at + CHUNK_BYTES]))

    async def send_recording(self, pcm: bytes, request: Transcribe | None = None) -> None:
        await self.start(request)
        await self.send_audio(pcm)
        await self.send(AudioStop())

    async def receive(self) -> Event | None:
        """Return the next event; None if the server has closed the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                return await async_read_event(self._reader)
            except (ConnectionError, asyncio.IncompleteReadError):
                return None

    async def until_stop(self) -> list[Event]:
        """Return the events of a transcription."""
        events = list[Event]()
        while not events or not TranscriptStop.is_type(events[-1].type):
            event = await self.receive()
            assert event is not None, events
            events.append(event)
        return events

    async def rejection(self) -> Error:
        """Return the error after which the server closes the connection."""
        event = await self.receive()
        assert event is not None
        assert Error.is_type(event.type), event
        assert await self.receive() is None
        return Error.from_event(event)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def wyoming_client(port: int) -> AsyncIterator[WyomingClient]:
    """Yield a connection to a port of this machine."""
    client = WyomingClient(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield client
    finally:
        await client.close()
