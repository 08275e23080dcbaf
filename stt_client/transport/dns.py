"""Host name lookup by the system's resolver (/etc/hosts, mDNS, VPN); `stt_client/__init__.py` sets it for gRPC too."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from stt_client.concurrency import run_in_thread

TIMEOUT_S = 0.5  # short: gRPC has failed to resolve the name before

Resolve = Callable[[str], list[str]]


class LookupFailedError(Exception):
    """The name has no address; the message is a clause that gives the reason."""


async def look_up(host: str, timeout_s: float = TIMEOUT_S, resolve: Resolve | None = None) -> list[str]:
    """Return the IP addresses of the host, without duplicates. The thread of a lookup that hangs is abandoned.

    Raises:
        LookupFailedError: There is none, or the resolver does not answer in time.
    """
    resolve = resolve or _resolve
    try:
        async with asyncio.timeout(timeout_s):
            return await run_in_thread(lambda: resolve(host))
    except TimeoutError as error:
        raise LookupFailedError("the resolver of this machine does not answer for that name.") from error
    except UnicodeError as error:  # of the IDNA encoding
        raise LookupFailedError(
            "there is no host of that name (each part between dots must have 1 to 63 characters)."
        ) from error
    except OSError as error:
        raise LookupFailedError(f"there is no host of that name ({error.strerror}).") from error


def _resolve(host: str) -> list[str]:
    results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in results))


def to_ascii(address: str) -> str:
    """Return the address with its host name in IDNA encoding: `münchen:8012` is `xn--mnchen-3ya:8012`."""
    host, colon, port = address.rpartition(":")
    if address.isascii():
        return address
    try:
        return host.encode("idna").decode() + colon + port
    except UnicodeError:
        return address
