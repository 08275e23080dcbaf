"""Free ports for servers that are started again on the same port."""

from __future__ import annotations

import socket

import pytest

from benchmarks.harness import ports


def test_free_ports_differ_and_can_be_bound() -> None:
    found = ports.free_ports(3)
    assert len(set(found)) == 3
    for port in found:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", port))


def test_taken_ports_are_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ports.free_ports(2)
    monkeypatch.setattr(ports, "PORTS", range(first, first + 1))
    with socket.create_server(("127.0.0.1", first)), pytest.raises(ValueError, match="1 free ports"):
        ports.free_port()
    monkeypatch.setattr(ports, "PORTS", range(second, second + 1))
    assert ports.free_port() == second
