"""The addresses of servers and the credentials for them. Values only, without gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS files, all PEM.

    Attributes:
        ca_file: CA certificates to verify the server with; None: the system's CAs.
        certificate: client certificate for mutual TLS; None: none.
        key: private key of the client certificate.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Interchangeable servers.

    Attributes:
        addresses: HOST:PORT, in the order to try them. All IP addresses of a host name are tried.
        token: bearer token, sent as `authorization: Bearer ...`.
        tls: None: no TLS.
    """

    addresses: tuple[str, ...]
    token: str | None = None
    tls: Tls | None = None

    def __str__(self) -> str:
        return ",".join(self.addresses)


def to_target(server: str | Target) -> Target:
    """Return the target of one address, or of several separated by commas."""
    if isinstance(server, Target):
        return server
    return Target(tuple(address.strip() for address in server.split(",") if address.strip()))
