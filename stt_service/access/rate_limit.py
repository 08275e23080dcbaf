"""Who is calling, and how often each may. Knows no clock: `now_s` is passed in."""

from __future__ import annotations

from contextvars import ContextVar
from ipaddress import IPv6Address, ip_network
from typing import Protocol
from urllib.parse import unquote

MAX_PEERS = 4096  # remembered at once: half a megabyte
MINUTE_S = 60.0
ROUNDING_S = 1e-6  # of so many additions
# Whose token the call showed. A call is one task, from the port's interceptor to the end of its handler.
HOLDER: ContextVar[str | None] = ContextVar("HOLDER", default=None)


class HasPeer(Protocol):
    """What gRPC knows of a call."""

    def peer(self) -> str: ...


def caller(context: HasPeer) -> str:
    """Return the name of the token that the call showed; without one, where it comes from."""
    return HOLDER.get() or source(context.peer())


def source(peer: str) -> str:
    """Return the address without its port; of IPv6 the network of 64 bits, as any one client has all of that.

    `peer` is as gRPC writes it: ipv4:10.0.0.5:40312, ipv6:%5B::1%5D:40312.
    """
    family, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    if family != "ipv6":
        return host or peer
    address = IPv6Address(host)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address.packed, 64), strict=False)) if not address.is_loopback else host


class RateLimiter:
    """How many calls each peer may begin in a minute: all at once, or one after the other, in the long run no more.

    A peer that has not called for long costs no memory. Source: the generic cell rate algorithm, ITU-T I.371.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # when each peer's minute is free again, oldest call first

    def __len__(self) -> int:
        return len(self._until)

    def retry_after_s(self, peer: str, now_s: float, per_minute: int) -> float:
        """Count a call; return 0, or how long the peer has to wait, and then the call does not count."""
        if not per_minute:
            return 0.0
        until = max(self._until.get(peer, now_s), now_s) + MINUTE_S / per_minute
        if until - now_s > MINUTE_S + ROUNDING_S:
            return until - now_s - MINUTE_S
        self._until.pop(peer, None)
        self._until[peer] = until
        self._forget(now_s)
        return 0.0

    def _forget(self, now_s: float) -> None:
        """Drop those that called least lately, as far as it does not matter or there are too many."""
        while self._until:
            peer, until = next(iter(self._until.items()))
            if until > now_s and len(self._until) <= MAX_PEERS:
                return
            del self._until[peer]
