"""Replicas behind Envoy that drain or are killed while people speak: every text is that of an undisturbed dictation.

A few rounds of what `lab/failures/replica_restarts.py` proves at length.
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
PEOPLE = 3
SOUND = dictation(seed=3, least_ms=16_000)
LASTS_S = len(SOUND) / BYTES_MS / 1000 / SPEED


@dataclass(frozen=True, slots=True)
class Cluster:
    replicas: Sequence[RestartableServer]
    envoy: Envoy
    undisturbed: ClientOutput

    def fullest(self) -> RestartableServer:
        """Return the replica on which most people speak."""
        seen = self.envoy.replicas()
        return max(self.replicas, key=lambda replica: seen[replica.address].streams)


@pytest_asyncio.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Return two servers behind Envoy, and what they make of the dictation."""
    replicas = [RestartableServer(), RestartableServer()]
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        async with balancing([replica.address for replica in replicas]) as envoy:
            await envoy.until_healthy(2)
            undisturbed = await dictate(envoy.address, SOUND, SPEED)
            assert len(undisturbed.texts) >= 3
            yield Cluster(replicas, envoy, undisturbed)
    finally:
        for replica in replicas:
            replica.kill()


def speaking(cluster: Cluster) -> list[asyncio.Task[ClientOutput]]:
    """Have three people say the same."""
    return [asyncio.create_task(dictate(cluster.envoy.address, SOUND, SPEED)) for _ in range(PEOPLE)]


async def assert_unnoticed(cluster: Cluster, people: Sequence[asyncio.Task[ClientOutput]]) -> list[ClientOutput]:
    """Check that all was told as it would have been; return it."""
    all_told = await asyncio.gather(*people)
    assert [told.texts for told in all_told] == [cluster.undisturbed.texts] * PEOPLE
    assert [told.numbers for told in all_told] == [cluster.undisturbed.numbers] * PEOPLE
    assert not [refusal for told in all_told for refusal in told.refusals]
    breaks = [each for told in all_told for each in told.breaks]
    assert breaks
    assert all(each.resumed_s - each.lost_s < 1 for each in breaks)
    return all_told


async def test_a_replica_that_drains_hands_its_streams_to_the_others(cluster: Cluster) -> None:
    people = speaking(cluster)
    await asyncio.sleep(LASTS_S / 3)
    drained = cluster.fullest()
    drained.drain()
    all_told = await assert_unnoticed(cluster, people)
    states = [event.state for told in all_told for event in told.events if isinstance(event, Connection)]
    assert ConnectionState.DRAINING in states
    await drained.ended()
    await drained.start()
    await cluster.envoy.until_healthy(2)


async def test_a_replica_that_is_killed_is_failed_over(cluster: Cluster) -> None:
    people = speaking(cluster)
    await asyncio.sleep(LASTS_S / 2)
    cluster.fullest().kill()
    await assert_unnoticed(cluster, people)
    await cluster.envoy.until_healthy(1)
