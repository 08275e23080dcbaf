"""TLS of the HTTP port: bounded handshakes, and certificates that are reloaded like those of the gRPC ports."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stt_service.http.connections import ConnectionTable

if TYPE_CHECKING:
    from stt_service.access.certificates import Pem

HANDSHAKE_TIMEOUT_S = 10.0  # as on the gRPC ports
SHUTDOWN_TIMEOUT_S = 5.0  # for the client to end TLS


class TlsHandshake(asyncio.Protocol):
    """A new connection until its handshake is complete; then `protocol` has it.

    Args:
        context: The certificate.
        protocol: Receives the connection.
        table: The connections of the listener.
    """

    def __init__(self, context: ssl.SSLContext, protocol: asyncio.BaseProtocol, table: ConnectionTable) -> None:
        self._context, self._protocol, self._table = context, protocol, table
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()
        self._table.add(self)
        self._table.wait(self)
        self._task = asyncio.get_running_loop().create_task(self._handshake(transport))

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _handshake(self, transport: asyncio.Transport) -> None:
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                transport,
                self._protocol,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except (OSError, EOFError):  # ssl.SSLError is an OSError
            transport.abort()
        else:
            if encrypted is not None and not encrypted.is_closing():
                self._protocol.connection_made(encrypted)
        finally:
            self._table.remove(self)


def reloading_context(current: Callable[[], Pem]) -> ssl.SSLContext:
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
