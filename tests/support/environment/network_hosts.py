"""Several hosts on one machine: network namespaces on a separate switch that nothing else can reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from shutil import which

import pytest

_numbers = count()


@dataclass(frozen=True, slots=True)
class Host:
    """A host; commands with its prefix run on it: `[*host.command_prefix, "stt-cli", "status"]`."""

    address: str
    command_prefix: Sequence[str]


@cache
def unavailable_reason() -> str:
    """Return why this machine cannot create such hosts; empty if it can."""
    if sys.platform != "linux" or which("ip") is None:
        return "the command ip (Debian: iproute2) is not here"
    try:
        with hosts(1):
            return ""
    except subprocess.CalledProcessError as error:
        return f"the kernel gives no network namespace: {error.stderr.strip()}"


def require_hosts() -> None:
    """Skip the calling test or module on machines that cannot create hosts."""
    if reason := unavailable_reason():
        pytest.skip(reason, allow_module_level=True)


@contextmanager
def hosts(number: int) -> Iterator[tuple[Host, ...]]:
    """Yield this many hosts on one network, from 10.77.0.1 on; delete them and their interfaces on exit."""
    own = f"stt{os.getpid()}-{next(_numbers)}"
    names = [f"{own}-{index}" for index in range(number)]
    created: list[str] = []
    try:
        for name in (own, *names):
            _ip("netns", "add", name)
            created.append(name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", own, "link", "add", "switch", "type", "bridge")
        _ip("-n", own, "link", "set", "switch", "up")
        yield tuple(_connect_host(own, name, index + 1) for index, name in enumerate(names))
    finally:
        for name in created:
            _ip("netns", "delete", name)


def _connect_host(switch: str, name: str, number_on_switch: int) -> Host:
    _ip("-n", switch, "link", "add", f"port{number_on_switch}", "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("-n", switch, "link", "set", f"port{number_on_switch}", "master", "switch", "up")
    address = f"10.77.0.{number_on_switch}"
    _ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    return Host(address, ("ip", "netns", "exec", name))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)
