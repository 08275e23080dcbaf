"""Pings of WebSockets: a silent client is disconnected, one whose input waits to be read is not."""

from __future__ import annotations

import asyncio
import base64

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.frames import Frame, Opcode

from stt_service.access.listen_address import ListenAddress
from stt_service.http.listener import HttpListener

PING_S = 0.1
TIMEOUT_S = 30.0
PINGS = 3
CLOSED = 1011
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
)


async def received_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    opcode, length = await reader.readexactly(2)
    return opcode & 15, await reader.readexactly(length)


async def test_client_is_not_disconnected_while_its_input_is_not_read() -> None:
    """Its pong would be behind that input. Once it is read, the silent client is disconnected."""
    reading = asyncio.Event()

    async def echo_later(websocket: WebSocket) -> None:
        await websocket.accept()
        await reading.wait()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            pass

    app = Starlette(routes=[WebSocketRoute("/", echo_later)])
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), app, ping_s=PING_S)
    listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.number)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            writer.write(UPGRADE.encode())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(Frame(Opcode.TEXT, b"hello").serialize(mask=True))
            for _ in range(PINGS):
                assert (await received_frame(reader))[0] == Opcode.PING
            reading.set()
            frames = [await received_frame(reader)]
            while frames[-1][0] != Opcode.CLOSE:
                frames.append(await received_frame(reader))
    finally:
        reading.set()
        writer.close()
        await listener.stop()
    assert (Opcode.TEXT, b"hello") in frames
    assert int.from_bytes(frames[-1][1][:2], "big") == CLOSED
