"""Bounds of connections: which one is closed, when a client stops reading, and that responses arrive before the end."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from hashlib import sha256
from random import randbytes

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from stt_service.access.certificates import CertificateFiles, Pem, read
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.listen_address import ListenAddress
from stt_service.http.connections import (
    MAX_WAITING,
    READ_BYTES,
    SEND_TIMEOUT_S,
    ConnectionTable,
    SlicedReads,
    WriteTimer,
)
from stt_service.http.listener import HttpListener
from stt_service.http.protocols import MAX_FRAGMENTS, BoundedHttpProtocol, BoundedWebSocketProtocol
from stt_service.http.tls import HANDSHAKE_TIMEOUT_S
from tests.support.environment.certificates import CertificateAuthority
from tests.support.timelines.virtual_time import VirtualTimeLoop

TIMEOUT_S = 30
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, BINARY, CONTINUATION, PING, CLOSE = 1, 2, 0, 9, 8


class FakeConnection:
    """A connection that leaves the table when it is aborted."""

    def __init__(self, table: ConnectionTable) -> None:
        self._table, self.aborted = table, False

    def abort(self) -> None:
        self.aborted = True
        self._table.remove(self)


def test_connection_that_waits_longest_is_closed_for_a_new_one() -> None:
    table = ConnectionTable(3)
    first, second, busy, new = (FakeConnection(table) for _ in range(4))
    for connection in (busy, second, first):
        table.add(connection)
        table.wait(connection)
    table.stop_waiting(busy)
    table.add(new)
    assert [each.aborted for each in (busy, second, first, new)] == [False, True, False, False]


def test_new_connection_is_closed_if_none_waits() -> None:
    table = ConnectionTable(1)
    busy, new = FakeConnection(table), FakeConnection(table)
    table.add(busy)
    table.add(new)
    assert (busy.aborted, new.aborted) == (False, True)


def test_waiting_connections_are_limited() -> None:
    table = ConnectionTable(10 * MAX_WAITING)
    connections = [FakeConnection(table) for _ in range(MAX_WAITING + 1)]
    for connection in connections:
        table.add(connection)
        table.wait(connection)
    assert [each.aborted for each in connections] == [True, *[False] * MAX_WAITING]


class FakeTransport(asyncio.Transport):
    """A transport with pending output."""

    pending_bytes = 100
    aborted_s: float | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.pending_bytes

    def abort(self) -> None:
        self.aborted_s = asyncio.get_running_loop().time()


async def stalled(reads_at_s: float | None) -> float | None:
    """Return when a connection is aborted whose client reads some bytes at that time."""
    transport, loop = FakeTransport(), asyncio.get_running_loop()
    WriteTimer(transport, loop).start()
    if reads_at_s is not None:
        await asyncio.sleep(reads_at_s)
        transport.pending_bytes -= 1
    await asyncio.sleep(10 * SEND_TIMEOUT_S)
    return transport.aborted_s


@pytest.mark.parametrize(("reads_at_s", "aborted_s"), [(None, SEND_TIMEOUT_S), (20.0, 2 * SEND_TIMEOUT_S)])
def test_client_that_reads_nothing_for_the_send_timeout_is_disconnected(
    reads_at_s: float | None, aborted_s: float
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(stalled(reads_at_s)) == pytest.approx(aborted_s)


async def reject(request: Request) -> PlainTextResponse:
    """Answer without reading the body."""
    return PlainTextResponse("rejected", 413, {"Connection": request.query_params.get("connection", "keep-alive")})


async def digest(request: Request) -> PlainTextResponse:
    """Answer with a hash of the body."""
    return PlainTextResponse(sha256(await request.body()).hexdigest())


async def echo_lengths(websocket: WebSocket) -> None:
    """Answer each message with its length."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(str(len(await websocket.receive_text())))
    except (WebSocketDisconnect, KeyError):
        pass


@asynccontextmanager
async def serving(pem: ReloadingFile[Pem] | None = None) -> AsyncIterator[HttpListener]:
    routes = [
        Route("/", reject, methods=["GET", "POST"]),
        Route("/digest", digest, methods=["POST"]),
        WebSocketRoute("/socket", echo_lengths),
    ]
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), Starlette(routes=routes), pem)
    listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plain() -> AsyncIterator[HttpListener]:
    async with serving() as listener:
        yield listener


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def encrypted(authority: CertificateAuthority) -> AsyncIterator[HttpListener]:
    issued = authority.issue("server")
    files = CertificateFiles(issued.cert_file, issued.key_file)
    async with serving(ReloadingFile(files.all, lambda: read(files))) as listener:
        yield listener


def opened(port: HttpListener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port.number), timeout=TIMEOUT_S)


def response(client: socket.socket) -> tuple[int, str]:
    received = http.client.HTTPResponse(client)
    received.begin()
    return received.status, received.read().decode()


def upload_and_read(port: HttpListener, connection: str) -> tuple[int, str]:
    """Send a body of 16 MiB to its end, as most clients do, and then read the response."""
    head = f"POST /?connection={connection} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2**24}\r\n\r\n"
    with opened(port) as client:
        client.sendall(head.encode())
        for _ in range(256):
            client.sendall(bytes(2**16))
        return response(client)


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_client_receives_a_rejection_that_is_sent_while_it_is_still_sending(
    plain: HttpListener, connection: str
) -> None:
    assert await asyncio.to_thread(upload_and_read, plain, connection) == (413, "rejected")


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 20_000, 431, "Invalid HTTP request: Receive buffer too long."),
        (b"GET /" + b"a" * 10**6 + b" HTTP/1.1\r\n", 431, "Invalid HTTP request: Receive buffer too long."),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Invalid HTTP request: Missing mandatory Host: header."),
        (b"\x16\x03\x01\x02\x00\x01" + bytes(500), 400, "Invalid protocol: this port expects HTTP without TLS."),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            400,
            "Invalid protocol: this port expects HTTP/1.1; gRPC clients use DATA_PORT.",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "Invalid HTTP request: it has both Content-Length and Transfer-Encoding.",
        ),
    ],
    ids=["header bomb", "long URL", "no host", "TLS", "HTTP/2", "smuggling"],
)
async def test_request_that_is_not_http_is_answered_with_its_reason(
    plain: HttpListener, sent: bytes, status: int, sentence: str
) -> None:
    def send() -> tuple[int, str, bytes]:
        with opened(plain) as client:
            client.sendall(sent)
            return (*response(client), client.recv(1))

    assert await asyncio.to_thread(send) == (status, f"{sentence}\n", b"")


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """Return a masked frame with a short payload."""
    return bytes([final << 7 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


@contextmanager
def websocket(port: HttpListener) -> Iterator[socket.socket]:
    with opened(port) as client:
        client.sendall(UPGRADE)
        received = http.client.HTTPResponse(client)
        received.begin()
        assert received.status == 101
        yield client


def received_frame(client: socket.socket) -> tuple[int, bytes]:
    opcode, length = client.recv(2, socket.MSG_WAITALL)
    return opcode & 15, client.recv(length, socket.MSG_WAITALL)


@pytest.mark.parametrize(
    ("sent", "closed_with"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, final=False) + frame(CONTINUATION, final=False) * MAX_FRAGMENTS, 1009),
        (b"\x81\xff" + (2**20 + 1).to_bytes(8, "big") + bytes(4), 1009),
        (b"\x81\x01x", 1002),
        (b"\xf1\x80" + bytes(4), 1002),
    ],
    ids=["not UTF-8", "empty fragments", "too large", "unmasked", "reserved bits"],
)
async def test_invalid_frame_closes_its_websocket_with_a_code(
    plain: HttpListener, sent: bytes, closed_with: int, caplog: pytest.LogCaptureFixture
) -> None:
    def send() -> tuple[int, int]:
        with websocket(plain) as client:
            client.sendall(sent)
            opcode, payload = received_frame(client)
            return opcode, int.from_bytes(payload[:2], "big")

    assert await asyncio.to_thread(send) == (CLOSE, closed_with)
    assert not caplog.records


async def test_message_in_fragments_is_one_message(plain: HttpListener) -> None:
    def send() -> tuple[int, bytes]:
        with websocket(plain) as client:
            client.sendall(frame(TEXT, b"ab", final=False) + frame(CONTINUATION, b"c"))
            return received_frame(client)

    assert await asyncio.to_thread(send) == (TEXT, b"3")


async def test_websocket_is_not_read_while_its_client_does_not_read(plain: HttpListener) -> None:
    """Each ping has a pong: without a limit, the server would queue all of them."""

    def send() -> int:
        with websocket(plain) as client:
            client.settimeout(1)
            pings, sent_bytes = frame(PING, bytes(100)) * 1000, 0
            try:
                while sent_bytes < 64 * 2**20:
                    sent_bytes += client.send(pings)
            except TimeoutError:
                pass
            return sent_bytes

    assert await asyncio.to_thread(send) < 32 * 2**20


class Recorder(asyncio.Protocol, SlicedReads):
    """Records the length of each read."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connected()

    def data_received(self, data: bytes) -> None:
        self.lengths.append(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def test_input_is_parsed_in_short_turns() -> None:
    """Whatever arrives at once: a megabyte of chunks of one byte would block the event loop for three seconds."""
    recorder, loop = Recorder(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: recorder, "127.0.0.1", 0)

    def send() -> None:
        with socket.create_connection(server.sockets[0].getsockname()[:2], timeout=TIMEOUT_S) as client:
            client.sendall(bytes(2**20))

    await asyncio.to_thread(send)
    async with asyncio.timeout(TIMEOUT_S):
        await recorder.lost.wait()
    server.close()
    assert sum(recorder.lengths) == 2**20
    assert max(recorder.lengths) <= READ_BYTES
    assert issubclass(BoundedHttpProtocol, SlicedReads)
    assert issubclass(BoundedWebSocketProtocol, SlicedReads)


def trusting(authority: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


def encrypted_response(port: HttpListener, authority: CertificateAuthority) -> tuple[int, str]:
    with opened(port) as client, trusting(authority).wrap_socket(client, server_hostname="localhost") as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return response(tls)


async def test_encrypted_request_is_answered(encrypted: HttpListener, authority: CertificateAuthority) -> None:
    assert await asyncio.to_thread(encrypted_response, encrypted, authority) == (413, "rejected")


def digest_of(client: socket.socket, body: bytes) -> tuple[int, str]:
    client.sendall(f"POST /digest HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return response(client)


async def test_body_arrives_unchanged(
    plain: HttpListener, encrypted: HttpListener, authority: CertificateAuthority
) -> None:
    body = randbytes(3 * 2**20 + 1)

    def send() -> list[tuple[int, str]]:
        with (
            opened(plain) as first,
            opened(encrypted) as second,
            trusting(authority).wrap_socket(second, server_hostname="localhost") as tls,
        ):
            return [digest_of(first, body), digest_of(tls, body)]

    assert await asyncio.to_thread(send) == [(200, sha256(body).hexdigest())] * 2


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["idle", "slow"])
async def test_unfinished_handshakes_do_not_block_others(
    encrypted: HttpListener, authority: CertificateAuthority, sent: bytes
) -> None:
    def hold(stack: ExitStack) -> None:
        for _ in range(2 * MAX_WAITING):
            stack.enter_context(opened(encrypted)).sendall(sent)

    with ExitStack() as stack:
        await asyncio.to_thread(hold, stack)
        assert await asyncio.to_thread(encrypted_response, encrypted, authority) == (413, "rejected")


async def test_oldest_handshake_is_closed_for_a_new_one(encrypted: HttpListener) -> None:
    def first_byte() -> bytes:
        with ExitStack() as stack:
            first = stack.enter_context(opened(encrypted))
            for _ in range(MAX_WAITING):
                stack.enter_context(opened(encrypted))
            first.settimeout(HANDSHAKE_TIMEOUT_S / 2)  # it is closed before its handshake times out
            try:
                return first.recv(1)
            except ConnectionResetError:
                return b""

    assert await asyncio.to_thread(first_byte) == b""


async def test_plaintext_on_an_encrypted_port_closes_the_connection(encrypted: HttpListener) -> None:
    def send() -> bytes:
        with opened(encrypted) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                return client.recv(100)
            except ConnectionResetError:
                return b""

    assert not (await asyncio.to_thread(send)).startswith(b"HTTP")


async def test_encrypted_client_receives_a_rejection_while_it_is_still_sending(
    encrypted: HttpListener, authority: CertificateAuthority
) -> None:
    answers: list[tuple[int, str]] = []

    def send() -> None:
        with opened(encrypted) as client, trusting(authority).wrap_socket(client, server_hostname="localhost") as tls:
            tls.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2097152\r\n\r\n")
            for _ in range(32):
                tls.sendall(bytes(2**16))
            answers.append(response(tls))

    sender = threading.Thread(target=send)
    sender.start()
    await asyncio.to_thread(sender.join)
    assert answers == [(413, "rejected")]
