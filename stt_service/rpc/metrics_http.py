"""The metrics port: /metrics, /healthz and /readyz over HTTP.

It has its own thread and event loop, so that it can report that the server's event loop is blocked. Every connection is
accepted: if there are too many, the oldest one without a complete request is closed. So no number of idle or slow
connections, from any address, prevents a probe from being answered.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stt_service.rpc.listener import ListenAddress
from stt_service.telemetry.log_writer import LineLimiter
from stt_service.telemetry.logs import event

log = logging.getLogger(__name__)

MAX_CLIENTS = 128  # that are sending requests, and as many again that are being answered
REQUEST_TIMEOUT_S = 2.0  # for the request to arrive
RESPONSE_TIMEOUT_S = 5.0  # to make and send a response: half of Prometheus' default scrape timeout, 10 s
LINGER_TIMEOUT_S = 1.0  # for the client to close: closing with unread input would discard the response
HEAD_BYTES = 16 * 2**10
LOOP_TIMEOUT_S = 2.0  # for the server's event loop to respond
MAX_METRICS_AGE_S = 0.5  # metrics are collected at most this often, however many requests there are
PATHS = ("/metrics", "/healthz", "/readyz")
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: str
    body: bytes
    content_type: str = TEXT
    allow: str = ""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The parsed head of an HTTP request."""

    method: str
    path: str
    accept: str


class MetricsServer:
    """The port named by METRICS_PORT."""

    def __init__(
        self, address: ListenAddress, registry: CollectorRegistry, not_ready_reason: Callable[[], str]
    ) -> None:
        """Start closed. `not_ready_reason` returns why the server does not serve; empty if it does."""
        self._listen_address, self._not_ready_reason, self._registry = address, not_ready_reason, registry
        self._server_loop: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()  # belongs to _loop
        self._thread: Thread | None = None
        self._collected: dict[str, tuple[float, bytes]] = {}  # the last body by content type, with its time
        self._reading: dict[asyncio.Task[None], None] = {}  # oldest first
        self._responding: dict[asyncio.Task[None], None] = {}
        self._limiter = LineLimiter()
        self.number = 0  # until the port is bound

    @property
    def address(self) -> str:
        return self._listen_address.at(self.number)

    def start(self) -> None:
        """Listen and respond until `stop`. Call it on the event loop that /healthz checks.

        Raises:
            StartupError: the port is in use, or the address is not an address of this machine.
        """
        address = self._listen_address
        try:
            family = socket.getaddrinfo(address.bind, address.number, type=socket.SOCK_STREAM)[0][0]
            listener = socket.create_server((address.bind, address.number), family=family, backlog=MAX_CLIENTS)
        except OSError as error:
            raise address.bind_error() from error
        self.number = listener.getsockname()[1]
        self._server_loop, self._loop = asyncio.get_running_loop(), asyncio.new_event_loop()
        self._loop.set_exception_handler(self._log_error)
        self._thread = Thread(target=self._run, args=(self._loop, listener), name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening. Blocks briefly."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(LOOP_TIMEOUT_S)
            self._loop = None

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        loop.run_until_complete(self._listen(listener))
        loop.close()

    async def _listen(self, listener: socket.socket) -> None:
        async with await asyncio.start_server(self._accept, sock=listener, limit=HEAD_BYTES) as server:
            await self._stopped.wait()
            server.close()
            clients = (*self._reading, *self._responding)
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    def _log_error(self, _loop: object, context: Mapping[str, Any]) -> None:
        """Log an error that asyncio reports, such as a lack of file descriptors to accept with."""
        if (dropped := self._limiter.next_line()) is not None:
            reason = context.get("exception") or context["message"]
            log.error(event("metrics server error", {"error": reason, "dropped_lines": dropped}))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        _add_client(self._reading, task)
        task.add_done_callback(self._remove_client)

    def _remove_client(self, task: asyncio.Task[None]) -> None:
        self._reading.pop(task, None)
        self._responding.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log_error(None, {"exception": error})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one request, and close."""
        try:
            with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    head = _parse_head(await reader.readuntil(b"\r\n\r\n"))
                await self._respond(head, reader, writer)
        finally:
            writer.transport.abort()

    async def _respond(
        self, head: RequestHead | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._reading.pop(task, None)
        _add_client(self._responding, task)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            writer.write(_serialize(await self._response_or_error(head), head))
            await writer.drain()
            writer.write_eof()
        async with asyncio.timeout(LINGER_TIMEOUT_S):
            while await reader.read(HEAD_BYTES):
                pass

    async def _response_or_error(self, head: RequestHead | None) -> Response:
        try:
            return await self._response(head)
        except Exception as error:  # a collector failed
            self._log_error(None, {"exception": error})
            return Response("500 Internal Server Error", b"Internal error: see the server log.\n")

    async def _response(self, head: RequestHead | None) -> Response:
        if head is None:
            return Response("400 Bad Request", b"Malformed request: must be HTTP/1.0 or HTTP/1.1.\n")
        if head.path not in PATHS:
            return Response("404 Not Found", b"Not found: use /metrics, /healthz or /readyz.\n")
        if head.method not in ("GET", "HEAD"):
            return Response("405 Method Not Allowed", b"Method not allowed: use GET or HEAD.\n", allow="GET, HEAD")
        if head.path == "/metrics":
            return self._metrics_response(head.accept)
        return _state_response(await self._unhealthy_reason() if head.path == "/healthz" else self._not_ready_reason())

    def _metrics_response(self, accept: str) -> Response:
        encode, content_type = choose_encoder(accept)
        now_s = asyncio.get_running_loop().time()
        collected_s, body = self._collected.get(content_type, (-MAX_METRICS_AGE_S, b""))
        if now_s - collected_s >= MAX_METRICS_AGE_S:
            body = encode(self._registry)
            self._collected = {content_type: (now_s, body)}  # one entry only: clients can request any number of types
        return Response("200 OK", body, content_type)

    async def _unhealthy_reason(self) -> str:
        assert self._server_loop is not None
        try:
            async with asyncio.timeout(LOOP_TIMEOUT_S):
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._server_loop))
        except TimeoutError:
            return f"The event loop did not respond within {LOOP_TIMEOUT_S:g} s."
        return ""


def _add_client(clients: dict[asyncio.Task[None], None], task: asyncio.Task[None]) -> None:
    """Add a client; the oldest one is disconnected if there are too many."""
    if len(clients) >= MAX_CLIENTS:
        oldest = next(iter(clients))
        del clients[oldest]
        oldest.cancel()
    clients[task] = None


def _parse_head(head: bytes) -> RequestHead | None:
    """Return the parsed head; None if it is not an HTTP/1 request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    match first.split(" "):
        case [method, target, "HTTP/1.0" | "HTTP/1.1"]:
            fields = [line.partition(":") for line in lines]
            accept = next((value for name, _, value in fields if name.lower() == "accept"), "")
            return RequestHead(method, target.partition("?")[0], accept.strip())
        case _:
            return None


def _serialize(response: Response, head: RequestHead | None) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Server: stt-server",
        "Connection: close",
        *([f"Allow: {response.allow}"] if response.allow else []),
    ]
    body = b"" if head is not None and head.method == "HEAD" else response.body
    return "\r\n".join([*lines, "", ""]).encode() + body


def _state_response(reason: str) -> Response:
    return Response("503 Service Unavailable", f"{reason}\n".encode()) if reason else Response("200 OK", b"ok\n")
