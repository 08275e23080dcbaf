"""The HTTP listener: uvicorn on the server's event loop, with bounded connections and reloaded certificates.

uvicorn limits neither the time in which the head of a request arrives nor the number of connections that send none.
`BoundedHttpProtocol` adds both: a connection has HEAD_TIMEOUT_S for each head, and when MAX_WAITING connections have
not sent one, the oldest of them is closed. So no number of idle or slow connections keeps a probe from its response.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from stt_service.access.file_watcher import ReloadingFile

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from stt_service.access.certificates import Pem
    from stt_service.rpc.listener import ListenAddress

MAX_WAITING = 128  # connections that have not sent the head of their next request
HEAD_TIMEOUT_S = 2.0
KEEP_ALIVE_S = 5  # between two requests of a connection
HEAD_BYTES = 16 * 2**10
SHUTDOWN_TIMEOUT_S = 5  # for responses that are being sent
MAX_MESSAGE_BYTES = 2**20  # of a WebSocket
MAX_QUEUED_MESSAGES = 32
PING_S = 20.0  # between pings, and for each pong
BACKLOG = 128


class BoundedHttpProtocol(H11Protocol):
    """An HTTP/1.1 connection whose request heads have to arrive in time."""

    waiting: dict[BoundedHttpProtocol, None]  # of the listener, oldest first
    _head_timer: asyncio.TimerHandle | None = None
    _is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True) if connection is not None else None
        self.app_state = {**self.app_state, "client_certificate": certificate is not None, "abort": self._abort}
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_websocket:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_arrived()
        elif self.timeout_keep_alive_task is None and self._head_timer is None:
            self._await_head()  # the next request of a kept connection has started

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._head_arrived()
        self._is_websocket = True
        super().handle_websocket_upgrade(event)

    def _await_head(self) -> None:
        if len(self.waiting) >= MAX_WAITING:
            next(iter(self.waiting))._abort()
        self.waiting[self] = None
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._abort)

    def _head_arrived(self) -> None:
        self.waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _abort(self) -> None:
        self._head_arrived()
        self.transport.abort()


class _Uvicorn(uvicorn.Server):
    """A server without signal handlers: the process has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpListener:
    """The port of a setting, serving an ASGI application.

    Args:
        where: Setting, address and port number; 0 for any free one.
        app: The application.
        pem: Certificate and key, reloaded at handshakes; None for plaintext.
    """

    def __init__(self, where: ListenAddress, app: ASGIApp, pem: ReloadingFile[Pem] | None = None) -> None:
        self._where, self._app, self._pem = where, app, pem
        self._task: asyncio.Task[None] | None = None
        self._server = _Uvicorn(self._config())
        self.number = 0  # until it is bound

    @property
    def address(self) -> str:
        return self._where.at(self.number)

    def _bind(self) -> socket.socket:
        listening = self._where.listen(BACKLOG)
        self.number = listening.getsockname()[1]
        return listening

    def start(self) -> None:
        """Bind the port and accept connections until `stop`; call it on the event loop that serves them.

        Raises:
            StartupError: the port is in use, or the address does not belong to this machine.
        """
        self._task = asyncio.create_task(self._run(self._bind()))

    async def stop(self) -> None:
        """Accept no more connections; return when responses have been sent, or after SHUTDOWN_TIMEOUT_S."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task

    async def _run(self, listening: socket.socket) -> None:
        await self._server.serve(sockets=[listening])

    def _config(self) -> uvicorn.Config:
        for name, level in (("uvicorn.error", logging.ERROR), ("uvicorn.access", logging.CRITICAL)):
            logging.getLogger(name).setLevel(level)
        waiting: dict[BoundedHttpProtocol, None] = {}
        protocol = type("Protocol", (BoundedHttpProtocol,), {"waiting": waiting})
        config = uvicorn.Config(
            self._app,
            http=protocol,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_max_queue=MAX_QUEUED_MESSAGES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=[("Server", "stt-server")],
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
            h11_max_incomplete_event_size=HEAD_BYTES,
            backlog=BACKLOG,
        )
        config.load()
        if self._pem is not None:
            config.ssl = _reloading_context(self._pem.value)
        return config


def _reloading_context(current: Callable[[], Pem]) -> ssl.SSLContext:
    """Return a TLS context whose handshakes use the current certificate."""
    served, context = current(), _context(current())

    def at_handshake(connection: ssl.SSLObject, _name: str | None, _context_: ssl.SSLContext) -> None:
        nonlocal served, context
        if (present := current()) is not served:
            served, context = present, _context(present)
        connection.context = context

    first = _context(served)
    first.sni_callback = at_handshake  # asyncio passes an SSLObject
    return first


def _context(pem: Pem) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with TemporaryDirectory() as folder:  # the ssl module reads chains from files only; mode 0700
        chain = Path(folder, "pem")
        chain.touch(mode=0o600)
        chain.write_bytes(pem.chain + b"\n" + pem.key)
        context.load_cert_chain(chain)
    if pem.client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=pem.client_ca.decode("ascii"))
    return context
