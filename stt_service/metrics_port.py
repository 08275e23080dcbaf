"""The metrics port: /metrics, /healthz and /readyz over HTTP, for whoever watches the server.

It answers from threads of its own, so that it can tell of an event loop that does not answer. A client holds one of
SEATS for at most PATIENCE_S, however slowly it writes or reads; who comes when all are taken waits to be accepted.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from socketserver import TCPServer
from threading import BoundedSemaphore, Thread, Timer
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from stt_service.port import Where

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

SEATS = 8  # two Prometheus, a kubelet, an operator, and room
PATIENCE_S = 5.0  # half of Prometheus' own, which waits 10 s for a scrape
LOOP_S = 2.0  # for the event loop to answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)


class MetricsPort:
    """The port named by METRICS_PORT."""

    def __init__(self, where: Where, registry: CollectorRegistry, unready: Callable[[], str]) -> None:
        """Take where to listen, what to tell, and what says in a line why the server does not serve, or nothing."""
        self._where, self._unready = where, unready
        self._metrics = make_wsgi_app(registry)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self.number = 0  # until it is bound

    @property
    def address(self) -> str:
        return self._where.at(self.number)

    def start(self) -> None:
        """Listen, and answer until `stop`. To be called on the event loop that /healthz tells of.

        Raises:
            StartFailed: the port is taken, or the address is not this machine's.
        """
        self._loop, where = asyncio.get_running_loop(), self._where
        try:
            self._server = _Server(where.bind, where.number)
        except OSError as error:
            raise where.unusable() from error
        self._server.set_app(self._answer_safely)
        self.number = self._server.server_port
        Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Listen no more. Blocks for a moment."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer_safely(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(environ)
        except Exception:
            log.exception("a request to the metrics port failed")
            answer = Answer("500 Internal Server Error", b"The log of the server says why.\n")
        length = ("Content-Length", str(len(answer.body)))
        start(answer.status, [*answer.headers, length, ("Server", "stt-server")])  # or it tells its version
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        path = environ["PATH_INFO"]
        if path not in ("/metrics", "/healthz", "/readyz"):
            return Answer("404 Not Found", b"There are /metrics, /healthz and /readyz.\n")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET and HEAD will do.\n", (("Allow", "GET, HEAD"),))
        if path == "/metrics":
            return self._told(environ)
        return _state(self._unhealthy() if path == "/healthz" else self._unready())

    def _told(self, environ: WSGIEnvironment) -> Answer:
        begun: list[Any] = []
        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *told: begun.extend(told)))
        status, headers = begun
        return Answer(status, body, tuple(headers))

    def _unhealthy(self) -> str:
        assert self._loop is not None
        try:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result(LOOP_S)
        except TimeoutError:
            return f"The event loop does not answer within {LOOP_S:g} s."
        return ""


def _state(wrong: str) -> Answer:
    return Answer("503 Service Unavailable", f"{wrong}\n".encode()) if wrong else Answer("200 OK", b"ok\n")


class _Request(WSGIRequestHandler):
    timeout = PATIENCE_S  # of each read and write

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Leave requests out of the log."""

    def get_stderr(self) -> StringIO:
        """Leave out clients that went away; what is our fault is logged where it is answered."""
        return StringIO()


class _Server(ThreadingWSGIServer):
    request_queue_size = 32  # who waits to be accepted

    def __init__(self, bind: str, number: int) -> None:
        self.address_family = socket.getaddrinfo(bind, number, type=socket.SOCK_STREAM)[0][0]
        self._seats = BoundedSemaphore(SEATS)
        super().__init__((bind, number), _Request)

    def server_bind(self) -> None:
        """Bind, without asking the DNS for a name of ours that nobody wants."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have a thread answer, once there is a seat."""
        self._seats.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._seats.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one request, and cut the client off when its time is over."""
        over = Timer(PATIENCE_S, _cut, [request])
        over.daemon = True
        over.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            over.cancel()
            self._seats.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Take note of a client that went away or was cut off."""
        log.debug("a client of the metrics port was lost", exc_info=True)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
