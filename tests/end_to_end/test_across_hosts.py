"""Replicas, Envoy and clients on hosts of their own: a link that is cut and a replica that drains cost no word."""

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
from tests.support.hosts import Host, hosts, require_hosts

pytestmark = pytest.mark.model

require_hosts()

SETTINGS_ABROAD = {**SETTINGS, "ALLOW_INSECURE": "true"}
STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
PEOPLE = 3
SOUND = dictation(seed=3, least_ms=16_000)


@dataclass(frozen=True, slots=True)
class Network:
    """Three hosts with a replica each, one with Envoy, one where people speak."""

    replicas: Sequence[RestartableServer]
    hosts: Sequence[Host]  # of the replicas
    envoy: Envoy
    speakers: Host

    def fullest(self) -> int:
        """Return the number of the replica on which most people speak."""
        seen = self.envoy.replicas()
        return max(range(3), key=lambda number: seen[self.replicas[number].address].streams)


@pytest.fixture(scope="module")
def five() -> Iterator[tuple[Host, ...]]:
    with hosts(5) as made:
        yield made


@pytest_asyncio.fixture
async def network(five: tuple[Host, ...]) -> AsyncIterator[Network]:
    *of_replicas, of_envoy, speakers = five
    replicas = [RestartableServer(SETTINGS_ABROAD, host.address, host.command_prefix) for host in of_replicas]
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.kill)
        await asyncio.gather(*(replica.start() for replica in replicas))
        addresses = [replica.address for replica in replicas]
        envoy = await stack.enter_async_context(balancing(addresses, of_envoy.address, of_envoy.command_prefix))
        await envoy.until_healthy(3)
        yield Network(replicas, of_replicas, envoy, speakers)


@pytest.fixture
def talk(tmp_path: Path) -> str:
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(SOUND)
    return str(tmp_path / "talk.wav")


async def said(network: Network, talk: str, *options: str) -> str:
    """Return what stt-cli prints of the talk."""
    command = [
        *network.speakers.command_prefix,
        STT_CLI,
        "recognize",
        talk,
        "--server",
        network.envoy.address,
        *options,
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


async def test_a_cut_link_and_a_drain_cost_people_no_word(network: Network, talk: str) -> None:
    undisturbed = await said(network, talk)
    assert len(undisturbed.splitlines()) >= 3
    people = [asyncio.create_task(said(network, talk, "--realtime")) for _ in range(PEOPLE)]
    await network.envoy.wait_until("all who speak", lambda seen: sum(each.streams for each in seen.values()) == PEOPLE)
    cut = network.fullest()
    await asyncio.to_thread(
        subprocess.run, [*network.hosts[cut].command_prefix, "ip", "link", "set", "eth0", "down"], check=True
    )
    await network.envoy.until_healthy(2)
    gone = network.replicas[cut].address
    await network.envoy.wait_until(
        "all elsewhere",
        lambda seen: seen[gone].streams == 0 and sum(each.streams for each in seen.values()) == PEOPLE,
    )
    network.replicas[network.fullest()].drain()
    await network.envoy.until_healthy(1)
    assert await asyncio.gather(*people) == [undisturbed] * PEOPLE
