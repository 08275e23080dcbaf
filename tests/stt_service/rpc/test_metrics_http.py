"""The metrics port over real sockets: responses, rejected requests, and bounds for slow clients."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Counter, Gauge

from stt_service.errors import StartupError
from stt_service.rpc.listener import ListenAddress
from stt_service.rpc.metrics_http import MAX_CLIENTS, MetricsServer

pytestmark = pytest.mark.process  # real sockets, and timeouts that pass in real time


def at(bind: str, number: int = 0) -> ListenAddress:
    return ListenAddress("METRICS_PORT", bind, number)


@pytest.fixture(scope="module")
def reasons() -> list[str]:
    """Return the list whose last entry is the reason that /readyz reports."""
    return [""]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def port(reasons: list[str]) -> AsyncIterator[MetricsServer]:
    registry = CollectorRegistry()
    Counter("stt_words", "Words.", registry=registry).inc(3)
    port = MetricsServer(at("127.0.0.1"), registry, lambda: reasons[-1])
    port.start()
    yield port
    await asyncio.to_thread(port.stop)


@contextmanager
def connected(port: MetricsServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port.number, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


async def get(port: MetricsServer, path: str, method: str = "GET") -> tuple[int, str]:
    def request() -> tuple[int, str]:
        with connected(port) as connection:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    return await asyncio.to_thread(request)


async def test_metrics_are_served_as_text(port: MetricsServer) -> None:
    status, text = await get(port, "/metrics")
    assert status == 200
    assert "stt_words_total 3.0" in text


async def test_serving_server_is_ready(port: MetricsServer) -> None:
    assert await get(port, "/readyz") == (200, "ok\n")


async def test_readyz_of_a_server_that_is_not_ready_returns_the_reason(port: MetricsServer, reasons: list[str]) -> None:
    reasons.append("The server is still loading its models.")
    try:
        assert await get(port, "/readyz") == (503, "The server is still loading its models.\n")
    finally:
        reasons.pop()


async def test_server_with_a_responsive_loop_is_healthy(port: MetricsServer) -> None:
    assert await get(port, "/healthz") == (200, "ok\n")


async def test_server_with_a_blocked_loop_is_not_healthy(port: MetricsServer) -> None:
    response = asyncio.create_task(get(port, "/healthz"))
    await asyncio.sleep(0)  # let it start
    blocked_until = time.monotonic() + 3.0
    while time.monotonic() < blocked_until:  # as code without an await would
        time.sleep(0.1)  # noqa: ASYNC251
    assert await response == (503, "The event loop did not respond within 2 s.\n")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_head_request_gets_no_body(port: MetricsServer, path: str) -> None:
    assert await get(port, path, "HEAD") == (200, "")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/favicon.ico", "/metrics%2f.."])
async def test_unknown_path_is_not_found(port: MetricsServer, path: str) -> None:
    assert (await get(port, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_unsupported_method_is_not_allowed(port: MetricsServer, method: str) -> None:
    assert (await get(port, "/metrics", method))[0] == 405


async def test_server_header_does_not_reveal_the_implementation(port: MetricsServer) -> None:
    def server() -> str | None:
        with connected(port) as connection:
            connection.request("GET", "/")
            return connection.getresponse().getheader("Server")

    assert await asyncio.to_thread(server) == "stt-server"


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX-"], ids=["idle", "slow"])
async def test_idle_and_slow_connections_do_not_block_a_probe(port: MetricsServer, sent: bytes) -> None:
    with ExitStack() as connections:
        for _ in range(2 * MAX_CLIENTS):
            client = connections.enter_context(socket.create_connection(("127.0.0.1", port.number)))
            client.sendall(sent)
        for path in ("/healthz", "/readyz"):
            assert await get(port, path) == (200, "ok\n")


async def test_oldest_connection_without_a_request_is_closed_at_the_limit(port: MetricsServer) -> None:
    with ExitStack() as connections:
        first = connections.enter_context(socket.create_connection(("127.0.0.1", port.number)))
        for _ in range(MAX_CLIENTS):
            connections.enter_context(socket.create_connection(("127.0.0.1", port.number)))
        assert await asyncio.to_thread(received, first) == b""


def received(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("request_line", [b"GET /healthz HTTP/9.9", b"\x00\xff", b"PRI * HTTP/2.0", b"GET"])
async def test_request_that_is_not_http_1_is_rejected(port: MetricsServer, request_line: bytes) -> None:
    def request() -> bytes:
        with socket.create_connection(("127.0.0.1", port.number)) as client:
            client.sendall(request_line + b"\r\n\r\n")
            return client.recv(100)

    assert (await asyncio.to_thread(request)).startswith(b"HTTP/1.1 400 Bad Request")


async def test_failing_collector_fails_only_that_response() -> None:
    registry = CollectorRegistry()
    port = MetricsServer(at("127.0.0.1"), registry, str)
    port.start()
    try:
        Gauge("stt_broken", "Broken.", registry=registry).set_function(lambda: 1 / 0)
        assert (await get(port, "/metrics"))[0] == 500
        assert await get(port, "/healthz") == (200, "ok\n")
    finally:
        await asyncio.to_thread(port.stop)


async def test_port_in_use_is_named_in_the_error(port: MetricsServer) -> None:
    another = MetricsServer(at("127.0.0.1", port.number), CollectorRegistry(), str)
    with pytest.raises(StartupError, match=f"METRICS_PORT={port.number} at 127.0.0.1"):
        another.start()


async def test_ipv6_address_of_the_metrics_port_has_brackets() -> None:
    port = MetricsServer(at("::1"), CollectorRegistry(), str)
    try:
        port.start()
    except StartupError:
        pytest.skip("this machine has no IPv6")
    assert port.address == f"[::1]:{port.number}"
    await asyncio.to_thread(port.stop)


async def test_address_of_another_machine_is_named_in_the_error() -> None:
    with pytest.raises(StartupError, match=r"at 192\.0\.2\.1: another program"):
        MetricsServer(at("192.0.2.1"), CollectorRegistry(), str).start()
