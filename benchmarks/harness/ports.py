"""Free ports for processes that cannot report the port of their own choice."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

# Below the ports of outgoing connections (from 32768 on Linux, 16000 in gVisor). None of them takes the port while
# nothing listens on it, also not a client that reconnects: its connection could have the same port at both ends.
PORTS = range(10_081, 16_000)  # browsers reject 10080


def free_port() -> int:
    """Return a free loopback port. Another process may take it before it is used."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different free loopback ports.

    Raises:
        ValueError: fewer ports are free.
    """
    with ExitStack() as stack:
        ports = list(islice(_bound_ports(stack), count))
    if len(ports) < count:
        raise ValueError(f"{count} free ports from {PORTS.start} to {PORTS.stop - 1} requested: {len(ports)} are free.")
    return ports


def _bound_ports(stack: ExitStack) -> Iterator[int]:
    """Bind ports in random order until the stack is closed."""
    for port in random.sample(PORTS, len(PORTS)):
        bound = stack.enter_context(socket.socket())
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:  # taken
            continue
        yield port
