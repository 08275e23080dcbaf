"""The HTTP listener: uvicorn on the server's event loop, with bounded connections and reloaded certificates."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from starlette.responses import PlainTextResponse

from stt_service.access import connection_limit
from stt_service.access.file_watcher import ReloadingFile
from stt_service.http.connections import ConnectionTable
from stt_service.http.protocols import BoundedHttpProtocol, BoundedWebSocketProtocol
from stt_service.http.tls import TlsHandshake, reloading_context

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from stt_service.access.certificates import Pem
    from stt_service.access.listen_address import ListenAddress

KEEP_ALIVE_S = 5  # between two requests of a connection
HEAD_BYTES = 16 * 2**10
SHUTDOWN_TIMEOUT_S = 5  # for responses that are being sent
MAX_MESSAGE_BYTES = 2**20  # of a WebSocket
PING_S = 20.0  # between pings, and for each pong
BACKLOG = 128


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
        ping_s: Time between pings of a WebSocket, and for each pong.
    """

    def __init__(
        self, where: ListenAddress, app: ASGIApp, pem: ReloadingFile[Pem] | None = None, ping_s: float = PING_S
    ) -> None:
        self._where, self._app, self._pem, self._ping_s = where, app, pem, ping_s
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
        table = ConnectionTable(connection_limit.http_connections(connection_limit.limit()))
        protocol: type[asyncio.Protocol] = type("Http", (BoundedHttpProtocol,), {"table": table})
        if self._pem is not None:
            protocol = _after_handshake(protocol, reloading_context(self._pem.value), table)
        config = uvicorn.Config(
            _strict_framing(self._app),
            http=protocol,
            ws=type("WebSocket", (BoundedWebSocketProtocol,), {"table": table}),
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=self._ping_s,
            ws_ping_timeout=self._ping_s,
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
        return config


def _after_handshake(
    protocol: type[asyncio.Protocol], context: ssl.SSLContext, table: ConnectionTable
) -> type[asyncio.Protocol]:
    """Return a class whose instances start TLS and then pass the connection to a `protocol`."""

    class Encrypted(TlsHandshake):
        def __init__(self, **connection: object) -> None:
            super().__init__(context, protocol(**connection), table)

    return Encrypted


def _strict_framing(app: ASGIApp) -> ASGIApp:
    """Return the app behind a check of body lengths: a proxy could read two lengths otherwise (request smuggling)."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", ())}
        if {b"content-length", b"transfer-encoding"} <= names:
            sentence = "Invalid HTTP request: it has both Content-Length and Transfer-Encoding.\n"
            await PlainTextResponse(sentence, 400, {"Connection": "close"})(scope, receive, send)
        else:
            await app(scope, receive, send)

    return checked
