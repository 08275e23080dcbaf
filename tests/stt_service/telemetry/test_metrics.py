"""What the collectors tell of batches, places and models; and that their number is known beforehand."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stt_service.access.admission import AdmissionControl
from stt_service.models.devices import Gpu
from stt_service.models.registry import ModelEntry, ModelState, Role
from stt_service.scheduling.executor import BatchExecutor, BatchStats, ExecutorModel, QueueWait
from stt_service.scheduling.scheduler import Job
from stt_service.telemetry.collectors import CertificateCollector, GpuCollector, ModelCollector
from stt_service.telemetry.metrics import LOOP_EVERY_S, Metrics, watch_loop
from stt_service.whisper.types import Kind

PERSON, FILE = QueueWait(0.25, realtime=True), QueueWait(4.0, realtime=False)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def test_a_batch_is_counted_once_and_its_decodes_each(metrics: Metrics) -> None:
    metrics.ran(BatchStats(Kind.FINAL, [PERSON, PERSON, FILE], 0.5, failed=False))
    assert metrics.value("stt_batch_seconds_sum", kind="final") == 0.5
    assert metrics.value("stt_batch_size_sum", kind="final") == 3
    assert metrics.value("stt_decode_queue_seconds_count", kind="final", mode="realtime") == 2
    assert metrics.value("stt_decode_queue_seconds_sum", kind="final", mode="offline") == 4


def test_the_lag_of_a_partial_is_its_wait_and_its_decode(metrics: Metrics) -> None:
    metrics.ran(BatchStats(Kind.PARTIAL, [PERSON], 0.5, failed=False))
    metrics.ran(BatchStats(Kind.FINAL, [PERSON], 0.5, failed=False))
    assert metrics.value("stt_partial_latency_seconds_sum", mode="realtime") == 0.75


def test_a_batch_that_failed_took_its_time_and_gave_no_partial(metrics: Metrics) -> None:
    metrics.ran(BatchStats(Kind.PARTIAL, [PERSON], 0.5, failed=True))
    assert metrics.value("stt_decode_failures_total") == 1
    assert metrics.value("stt_batch_seconds_sum", kind="partial") == 0.5
    assert metrics.value("stt_partial_latency_seconds_count", mode="realtime") == 0


async def test_decodes_that_wait_are_told_by_kind(metrics: Metrics) -> None:
    lane = BatchExecutor(8)
    metrics.watch_lane(lane)
    model = ExecutorModel(lambda _: [])
    answers = [lane.submit(Job(stream, 0, kind, model), lambda: None) for stream, kind in enumerate(Kind)]
    answers.append(lane.submit(Job("more", 0, Kind.PARTIAL, model), lambda: None))
    assert [metrics.value("stt_decodes_waiting", kind=kind.name.lower()) for kind in Kind] == [1, 1, 2]
    for answer in answers:
        answer.cancel()


def test_places_and_state_are_those_of_the_moment(metrics: Metrics) -> None:
    admission = AdmissionControl()
    metrics.watch_admission(admission)

    def told() -> list[float]:
        return [metrics.value(f"stt_{name}") for name in ("streams_admitted", "streams_limit", "ready", "draining")]

    assert told() == [0, 0, 0, 0]
    admission.open(8)
    with admission.acquire_slot():
        assert told() == [1, 8, 1, 0]
        admission.close()
        assert told() == [1, 8, 0, 1]
    admission.reopen()
    assert told() == [0, 8, 1, 0]


def test_models_are_told_while_they_are_loaded() -> None:
    registry = CollectorRegistry()
    shelf = [ModelEntry("base", ModelState.LOADED, frozenset(Role)), ModelEntry("tiny.en", ModelState.LOADING)]
    registry.register(ModelCollector(shelf))
    assert registry.get_sample_value("stt_model_loaded", {"model": "base", "use": "finals+partials"}) == 1
    shelf[0].state = ModelState.UNLOADING
    assert b"stt_model_loaded{" not in generate_latest(registry)


def test_each_gpu_has_its_memory_and_its_use() -> None:
    registry = CollectorRegistry()
    registry.register(GpuCollector(lambda: [Gpu("A", 24, 6, 0.5), Gpu("B", 80, 8)]))
    labels = {"gpu": "0", "name": "A"}
    assert registry.get_sample_value("stt_gpu_memory_used_bytes", labels) == 6
    assert registry.get_sample_value("stt_gpu_utilization_ratio", labels) == 0.5
    silent = {"gpu": "1", "name": "B"}
    assert registry.get_sample_value("stt_gpu_memory_total_bytes", silent) == 80
    assert registry.get_sample_value("stt_gpu_utilization_ratio", silent) is None


def test_a_certificate_that_is_replaced_expires_when_the_new_one_does() -> None:
    registry = CollectorRegistry()
    ends = [datetime.fromtimestamp(1000, UTC)]
    registry.register(CertificateCollector(lambda: ends[-1]))
    assert registry.get_sample_value("stt_tls_certificate_expiry_timestamp_seconds") == 1000
    ends.append(datetime.fromtimestamp(2000, UTC))
    assert registry.get_sample_value("stt_tls_certificate_expiry_timestamp_seconds") == 2000


async def test_a_loop_that_is_kept_busy_tells_how_late_it_was() -> None:
    told: asyncio.Queue[float] = asyncio.Queue()
    watching = asyncio.create_task(watch_loop(told.put_nowait))
    await asyncio.sleep(0)  # let it begin
    time.sleep(LOOP_EVERY_S + 0.25)  # noqa: ASYNC251  # as code would that forgot to await
    assert 0.25 <= await told.get() < 5
    watching.cancel()


def test_what_can_be_counted_is_told_as_zero_before_it_happens(metrics: Metrics) -> None:
    told = generate_latest(metrics.registry).decode()
    for sample in (
        'stt_rejected_total{reason="full"} 0.0',
        'stt_streams_closed_total{outcome="INTERNAL"} 0.0',
        'stt_suppressed_total{reason="REPETITION"} 0.0',
        'stt_partials_shed_total{reason="busy"} 0.0',
        "stt_decode_failures_total 0.0",
    ):
        assert sample in told


def test_two_servers_in_a_process_do_not_share_figures() -> None:
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.refused("full")
    assert second.value("stt_rejected_total", reason="full") == 0
