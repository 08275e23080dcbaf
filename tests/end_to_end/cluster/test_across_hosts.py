"""Replicas, Envoy and clients on separate hosts: a cut link and a draining replica lose no word."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.faults.envoy import Envoy, balancing
from benchmarks.faults.interrupted_dictations import SETTINGS, RestartableServer, dictation
from tests.support.environment.network_hosts import Host, hosts, require_hosts

pytestmark = pytest.mark.model

require_hosts()

REMOTE_SETTINGS = {**SETTINGS, "ALLOW_INSECURE": "true"}
STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
CLIENTS = 3
AUDIO = dictation(seed=3, least_ms=16_000)


@dataclass(frozen=True, slots=True)
class Network:
    """Three hosts with a replica each, one with Envoy, one with the clients."""

    replicas: Sequence[RestartableServer]
    hosts: Sequence[Host]  # of the replicas
    envoy: Envoy
    client_host: Host

    def busiest(self) -> int:
        """Return the number of the replica with the most streams."""
        seen = self.envoy.replicas()
        return max(range(3), key=lambda number: seen[self.replicas[number].address].streams)


@pytest.fixture(scope="module")
def five_hosts() -> Iterator[tuple[Host, ...]]:
    with hosts(5) as created:
        yield created


@pytest_asyncio.fixture
async def network(five_hosts: tuple[Host, ...]) -> AsyncIterator[Network]:
    *replica_hosts, envoy_host, client_host = five_hosts
    replicas = [RestartableServer(REMOTE_SETTINGS, host.address, host.command_prefix) for host in replica_hosts]
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.kill)
        await asyncio.gather(*(replica.start() for replica in replicas))
        addresses = [replica.address for replica in replicas]
        envoy = await stack.enter_async_context(balancing(addresses, envoy_host.address, envoy_host.command_prefix))
        await envoy.until_healthy(3)
        yield Network(replicas, replica_hosts, envoy, client_host)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    with wave.open(str(tmp_path / "recording.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(AUDIO)
    return str(tmp_path / "recording.wav")


async def recognized(network: Network, recording: str, *options: str) -> str:
    """Return the output of stt-cli for the recording."""
    command = [
        *network.client_host.command_prefix,
        STT_CLI,
        "recognize",
        recording,
        "--server",
        network.envoy.address,
        *options,
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


async def test_cut_link_and_drain_lose_no_word(network: Network, recording: str) -> None:
    undisturbed = await recognized(network, recording)
    assert len(undisturbed.splitlines()) >= 3
    clients = [asyncio.create_task(recognized(network, recording, "--realtime")) for _ in range(CLIENTS)]
    await network.envoy.wait_until(
        "all streams open", lambda seen: sum(each.streams for each in seen.values()) == CLIENTS
    )
    cut = network.busiest()
    await asyncio.to_thread(
        subprocess.run, [*network.hosts[cut].command_prefix, "ip", "link", "set", "eth0", "down"], check=True
    )
    await network.envoy.until_healthy(2)
    unreachable = network.replicas[cut].address
    await network.envoy.wait_until(
        "all streams on other replicas",
        lambda seen: seen[unreachable].streams == 0 and sum(each.streams for each in seen.values()) == CLIENTS,
    )
    network.replicas[network.busiest()].drain()
    await network.envoy.until_healthy(1)
    assert await asyncio.gather(*clients) == [undisturbed] * CLIENTS
