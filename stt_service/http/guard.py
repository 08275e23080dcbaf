"""Access rules of the HTTP port, the same for every surface: host, origin, token, limits of bodies and slow clients.

`Guard` is ASGI middleware in front of the routes of a surface. It passes the identity of the client in the scope
(`client_name`), so that admission and quotas are those of gRPC, and whether the client is authorized
(`is_authorized`), which can only be False for public surfaces.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from stt_service.access.auth_failures import AuthFailureLog
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.rate_limit import socket_address
from stt_service.access.tokens import Tokens, bearer_token
from stt_service.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidRequestError,
    SttError,
    UnauthenticatedError,
)
from stt_service.recognition.failures import log_server_error
from stt_service.telemetry.log_writer import LineLimiter
from stt_service.telemetry.logs import event

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_TIMEOUT_S = 30.0  # between two parts of a body
MIN_BODY_BYTES_PER_S = 1024  # on average after BODY_TIMEOUT_S; Kestrel and Apache require 240 and 500
SEND_TIMEOUT_S = 30.0  # for the client to read a message
ABORT_TIMEOUT_S = 1.0  # for an aborted connection to be closed
# Prefixes of offered subprotocols: browsers cannot send headers with a WebSocket.
OPENAI_SUBPROTOCOL = "openai-insecure-api-key."
TOKEN_SUBPROTOCOL = "stt-token."  # noqa: S105  (a prefix; a token in base64url follows, without padding)
MAX_SHOWN = 80  # characters of a header in a message
UNAUTHENTICATED = "A valid token is required: send `Authorization: Bearer TOKEN`."

log = logging.getLogger(__name__)
_aborted_lines = LineLimiter()

OnError = Callable[["Scope", "Receive", "Send", SttError], Awaitable[None]]


class WrongHostError(InvalidRequestError):
    """The Host header names another machine: a page of another site reached a loopback address (DNS rebinding)."""


class WrongOriginError(InvalidRequestError):
    """A page of another site sent the request."""


class TooLargeError(InvalidRequestError):
    """The body exceeds its limit."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What a surface requires.

    Attributes:
        tokens: Valid tokens; None if the port requires none.
        client_certificates: A client certificate is required.
        addresses_only: Requests must name an address, or a host without a domain; for ports without tokens. A page of
            another site can reach a name of its own that resolves to this machine (DNS rebinding), but no address.
        origins: Origins of other sites whose pages may use the surface.
        max_body_bytes: Limit of a request body.
        public: Requests without a token or certificate are accepted too; `is_authorized` of the scope is then False.
        closed: Why no request is accepted; empty if requests are.
    """

    tokens: ReloadingFile[Tokens] | None = None
    client_certificates: bool = False
    addresses_only: bool = False
    origins: frozenset[str] = frozenset()
    max_body_bytes: int = 2**20
    public: bool = False
    closed: str = ""


class Guard:
    """Applies access rules to an ASGI application.

    An error before the response goes to `on_error`, which answers in the shape of the API. After its start the
    connection is aborted, as the client must not take a part for the whole, or does not read at all.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: AccessRules,
        on_error: OnError,
        rejected: Callable[[str], None] = lambda _: None,
        *,
        send_timeout_s: float = SEND_TIMEOUT_S,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._app, self._rules, self._on_error, self._rejected = app, rules, on_error, rejected
        self._send_timeout_s, self._body_timeout_s = send_timeout_s, body_timeout_s
        self._failures = AuthFailureLog("HTTP_PORT")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def bounded_send(message: Message) -> None:
            nonlocal started
            started = True
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await send(message)
            except TimeoutError:
                raise DeadlineExceededError(f"The client read no response for {self._send_timeout_s:g} s.") from None

        try:
            self._identify(scope)
            bounded = self._bounded(receive) if scope["type"] == "http" else receive
            await self._app(scope, bounded, bounded_send)
        except SttError as error:
            if started:
                await _abort(scope, receive, error)
            else:
                await self._on_error(scope, receive, send, error)
        except HTTPException:  # an unknown path or method
            raise
        except Exception as error:
            if started:
                raise
            await self._on_error(scope, receive, send, log_server_error(error))

    def _identify(self, scope: Scope) -> None:
        """Check the headers; set the name of the client, and whether it is authorized.

        Raises:
            SttError: a rule is violated.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._check_host(headers)
        self._check_origin(headers)
        self._check_length(headers)
        if self._rules.closed:
            raise FailedPreconditionError(self._rules.closed)
        scope["is_authorized"] = True
        try:
            scope["client_name"] = self._client_name(scope, headers)
        except UnauthenticatedError:
            if not self._rules.public:
                raise
            scope["client_name"], scope["is_authorized"] = _address(scope), False

    def _client_name(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Return the name of the client's token; without tokens the address of the client.

        Raises:
            UnauthenticatedError: the token or the certificate is missing or wrong.
        """
        if self._rules.client_certificates and not scope.get("state", {}).get("client_certificate"):
            raise UnauthenticatedError("A client certificate is required.")
        if self._rules.tokens is None:
            return _address(scope)
        name = self._rules.tokens.value().lookup(_token(headers))
        if name is None:
            if not self._rules.public:
                self._rejected("token")
                self._failures.count(_address(scope), time.monotonic())
            raise UnauthenticatedError(UNAUTHENTICATED)
        return name

    def _check_host(self, headers: Mapping[str, str]) -> None:
        if not self._rules.addresses_only or _is_address_or_local(host := _hostname(headers.get("host", ""))):
            return
        if host not in map(_origin_host, self._rules.origins):
            raise WrongHostError(
                f"Invalid Host={host[:MAX_SHOWN]!r}: without tokens it must be an address or a name without a domain, "
                "such as localhost; or list it in HTTP_ALLOWED_ORIGINS."
            )

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin = headers.get("origin")
        if origin is None or origin in self._rules.origins:
            return
        if (site := _netloc(origin)) and site == headers.get("host"):
            return
        raise WrongOriginError(
            f"Invalid Origin={origin[:MAX_SHOWN]!r}: must be this server, or listed in HTTP_ALLOWED_ORIGINS."
        )

    def _check_length(self, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._rules.max_body_bytes:
            raise self._too_large()

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The request body is too large: at most {self._rules.max_body_bytes} bytes are accepted.")

    def _bounded(self, receive: Receive) -> Receive:
        """Return `receive` with limits on the size, the pauses and the rate of a body."""
        received_bytes, complete = 0, False
        time_s = asyncio.get_running_loop().time
        started_s = time_s()

        async def bounded() -> Message:
            nonlocal received_bytes, complete
            if complete:  # only a disconnect can follow, at any time
                return await receive()
            slowest_s = started_s + self._body_timeout_s + received_bytes / MIN_BODY_BYTES_PER_S
            try:
                async with asyncio.timeout_at(min(time_s() + self._body_timeout_s, slowest_s)):
                    message: dict[str, Any] = dict(await receive())
            except TimeoutError:
                raise DeadlineExceededError(
                    f"The request body arrives too slowly: at least {MIN_BODY_BYTES_PER_S} bytes per second are "
                    f"required, with pauses of at most {self._body_timeout_s:g} s."
                ) from None
            received_bytes += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received_bytes > self._rules.max_body_bytes:
                raise self._too_large()
            return message

        return bounded


async def _abort(scope: Scope, receive: Receive, error: SttError) -> None:
    """Log the error, close the connection without sending its buffer, and wait until it is closed."""
    if (dropped := _aborted_lines.next_line()) is not None:
        log.warning(event("connection aborted", {"peer": _address(scope), "reason": error, "dropped_lines": dropped}))
    scope["state"]["abort"]()
    with suppress(TimeoutError):
        async with asyncio.timeout(ABORT_TIMEOUT_S):
            while not (await receive())["type"].endswith(".disconnect"):
                pass


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _origin_host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _is_address_or_local(host: str) -> bool:
    """Whether the host is an IP address, or a name without a domain, which no other site can own."""
    try:
        ip_address(host)
    except ValueError:
        return bool(host) and "." not in host
    return True


def _address(scope: Scope) -> str:
    return socket_address(*(scope.get("client") or ("", 0)))


def _token(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a request or of a browser's WebSocket; an empty string without one."""
    if token := bearer_token(headers.get("authorization", "")):
        return token
    for protocol in map(str.strip, headers.get("sec-websocket-protocol", "").split(",")):
        if protocol.startswith(OPENAI_SUBPROTOCOL):
            return protocol.removeprefix(OPENAI_SUBPROTOCOL)
        if protocol.startswith(TOKEN_SUBPROTOCOL):
            return _decoded(protocol.removeprefix(TOKEN_SUBPROTOCOL))
    return ""


def _decoded(encoded: str) -> str:
    """Return the text of base64url without padding; an empty string, which is no valid token, if it is malformed."""
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8")
    except ValueError:
        return ""
