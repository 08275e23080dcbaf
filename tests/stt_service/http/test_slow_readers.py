"""Clients that do not read their response: the connection is aborted, with one line in the log and no traceback."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route, Router
from websockets.frames import Frame, Opcode

from stt_service.access.listen_address import ListenAddress
from stt_service.http import guard
from stt_service.http.guard import AccessRules, Guard
from stt_service.http.listener import HttpListener
from stt_service.http.openai.errors import reject
from stt_service.http.openai.realtime import Realtime
from tests.support.servers.scripted_speech import ScriptedSpeech

if TYPE_CHECKING:
    from starlette.requests import Request

    from stt_service.recognition.speech_service import SpeechService

SEND_TIMEOUT_S = 0.2
RECEIVE_BYTES = 4096  # buffered by the client's system
CHUNK = bytes(2**16)
TIMEOUT_S = 30.0
HANDSHAKE = (
    "GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
)


@asynccontextmanager
async def listening() -> AsyncIterator[HttpListener]:
    realtime = Realtime(
        cast("SpeechService", ScriptedSpeech(".")), failure_timeout_s=SEND_TIMEOUT_S / 4
    )  # no audio arrives
    routes = Router(routes=[Route("/endless", endless), *realtime.routes])
    app = Guard(routes, AccessRules(), reject, send_timeout_s=SEND_TIMEOUT_S)
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), Starlette(routes=[Mount("/", app=app)]))
    listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


async def endless(_request: Request) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield CHUNK

    return StreamingResponse(body())


def connect(listener: HttpListener) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    client.settimeout(TIMEOUT_S)
    client.connect(("127.0.0.1", listener.number))
    return client


def read_to_end(client: socket.socket) -> None:
    while client.recv(2**20):
        pass


class LogWatch(logging.Handler):
    """Sets an event when a connection is aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("connection aborted"):
            self.aborted.set()


@pytest.fixture
def aborted() -> Iterator[asyncio.Event]:
    watch, log = LogWatch(), logging.getLogger(guard.__name__)
    log.addHandler(watch)
    yield watch.aborted
    log.removeHandler(watch)


def assert_one_line(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    expected = 'connection aborted peer=127.0.0.1 reason="The client read no response for 0.2 s." dropped_lines=0'
    assert (line.getMessage(), line.exc_info) == (expected, None)


async def test_response_that_is_not_read_is_aborted(caplog: pytest.LogCaptureFixture, aborted: asyncio.Event) -> None:
    async with asyncio.timeout(TIMEOUT_S), listening() as listener:
        with connect(listener) as client:
            await asyncio.to_thread(client.sendall, b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await aborted.wait()
            await asyncio.to_thread(read_to_end, client)
    assert_one_line(caplog)


async def test_events_that_are_not_read_abort_the_realtime_connection(
    caplog: pytest.LogCaptureFixture, aborted: asyncio.Event
) -> None:
    update = {"type": "session.update", "session": {"audio": {"input": {"transcription": {"prompt": "x" * 2000}}}}}
    frame = Frame(Opcode.TEXT, json.dumps(update).encode()).serialize(mask=True)
    async with asyncio.timeout(TIMEOUT_S), listening() as listener:
        with connect(listener) as client:
            await asyncio.to_thread(client.sendall, HANDSHAKE.encode())
            assert (await asyncio.to_thread(client.recv, 12)) == b"HTTP/1.1 101"
            error = await asyncio.to_thread(send_until_closed, client, frame)
            assert isinstance(error, ConnectionResetError | BrokenPipeError)
            assert aborted.is_set()
    assert_one_line(caplog)


def send_until_closed(client: socket.socket, frame: bytes) -> OSError:
    while True:
        try:
            client.sendall(frame)
        except OSError as error:
            return error
