"""The HTTP listener over real sockets: probes and metrics, and limits on idle, slow and malformed clients."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.applications import Starlette

from stt_service.access.listen_address import ListenAddress
from stt_service.errors import StartupError
from stt_service.http import protocols
from stt_service.http.connections import MAX_WAITING
from stt_service.http.listener import HttpListener
from stt_service.http.monitoring import Monitoring


@asynccontextmanager
async def listening(registry: CollectorRegistry, reasons: list[str]) -> AsyncIterator[HttpListener]:
    listener = HttpListener(
        ListenAddress("HTTP_PORT", "127.0.0.1", 0), Starlette(routes=Monitoring(registry, lambda: reasons[-1]).routes)
    )
    listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


@pytest.fixture(scope="module")
def reasons() -> list[str]:
    """The last entry is the reason why the server is not ready."""
    return [""]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def port(reasons: list[str]) -> AsyncIterator[HttpListener]:
    registry = CollectorRegistry()
    Counter("stt_words", "Words.", registry=registry).inc(3)
    async with listening(registry, reasons) as listener:
        yield listener


@contextmanager
def connected(port: HttpListener) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port.number, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


async def request(port: HttpListener, path: str, method: str = "GET") -> tuple[int, str]:
    def send() -> tuple[int, str]:
        with connected(port) as connection:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    return await asyncio.to_thread(send)


async def test_metrics_are_returned_as_text(port: HttpListener) -> None:
    status, text = await request(port, "/metrics")
    assert status == 200
    assert "stt_words_total 3.0" in text


async def test_serving_server_is_ready(port: HttpListener) -> None:
    assert await request(port, "/readyz") == (200, "ok\n")


async def test_loading_server_is_not_ready_and_returns_the_reason(port: HttpListener, reasons: list[str]) -> None:
    reasons.append("The server is still loading its models.")
    try:
        assert await request(port, "/readyz") == (503, "The server is still loading its models.\n")
    finally:
        reasons.pop()


async def test_running_event_loop_is_healthy(port: HttpListener) -> None:
    assert await request(port, "/healthz") == (200, "ok\n")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_head_returns_no_body(port: HttpListener, path: str) -> None:
    assert await request(port, path, "HEAD") == (200, "")


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/metrics%2f.."])
async def test_unknown_path_is_not_found(port: HttpListener, path: str) -> None:
    assert (await request(port, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_method_is_not_allowed(port: HttpListener, method: str) -> None:
    assert (await request(port, "/metrics", method))[0] == 405


async def test_response_does_not_name_the_http_library(port: HttpListener) -> None:
    def server() -> str | None:
        with connected(port) as connection:
            connection.request("GET", "/")
            return connection.getresponse().getheader("Server")

    assert await asyncio.to_thread(server) == "stt-server"


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX-"], ids=["idle", "slow"])
async def test_idle_connections_do_not_block_probes(port: HttpListener, sent: bytes) -> None:
    def hold(stack: ExitStack) -> None:
        for _ in range(2 * MAX_WAITING):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port.number)))
            client.sendall(sent)

    with ExitStack() as stack:
        await asyncio.to_thread(hold, stack)
        for path in ("/healthz", "/readyz"):
            assert await request(port, path) == (200, "ok\n")


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX-"], ids=["idle", "slow"])
async def test_head_that_does_not_arrive_closes_the_connection(
    port: HttpListener, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocols, "HEAD_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    writer.write(sent)
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


async def test_oldest_waiting_connection_is_closed_for_a_new_one(port: HttpListener) -> None:
    def first_byte() -> bytes:
        with ExitStack() as stack:
            first = stack.enter_context(socket.create_connection(("127.0.0.1", port.number)))
            for _ in range(MAX_WAITING):
                stack.enter_context(socket.create_connection(("127.0.0.1", port.number)))
            try:
                return first.recv(1)
            except ConnectionResetError:
                return b""

    assert await asyncio.to_thread(first_byte) == b""


@pytest.mark.parametrize("line", [b"\x00\xff", b"PRI * HTTP/2.0", b"GET", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_malformed_request_is_rejected(port: HttpListener, line: bytes) -> None:
    def send() -> bytes:
        with socket.create_connection(("127.0.0.1", port.number)) as client:
            client.sendall(line + b"\r\n\r\n")
            return client.recv(100)

    assert (await asyncio.to_thread(send)).startswith(b"HTTP/1.1 4")


async def test_failing_collector_fails_only_its_own_scrape() -> None:
    registry = CollectorRegistry()
    async with listening(registry, [""]) as port:
        Gauge("stt_broken", "Broken.", registry=registry).set_function(lambda: 1 / 0)
        assert (await request(port, "/metrics"))[0] == 500
        assert await request(port, "/healthz") == (200, "ok\n")


async def test_port_in_use_is_named(port: HttpListener) -> None:
    second = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", port.number), Starlette())
    with pytest.raises(StartupError, match=f"HTTP_PORT={port.number} at 127.0.0.1"):
        second.start()


async def test_ipv6_address_is_in_brackets() -> None:
    port = HttpListener(ListenAddress("HTTP_PORT", "::1", 0), Starlette())
    try:
        port.start()
    except StartupError:
        pytest.skip("this machine has no IPv6")
    assert port.address == f"[::1]:{port.number}"
    await port.stop()


async def test_address_of_another_machine_is_named() -> None:
    with pytest.raises(StartupError, match=r"at 192\.0\.2\.1: another program"):
        HttpListener(ListenAddress("HTTP_PORT", "192.0.2.1", 0), Starlette()).start()
