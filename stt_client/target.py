"""Where a server is to be found, and how to prove who one is. Values only, without gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: who signed the server's certificate, and the client's own; None: the system's authorities, none."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Servers that do the same, HOST:PORT in the order to try them; a name may stand for several by DNS."""

    addresses: tuple[str, ...]
    token: str | None = None  # sent as `authorization: Bearer …`
    tls: Tls | None = None  # None: no TLS

    def __str__(self) -> str:
        return ",".join(self.addresses)


def to_target(server: str | Target) -> Target:
    """Return the target; a text is one address, or several with commas."""
    if isinstance(server, Target):
        return server
    return Target(tuple(address.strip() for address in server.split(",") if address.strip()))
