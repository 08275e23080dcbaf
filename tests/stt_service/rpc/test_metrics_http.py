"""The metrics port over real sockets: what it answers, to whom it does not, and what slow clients cannot do."""

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


def at(bind: str, number: int = 0) -> ListenAddress:
    return ListenAddress("METRICS_PORT", bind, number)


@pytest.fixture(scope="module")
def why() -> list[str]:
    """What /readyz says: the last one."""
    return [""]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def port(why: list[str]) -> AsyncIterator[MetricsServer]:
    registry = CollectorRegistry()
    Counter("stt_words", "Words.", registry=registry).inc(3)
    port = MetricsServer(at("127.0.0.1"), registry, lambda: why[-1])
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


async def asked(port: MetricsServer, path: str, method: str = "GET") -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        with connected(port) as connection:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    return await asyncio.to_thread(ask)


async def test_metrics_are_told_as_text(port: MetricsServer) -> None:
    status, text = await asked(port, "/metrics")
    assert status == 200
    assert "stt_words_total 3.0" in text


async def test_a_server_that_serves_is_ready(port: MetricsServer) -> None:
    assert await asked(port, "/readyz") == (200, "ok\n")


async def test_one_that_does_not_says_why_in_a_line(port: MetricsServer, why: list[str]) -> None:
    why.append("The server is still loading its models.")
    try:
        assert await asked(port, "/readyz") == (503, "The server is still loading its models.\n")
    finally:
        why.pop()


async def test_a_loop_that_answers_is_healthy(port: MetricsServer) -> None:
    assert await asked(port, "/healthz") == (200, "ok\n")


async def test_one_that_is_stuck_is_not(port: MetricsServer) -> None:
    asking = asyncio.create_task(asked(port, "/healthz"))
    await asyncio.sleep(0)  # let it begin
    stuck_until = time.monotonic() + 3.0
    while time.monotonic() < stuck_until:  # as code would that forgot to await
        time.sleep(0.1)  # noqa: ASYNC251
    assert await asking == (503, "The event loop does not answer within 2 s.\n")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_head_is_answered_without_a_body(port: MetricsServer, path: str) -> None:
    assert await asked(port, path, "HEAD") == (200, "")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/favicon.ico", "/metrics%2f.."])
async def test_other_paths_are_not_there(port: MetricsServer, path: str) -> None:
    assert (await asked(port, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_not_allowed(port: MetricsServer, method: str) -> None:
    assert (await asked(port, "/metrics", method))[0] == 405


async def test_nothing_tells_what_it_is_made_of(port: MetricsServer) -> None:
    def server() -> str | None:
        with connected(port) as connection:
            connection.request("GET", "/")
            return connection.getresponse().getheader("Server")

    assert await asyncio.to_thread(server) == "stt-server"


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX-"], ids=["idle", "slow"])
async def test_clients_that_hold_connections_keep_no_probe_out(port: MetricsServer, sent: bytes) -> None:
    with ExitStack() as holding:
        for _ in range(2 * MAX_CLIENTS):
            client = holding.enter_context(socket.create_connection(("127.0.0.1", port.number)))
            client.sendall(sent)
        for path in ("/healthz", "/readyz"):
            assert await asked(port, path) == (200, "ok\n")


async def test_the_client_that_keeps_its_request_back_for_longest_makes_room(port: MetricsServer) -> None:
    with ExitStack() as holding:
        first = holding.enter_context(socket.create_connection(("127.0.0.1", port.number)))
        for _ in range(MAX_CLIENTS):
            holding.enter_context(socket.create_connection(("127.0.0.1", port.number)))
        assert await asyncio.to_thread(received, first) == b""


def received(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("request_line", [b"GET /healthz HTTP/9.9", b"\x00\xff", b"PRI * HTTP/2.0", b"GET"])
async def test_what_is_no_request_of_http_1_is_refused(port: MetricsServer, request_line: bytes) -> None:
    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", port.number)) as client:
            client.sendall(request_line + b"\r\n\r\n")
            return client.recv(100)

    assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 400 Bad Request")


async def test_a_collector_that_fails_costs_one_answer() -> None:
    registry = CollectorRegistry()
    port = MetricsServer(at("127.0.0.1"), registry, str)
    port.start()
    try:
        Gauge("stt_broken", "Broken.", registry=registry).set_function(lambda: 1 / 0)
        assert (await asked(port, "/metrics"))[0] == 500
        assert await asked(port, "/healthz") == (200, "ok\n")
    finally:
        await asyncio.to_thread(port.stop)


async def test_a_port_that_is_taken_is_named(port: MetricsServer) -> None:
    another = MetricsServer(at("127.0.0.1", port.number), CollectorRegistry(), str)
    with pytest.raises(StartupError, match=f"METRICS_PORT={port.number} at 127.0.0.1"):
        another.start()


async def test_an_address_of_the_sixth_version_is_told_in_brackets() -> None:
    port = MetricsServer(at("::1"), CollectorRegistry(), str)
    try:
        port.start()
    except StartupError:
        pytest.skip("this machine has no IPv6")
    assert port.address == f"[::1]:{port.number}"
    await asyncio.to_thread(port.stop)


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(StartupError, match=r"at 192\.0\.2\.1: another program"):
        MetricsServer(at("192.0.2.1"), CollectorRegistry(), str).start()
