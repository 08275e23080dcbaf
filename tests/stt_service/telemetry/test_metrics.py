"""Metrics: batches, slots and models, and a bounded number of series."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stt_service.access.admission import AdmissionControl
from stt_service.models.devices import Gpu
from stt_service.models.registry import ModelEntry, ModelState, Role
from stt_service.scheduling.executor import BatchExecutor
from stt_service.scheduling.scheduler import Job
from stt_service.scheduling.types import BatchStats, ExecutorModel, QueueWait
from stt_service.telemetry.collectors import CertificateCollector, GpuCollector, ModelCollector
from stt_service.telemetry.metrics import LOOP_PROBE_INTERVAL_S, Metrics, watch_loop
from stt_service.whisper.types import Kind

LIVE, RECORDING = QueueWait(0.25, realtime=True), QueueWait(4.0, realtime=False)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def test_batch_is_counted_once_and_each_of_its_decodes(metrics: Metrics) -> None:
    metrics.on_batch(BatchStats(Kind.FINAL, [LIVE, LIVE, RECORDING], 0.5, failed=False))
    assert metrics.value("stt_batch_seconds_sum", kind="final") == 0.5
    assert metrics.value("stt_batch_size_sum", kind="final") == 3
    assert metrics.value("stt_decode_queue_seconds_count", kind="final", mode="realtime") == 2
    assert metrics.value("stt_decode_queue_seconds_sum", kind="final", mode="offline") == 4


def test_partial_latency_is_queue_time_plus_decode_time(metrics: Metrics) -> None:
    metrics.on_batch(BatchStats(Kind.PARTIAL, [LIVE], 0.5, failed=False))
    metrics.on_batch(BatchStats(Kind.FINAL, [LIVE], 0.5, failed=False))
    assert metrics.value("stt_partial_latency_seconds_sum", mode="realtime") == 0.75


def test_failed_batch_counts_its_duration_and_no_partial(metrics: Metrics) -> None:
    metrics.on_batch(BatchStats(Kind.PARTIAL, [LIVE], 0.5, failed=True))
    assert metrics.value("stt_decode_failures_total") == 1
    assert metrics.value("stt_batch_seconds_sum", kind="partial") == 0.5
    assert metrics.value("stt_partial_latency_seconds_count", mode="realtime") == 0


async def test_waiting_decodes_are_reported_by_kind(metrics: Metrics) -> None:
    executor = BatchExecutor(8)
    metrics.watch_executor(executor)
    model = ExecutorModel(lambda _: [])
    futures = [executor.submit(Job(stream, 0, kind, model), lambda: None) for stream, kind in enumerate(Kind)]
    futures.append(executor.submit(Job("more", 0, Kind.PARTIAL, model), lambda: None))
    assert [metrics.value("stt_decodes_waiting", kind=kind.name.lower()) for kind in Kind] == [1, 1, 2]
    for future in futures:
        future.cancel()


async def test_slots_and_state_are_current_values(metrics: Metrics) -> None:
    admission: AdmissionControl[str] = AdmissionControl()
    metrics.watch_admission(admission)

    def values() -> list[float]:
        return [metrics.value(f"stt_{name}") for name in ("slots_used", "slots_limit", "ready", "draining")]

    assert values() == [0, 0, 0, 0]
    await admission.open("models", 8)
    with admission.acquire_slot():
        assert values() == [1, 8, 1, 0]
        await admission.drain()
        assert values() == [1, 8, 0, 1]
    await admission.cancel_drain()
    assert values() == [0, 8, 1, 0]


def test_models_are_reported_while_loaded() -> None:
    registry = CollectorRegistry()
    entries = [ModelEntry("base", ModelState.LOADED, frozenset(Role)), ModelEntry("tiny.en", ModelState.LOADING)]
    registry.register(ModelCollector(entries))
    assert registry.get_sample_value("stt_model_loaded", {"model": "base", "use": "finals+partials"}) == 1
    entries[0].state = ModelState.UNLOADING
    assert b"stt_model_loaded{" not in generate_latest(registry)


def test_each_gpu_reports_memory_and_utilization() -> None:
    registry = CollectorRegistry()
    registry.register(GpuCollector(lambda: [Gpu("A", 24, 6, 0.5), Gpu("B", 80, 8)]))
    labels = {"gpu": "0", "name": "A"}
    assert registry.get_sample_value("stt_gpu_memory_used_bytes", labels) == 6
    assert registry.get_sample_value("stt_gpu_utilization_ratio", labels) == 0.5
    no_utilization = {"gpu": "1", "name": "B"}
    assert registry.get_sample_value("stt_gpu_memory_total_bytes", no_utilization) == 80
    assert registry.get_sample_value("stt_gpu_utilization_ratio", no_utilization) is None


def test_expiry_is_that_of_the_current_certificate() -> None:
    registry = CollectorRegistry()
    ends = [datetime.fromtimestamp(1000, UTC)]
    registry.register(CertificateCollector(lambda: ends[-1]))
    assert registry.get_sample_value("stt_tls_certificate_expiry_timestamp_seconds") == 1000
    ends.append(datetime.fromtimestamp(2000, UTC))
    assert registry.get_sample_value("stt_tls_certificate_expiry_timestamp_seconds") == 2000


async def test_blocked_event_loop_reports_its_delay() -> None:
    delays: asyncio.Queue[float] = asyncio.Queue()
    watching = asyncio.create_task(watch_loop(delays.put_nowait))
    await asyncio.sleep(0)  # let it begin
    time.sleep(LOOP_PROBE_INTERVAL_S + 0.25)  # noqa: ASYNC251  # as code would that forgets to await
    assert 0.25 <= await delays.get() < 5
    watching.cancel()


def test_known_series_start_at_zero(metrics: Metrics) -> None:
    text = generate_latest(metrics.registry).decode()
    for sample in (
        'stt_rejected_total{reason="full"} 0.0',
        'stt_streams_closed_total{outcome="INTERNAL"} 0.0',
        'stt_suppressed_total{reason="REPETITION"} 0.0',
        'stt_partials_shed_total{reason="busy"} 0.0',
        "stt_decode_failures_total 0.0",
    ):
        assert sample in text


def test_two_servers_in_a_process_have_separate_metrics() -> None:
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.count_rejected("full")
    assert second.value("stt_rejected_total", reason="full") == 0
