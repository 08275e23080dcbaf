"""The metrics port: /metrics, /healthz and /readyz over HTTP, for whoever watches the server.

It has a thread and an event loop of its own, so that it can report that the server's event loop does not answer. A
client that connects is always accepted: where there are too many, the one that has kept its request back for longest
makes room. So no number of idle or slow connections, from whatever address, keeps a probe from its answer.
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

log = logging.getLogger(__name__)

MAX_CLIENTS = 128  # that send their requests, and as many again that are answered
HEAD_S = 2.0  # for a request to arrive
ANSWER_S = 5.0  # for an answer to be made and read: half of Prometheus' own, which waits 10 s for a scrape
LINGER_TIMEOUT_S = 1.0  # for the client to close after its answer: what it still sends would take the answer away
HEAD_BYTES = 16 * 2**10
LOOP_S = 2.0  # for the event loop to answer
METRICS_AGE_S = 0.5  # metrics are collected at most so often, however often they are asked for
PATHS = ("/metrics", "/healthz", "/readyz")
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent."""

    status: str
    body: bytes
    content_type: str = TEXT
    allow: str = ""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What a client asks."""

    method: str
    path: str
    accept: str


class MetricsServer:
    """The port named by METRICS_PORT."""

    def __init__(self, where: ListenAddress, registry: CollectorRegistry, unready: Callable[[], str]) -> None:
        """Take where to listen, what to report, and what returns why the server does not serve, or nothing."""
        self._where, self._unready, self._registry = where, unready, registry
        self._watched: asyncio.AbstractEventLoop | None = None
        self._own: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()  # of the own loop
        self._thread: Thread | None = None
        self._collected: dict[str, tuple[float, bytes]] = {}  # the last, by content type: when, and what
        self._reading: dict[asyncio.Task[None], None] = {}  # oldest first
        self._answering: dict[asyncio.Task[None], None] = {}
        self._faults = LineLimiter()
        self.number = 0  # until it is bound

    @property
    def address(self) -> str:
        return self._where.at(self.number)

    def start(self) -> None:
        """Listen, and answer until `stop`. Call it on the event loop that /healthz reports on.

        Raises:
            StartFailed: the port is taken, or the address is not this machine's.
        """
        where = self._where
        try:
            family = socket.getaddrinfo(where.bind, where.number, type=socket.SOCK_STREAM)[0][0]
            listener = socket.create_server((where.bind, where.number), family=family, backlog=MAX_CLIENTS)
        except OSError as error:
            raise where.bind_error() from error
        self.number = listener.getsockname()[1]
        self._watched, self._own = asyncio.get_running_loop(), asyncio.new_event_loop()
        self._own.set_exception_handler(self._fault)
        self._thread = Thread(target=self._run, args=(self._own, listener), name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more. Blocks for a moment."""
        if self._own is not None and self._thread is not None:
            self._own.call_soon_threadsafe(self._stopped.set)
            self._thread.join(LOOP_S)
            self._own = None

    def _run(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        loop.run_until_complete(self._listen(listener))
        loop.close()

    async def _listen(self, listener: socket.socket) -> None:
        async with await asyncio.start_server(self._accept, sock=listener, limit=HEAD_BYTES) as server:
            await self._stopped.wait()
            server.close()
            clients = (*self._reading, *self._answering)
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    def _fault(self, _loop: object, context: Mapping[str, Any]) -> None:
        """Log what asyncio reports, such as that there are no file descriptors left to accept with."""
        if (dropped := self._faults.next_line()) is not None:
            reason = context.get("exception") or context["message"]
            log.error("metrics port: %s (%d more such lines dropped)", reason, dropped)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        _enter(self._reading, task)
        task.add_done_callback(self._leave)

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._reading.pop(task, None)
        self._answering.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault(None, {"exception": error})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        try:
            with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
                async with asyncio.timeout(HEAD_S):
                    head = _parsed(await reader.readuntil(b"\r\n\r\n"))
                await self._respond(head, reader, writer)
        finally:
            writer.transport.abort()

    async def _respond(
        self, head: RequestHead | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._reading.pop(task, None)
        _enter(self._answering, task)
        async with asyncio.timeout(ANSWER_S):
            writer.write(_written(await self._answered(head), head))
            await writer.drain()
            writer.write_eof()
        async with asyncio.timeout(LINGER_TIMEOUT_S):
            while await reader.read(HEAD_BYTES):
                pass

    async def _answered(self, head: RequestHead | None) -> Answer:
        try:
            return await self._answer(head)
        except Exception as error:  # a collector failed
            self._fault(None, {"exception": error})
            return Answer("500 Internal Server Error", b"The log of the server says why.\n")

    async def _answer(self, head: RequestHead | None) -> Answer:
        if head is None:
            return Answer("400 Bad Request", b"This is no request of HTTP/1.\n")
        if head.path not in PATHS:
            return Answer("404 Not Found", b"There are /metrics, /healthz and /readyz.\n")
        if head.method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET and HEAD will do.\n", allow="GET, HEAD")
        if head.path == "/metrics":
            return self._metrics(head.accept)
        return _state(await self._unhealthy() if head.path == "/healthz" else self._unready())

    def _metrics(self, accept: str) -> Answer:
        encode, content_type = choose_encoder(accept)
        now_s = asyncio.get_running_loop().time()
        collected_s, body = self._collected.get(content_type, (-METRICS_AGE_S, b""))
        if now_s - collected_s >= METRICS_AGE_S:
            body = encode(self._registry)
            self._collected = {content_type: (now_s, body)}  # one: a client can ask for any number of them
        return Answer("200 OK", body, content_type)

    async def _unhealthy(self) -> str:
        assert self._watched is not None
        try:
            async with asyncio.timeout(LOOP_S):
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._watched))
        except TimeoutError:
            return f"The event loop does not answer within {LOOP_S:g} s."
        return ""


def _enter(clients: dict[asyncio.Task[None], None], task: asyncio.Task[None]) -> None:
    """Add a client; the oldest one makes room where there is none."""
    if len(clients) >= MAX_CLIENTS:
        oldest = next(iter(clients))
        del clients[oldest]
        oldest.cancel()
    clients[task] = None


def _parsed(head: bytes) -> RequestHead | None:
    """Return what is asked; None where it is no request of HTTP/1."""
    first, *lines = head.decode("latin-1").split("\r\n")
    match first.split(" "):
        case [method, target, "HTTP/1.0" | "HTTP/1.1"]:
            fields = [line.partition(":") for line in lines]
            accept = next((value for name, _, value in fields if name.lower() == "accept"), "")
            return RequestHead(method, target.partition("?")[0], accept.strip())
        case _:
            return None


def _written(answer: Answer, head: RequestHead | None) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Server: stt-server",
        "Connection: close",
        *([f"Allow: {answer.allow}"] if answer.allow else []),
    ]
    body = b"" if head is not None and head.method == "HEAD" else answer.body
    return "\r\n".join([*lines, "", ""]).encode() + body


def _state(wrong: str) -> Answer:
    return Answer("503 Service Unavailable", f"{wrong}\n".encode()) if wrong else Answer("200 OK", b"ok\n")
