"""The address of a client, and a limit on how often each client may call. Has no clock: `now_s` is an argument."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_network
from urllib.parse import unquote

MAX_CLIENTS = 4096  # stored at the same time: half a megabyte
MINUTE_S = 60.0
ROUNDING_S = 1e-6  # rounding error of that many additions


def client_address(peer: str) -> str:
    """Return a peer's address without its port; of IPv6 the /64 network, since one client usually has all of it.

    Args:
        peer: in gRPC's notation: ipv4:10.0.0.5:40312, ipv6:%5B::1%5D:40312.
    """
    family, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    if family != "ipv6":
        return host or peer
    address = IPv6Address(host)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address.packed, 64), strict=False)) if not address.is_loopback else host


def socket_address(host: str, port: int) -> str:
    """Return the address of a client as gRPC's calls have it, so that all ports share quotas."""
    return client_address(f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}")


class RateLimiter:
    """Limits the calls of each client per minute: in a burst or spread out, but no more in the long run.

    A client that has not called for a while uses no memory. Source: the generic cell rate algorithm, ITU-T I.371.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # time at which each client's quota is fully restored; oldest call first

    def __len__(self) -> int:
        return len(self._until)

    def retry_after_s(self, client: str, now_s: float, per_minute: int) -> float:
        """Count a call and return 0, or return the seconds to wait if the call exceeds the limit and is not counted."""
        if (wait_s := self.wait_s(client, now_s, per_minute)) or not per_minute:
            return wait_s
        until = self._until_after_call(client, now_s, per_minute)
        self._until.pop(client, None)
        self._until[client] = until
        self._forget(now_s)
        return 0.0

    def wait_s(self, client: str, now_s: float, per_minute: int) -> float:
        """Return the seconds to wait before the next call, without counting one; 0: it is within the limit."""
        if not per_minute:
            return 0.0
        excess_s = self._until_after_call(client, now_s, per_minute) - now_s - MINUTE_S
        return excess_s if excess_s > ROUNDING_S else 0.0

    def _until_after_call(self, client: str, now_s: float, per_minute: int) -> float:
        return max(self._until.get(client, now_s), now_s) + MINUTE_S / per_minute

    def _forget(self, now_s: float) -> None:
        """Remove the clients with the oldest calls if their quota is fully restored or there are too many clients."""
        while self._until:
            client, until = next(iter(self._until.items()))
            if until > now_s and len(self._until) <= MAX_CLIENTS:
                return
            del self._until[client]
