"""A client of the page's API, over real sockets: HTTP requests, and the stream of a browser."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message as Headers
from types import MappingProxyType
from typing import TypeAlias

from google.protobuf.json_format import ParseDict
from stt.v1 import stt_pb2 as pb
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, CloseCode
from websockets.typing import Origin, Subprotocol

Json: TypeAlias = dict[str, object]
SUBPROTOCOL = "stt.v1.json"
TIMEOUT_S = 60.0
END = json.dumps({"end": {}})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response with its whole body."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Json:
        body: Json = json.loads(self.body)
        return body


@dataclass(frozen=True, slots=True)
class PageResult:
    """All responses of a stream, and how the server closed it."""

    responses: tuple[pb.StreamingRecognizeResponse, ...]
    code: int
    reason: str

    @property
    def texts(self) -> list[str]:
        return [response.final.text for response in self.responses if response.HasField("final")]

    @property
    def failure(self) -> pb.Failure:
        return self.responses[-1].failure


async def request(
    address: str,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
    tls: ssl.SSLContext | None = None,
) -> HttpResponse:
    """Return the response; the path is sent as it is."""

    def send() -> HttpResponse:
        connection = (
            http.client.HTTPConnection(address, timeout=TIMEOUT_S)
            if tls is None
            else http.client.HTTPSConnection(address, timeout=TIMEOUT_S, context=tls)
        )
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return HttpResponse(response.status, response.headers, response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(send)


@asynccontextmanager
async def page_stream(
    address: str,
    *,
    token: str = "",
    origin: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[ClientConnection]:
    """Connect as a browser does, with a token in a subprotocol."""
    encoded = base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    subprotocols = [Subprotocol(SUBPROTOCOL), *([Subprotocol(f"stt-token.{encoded}")] if token else [])]
    async with connect(
        f"{'ws' if tls is None else 'wss'}://{address}/api/stream",
        ssl=tls,
        subprotocols=subprotocols,
        origin=None if origin is None else Origin(origin),
        additional_headers=headers,
        proxy=None,
        compression=None,
    ) as socket:
        yield socket


def config(language: str = "en", **fields: object) -> str:
    """Return a first message."""
    return json.dumps({"config": {"settings": {"language": language}, **fields}})


def chunks(pcm: bytes, size: int = 32_000) -> list[bytes]:
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


async def read_to_end(socket: ClientConnection) -> PageResult:
    """Read until the server closes the connection."""
    responses = []
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                responses.append(parsed(await socket.recv()))
    except ConnectionClosed as closed:
        close = closed.rcvd or Close(CloseCode.ABNORMAL_CLOSURE, "")
    return PageResult(tuple(responses), close.code, close.reason)


async def send_messages(address: str, messages: Sequence[str | bytes], token: str = "") -> PageResult:
    """Return the result of a stream of these messages."""
    async with page_stream(address, token=token) as socket:
        try:
            for message in messages:
                await socket.send(message)
        except ConnectionClosed:
            pass  # the result has the reason
        return await read_to_end(socket)


def parsed(message: str | bytes) -> pb.StreamingRecognizeResponse:
    """Return a message of the server, which must be proto3 JSON."""
    assert isinstance(message, str)
    return ParseDict(json.loads(message), pb.StreamingRecognizeResponse())
