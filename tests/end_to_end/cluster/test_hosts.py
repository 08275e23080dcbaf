"""The hosts of tests: isolated from this machine and connected to each other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.environment.network_hosts import Host, hosts, require_hosts

require_hosts()

LISTEN = "import socket; s = socket.create_server((host, 0)); print(s.getsockname()[1], flush=True); s.accept()"
CONNECT = "import socket; socket.create_connection((host, port), timeout=5)"


@pytest.fixture
def pair() -> Iterator[tuple[Host, ...]]:
    with hosts(2) as made:
        yield made


def python(host: Host | None, program: str) -> subprocess.Popen[str]:
    inside = host.command_prefix if host else ()
    return subprocess.Popen(
        [*inside, sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_host_reaches_another_host_but_this_machine_does_not(pair: tuple[Host, ...]) -> None:
    server, client = pair
    where = f"host = {server.address!r}; "
    with python(server, where + LISTEN) as listening:
        assert listening.stdout is not None
        where += f"port = {listening.stdout.readline().strip()}; "
        with python(None, where + CONNECT) as stranger:
            assert stranger.wait(30) != 0
        with python(client, where + CONNECT) as neighbour:
            assert neighbour.wait(30) == 0
