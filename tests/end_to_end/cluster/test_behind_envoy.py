"""Replicas behind Envoy that drain or are killed during dictations: every text equals that of an undisturbed one.

A short version of `lab/failures/replica_restarts.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio

from benchmarks.faults.envoy import Envoy, balancing
from benchmarks.faults.interrupted_dictations import BYTES_MS, ClientOutput, RestartableServer, dictate, dictation
from stt_client.events import Connection, ConnectionState

pytestmark = pytest.mark.model

SPEED = 3.0
CLIENTS = 3
AUDIO = dictation(seed=3, least_ms=16_000)
DURATION_S = len(AUDIO) / BYTES_MS / 1000 / SPEED


@dataclass(frozen=True, slots=True)
class Cluster:
    replicas: Sequence[RestartableServer]
    envoy: Envoy
    undisturbed: ClientOutput

    def busiest(self) -> RestartableServer:
        """Return the replica with the most streams."""
        seen = self.envoy.replicas()
        return max(self.replicas, key=lambda replica: seen[replica.address].streams)


@pytest_asyncio.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Return two servers behind Envoy, and the result of an undisturbed dictation."""
    replicas = [RestartableServer(), RestartableServer()]
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        async with balancing([replica.address for replica in replicas]) as envoy:
            await envoy.until_healthy(2)
            undisturbed = await dictate(envoy.address, AUDIO, SPEED)
            assert len(undisturbed.texts) >= 3
            yield Cluster(replicas, envoy, undisturbed)
    finally:
        for replica in replicas:
            replica.kill()


def start_clients(cluster: Cluster) -> list[asyncio.Task[ClientOutput]]:
    """Start three dictations of the same audio."""
    return [asyncio.create_task(dictate(cluster.envoy.address, AUDIO, SPEED)) for _ in range(CLIENTS)]


async def assert_unnoticed(cluster: Cluster, clients: Sequence[asyncio.Task[ClientOutput]]) -> list[ClientOutput]:
    """Check that all was output as it would have been; return it."""
    outputs = await asyncio.gather(*clients)
    assert [output.texts for output in outputs] == [cluster.undisturbed.texts] * CLIENTS
    assert [output.numbers for output in outputs] == [cluster.undisturbed.numbers] * CLIENTS
    assert not [rejection for output in outputs for rejection in output.rejections]
    interruptions = [each for output in outputs for each in output.breaks]
    assert interruptions
    assert all(each.resumed_s - each.lost_s < 1 for each in interruptions)
    return outputs


async def test_streams_of_a_draining_replica_move_to_the_others(cluster: Cluster) -> None:
    clients = start_clients(cluster)
    await asyncio.sleep(DURATION_S / 3)
    drained = cluster.busiest()
    drained.drain()
    outputs = await assert_unnoticed(cluster, clients)
    states = [event.state for output in outputs for event in output.events if isinstance(event, Connection)]
    assert ConnectionState.DRAINING in states
    await drained.ended()
    await drained.start()
    await cluster.envoy.until_healthy(2)


async def test_streams_of_a_killed_replica_fail_over(cluster: Cluster) -> None:
    clients = start_clients(cluster)
    await asyncio.sleep(DURATION_S / 2)
    cluster.busiest().kill()
    await assert_unnoticed(cluster, clients)
    await cluster.envoy.until_healthy(1)
