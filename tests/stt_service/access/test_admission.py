"""AdmissionControl: slots, quotas and the serving state."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from stt_service.access.admission import RETRY_AFTER_S, AdmissionControl, ClientIdentity, ClientQuota
from stt_service.errors import ResourceExhaustedError, UnavailableError


async def opened(max_streams: int) -> AdmissionControl[str]:
    admission: AdmissionControl[str] = AdmissionControl()
    await admission.open("models", max_streams)
    return admission


def test_no_stream_is_admitted_while_the_models_load() -> None:
    with pytest.raises(UnavailableError, match="still loading"), AdmissionControl[str]().acquire_slot():
        pass


async def test_full_server_rejects_with_a_retry_delay() -> None:
    admission = await opened(2)
    with admission.acquire_slot(), admission.acquire_slot():
        with (
            pytest.raises(ResourceExhaustedError, match="All 2 slots of this server are in use") as refusal,
            admission.acquire_slot(),
        ):
            pass
        assert refusal.value.retry_after_s == RETRY_AFTER_S


async def test_rejection_uses_no_slot() -> None:
    admission = await opened(1)
    with admission.acquire_slot():
        for _ in range(3):
            with pytest.raises(ResourceExhaustedError), admission.acquire_slot():
                pass
    with admission.acquire_slot():
        pass


async def test_failed_stream_releases_its_slot() -> None:
    admission = await opened(1)
    with pytest.raises(ZeroDivisionError), admission.acquire_slot():
        raise ZeroDivisionError
    with admission.acquire_slot():
        pass


async def test_drain_admits_no_stream_and_waits_for_the_last_one() -> None:
    admission = await opened(2)
    with admission.acquire_slot():
        await admission.drain()
        emptied = asyncio.create_task(admission.wait_until_idle())
        with pytest.raises(UnavailableError, match="draining"), admission.acquire_slot():
            pass
        assert not emptied.done()
    await emptied


async def test_idle_server_drains_at_once() -> None:
    admission = await opened(2)
    await admission.drain()
    await admission.wait_until_idle()


async def test_canceled_drain_admits_streams_again_and_earlier_streams_still_end() -> None:
    admission = await opened(2)
    draining = asyncio.create_task(admission.draining.wait())
    await asyncio.sleep(0)  # it waits
    await admission.drain()
    await admission.cancel_drain()
    with admission.acquire_slot():
        await draining
    assert admission.streams == 0


async def test_fewer_slots_end_no_open_stream() -> None:
    admission = await opened(2)
    with admission.acquire_slot(), admission.acquire_slot():
        await admission.resize(1)
        assert admission.streams == 2
        with pytest.raises(ResourceExhaustedError, match="All 1 slots"), admission.acquire_slot():
            pass
    with admission.acquire_slot():
        pass


def ann(now_s: float = 0.0, **quota: int) -> ClientIdentity:
    return ClientIdentity("ann", now_s, ClientQuota(**quota))


async def test_client_has_at_most_the_streams_of_its_quota() -> None:
    admission = await opened(9)
    with admission.acquire_slot(ann(streams=2)), admission.acquire_slot(ann(streams=2)):
        with (
            pytest.raises(ResourceExhaustedError, match="at most 2 streams per client") as refused,
            admission.acquire_slot(ann(streams=2)),
        ):
            pass
        assert refused.value.retry_after_s > 0
        with admission.acquire_slot(ClientIdentity("bob", 0.0, ClientQuota(streams=2))):
            assert admission.streams == 3
    with admission.acquire_slot(ann(streams=1)):
        pass


async def test_rate_limited_client_is_rejected_with_a_retry_delay() -> None:
    admission = await opened(9)
    with admission.acquire_slot(ann(calls_per_minute=1)):
        pass
    with (
        pytest.raises(ResourceExhaustedError, match="at most 1 calls per minute") as refused,
        admission.acquire_slot(ann(calls_per_minute=1)),
    ):
        pass
    assert refused.value.retry_after_s == pytest.approx(60)
    with admission.acquire_slot(ann(60.0, calls_per_minute=1)):
        pass


async def test_check_rejects_as_a_call_would_be_and_counts_none() -> None:
    admission = await opened(2)
    client = ClientIdentity("ann", 0.0, ClientQuota(streams=1, calls_per_minute=1))
    for _ in range(3):
        admission.check(client)
    with admission.acquire_slot(client):
        with pytest.raises(ResourceExhaustedError, match="Rate limit exceeded: at most 1 calls") as limited:
            admission.check(client)
        assert limited.value.retry_after_s == pytest.approx(60)
        with pytest.raises(ResourceExhaustedError, match="Stream limit exceeded: at most 1 streams"):
            admission.check(replace(client, now_s=60.0))
        admission.check(ClientIdentity("bob", 0.0))
        with admission.acquire_slot(), pytest.raises(ResourceExhaustedError, match="All 2 slots"):
            admission.check(ClientIdentity("bob", 0.0))
    await admission.drain()
    with pytest.raises(UnavailableError, match="draining"):
        admission.check(ClientIdentity("bob", 0.0))
