"""Who gets a place: nobody before the models are tried, so many at once, nobody once the server goes away."""

from __future__ import annotations

import asyncio

import pytest

from stt_service.access.admission import RETRY_AFTER_S, AdmissionControl, ClientIdentity, ClientQuota
from stt_service.errors import ResourceExhaustedError, UnavailableError


def opened(max_streams: int) -> AdmissionControl:
    admission = AdmissionControl()
    admission.open(max_streams)
    return admission


def test_nobody_comes_in_while_the_models_are_loading() -> None:
    with pytest.raises(UnavailableError, match="still loading"), AdmissionControl().acquire_slot():
        pass


def test_one_too_many_is_told_when_to_try_again() -> None:
    admission = opened(2)
    with admission.acquire_slot(), admission.acquire_slot():
        with (
            pytest.raises(ResourceExhaustedError, match="All 2 streams of this server are taken") as refusal,
            admission.acquire_slot(),
        ):
            pass
        assert refusal.value.retry_after_s == RETRY_AFTER_S


def test_a_refusal_takes_no_place() -> None:
    admission = opened(1)
    with admission.acquire_slot():
        for _ in range(3):
            with pytest.raises(ResourceExhaustedError), admission.acquire_slot():
                pass
    with admission.acquire_slot():
        pass


def test_a_stream_that_fails_gives_its_place_back() -> None:
    admission = opened(1)
    with pytest.raises(ZeroDivisionError), admission.acquire_slot():
        raise ZeroDivisionError
    with admission.acquire_slot():
        pass


async def test_a_drain_lets_nobody_in_and_waits_for_the_last_one() -> None:
    admission = opened(2)
    with admission.acquire_slot():
        admission.close()
        emptied = asyncio.create_task(admission.wait_until_idle())
        with pytest.raises(UnavailableError, match="going away"), admission.acquire_slot():
            pass
        assert not emptied.done()
    await emptied


async def test_an_empty_server_is_drained_at_once() -> None:
    admission = opened(2)
    admission.close()
    await admission.wait_until_idle()


async def test_a_drain_that_is_called_off_lets_streams_in_again_and_who_was_told_to_go_goes() -> None:
    admission = opened(2)
    told = asyncio.create_task(admission.draining.wait())
    await asyncio.sleep(0)  # it waits
    admission.close()
    admission.reopen()
    with admission.acquire_slot():
        await told
    assert admission.streams == 0


def test_fewer_places_send_nobody_away() -> None:
    admission = opened(2)
    with admission.acquire_slot(), admission.acquire_slot():
        admission.open(1)
        assert admission.streams == 2
        with pytest.raises(ResourceExhaustedError, match="All 1 streams"), admission.acquire_slot():
            pass
    with admission.acquire_slot():
        pass


def ann(now_s: float = 0.0, **share: int) -> ClientIdentity:
    return ClientIdentity("ann", now_s, ClientQuota(**share))


def test_one_peer_has_no_more_streams_than_its_share() -> None:
    admission = opened(9)
    with admission.acquire_slot(ann(streams=2)), admission.acquire_slot(ann(streams=2)):
        with (
            pytest.raises(ResourceExhaustedError, match="You have 2 streams") as refused,
            admission.acquire_slot(ann(streams=2)),
        ):
            pass
        assert refused.value.retry_after_s > 0
        with admission.acquire_slot(ClientIdentity("bob", 0.0, ClientQuota(streams=2))):
            assert admission.streams == 3
    with admission.acquire_slot(ann(streams=1)):
        pass


def test_a_peer_that_calls_too_often_is_told_when_to_come_again() -> None:
    admission = opened(9)
    with admission.acquire_slot(ann(calls_per_minute=1)):
        pass
    with (
        pytest.raises(ResourceExhaustedError, match="1 calls in a minute") as refused,
        admission.acquire_slot(ann(calls_per_minute=1)),
    ):
        pass
    assert refused.value.retry_after_s == pytest.approx(60)
    with admission.acquire_slot(ann(60.0, calls_per_minute=1)):
        pass
