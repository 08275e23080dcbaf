"""The samples of the last hour: measurement, the ring buffer, and the columns of the message."""

from __future__ import annotations

import math
from dataclasses import fields, replace

from prometheus_client import CollectorRegistry
from stt.v1 import control_pb2 as pb

from stt_service.access.admission import AdmissionControl
from stt_service.control.history import MAX_SAMPLES, History, HistorySampler, Sample, message
from stt_service.models.devices import Gpu
from stt_service.scheduling.executor import BatchExecutor
from stt_service.scheduling.types import BatchStats, QueueWait
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.resources import ResourceUsage
from stt_service.whisper.types import Kind

SAMPLE = Sample(
    time_s=1.0,
    streams=2,
    max_streams=4,
    decodes_waiting=3,
    rejected=1,
    partial_latency_p50_s=0.1,
    partial_latency_p95_s=0.2,
    final_latency_p50_s=0.3,
    final_latency_p95_s=0.4,
    decode_load=0.5,
    real_time_factor=math.nan,
    cpu_cores_used=1.5,
    memory_bytes=2**33,
    gpu_utilization=math.nan,
    gpu_memory_used_bytes=0,
    loop_lag_s=0.01,
)


class SampledServer:
    """A server that is sampled every five seconds of a clock of its own."""

    def __init__(self, workers: int = 2) -> None:
        self.metrics, self.usage, self._now_s = Metrics(CollectorRegistry()), ResourceUsage(), 100.0
        admission: AdmissionControl[str] = AdmissionControl()
        executor = BatchExecutor(16, workers)
        self._sampler = HistorySampler(admission, executor, self.usage, self.metrics, lambda: self._now_s)

    def sample(self) -> Sample:
        self._now_s += 5.0
        return self._sampler.sample()


def test_latencies_are_those_of_real_time_streams_since_the_last_sample() -> None:
    server = SampledServer()
    for hundredths in range(1, 101):
        server.metrics.observe_final(hundredths / 100, live=True)
    server.metrics.observe_final(60.0, live=False)
    server.metrics.on_batch(BatchStats(Kind.PARTIAL, [QueueWait(0.2, True), QueueWait(9.0, False)], 0.1, failed=False))
    first, second = server.sample(), server.sample()
    assert (first.final_latency_p50_s, first.final_latency_p95_s) == (0.5, 0.95)
    assert (first.partial_latency_p50_s, first.partial_latency_p95_s) == (0.3, 0.3)
    assert math.isnan(second.final_latency_p50_s)
    assert math.isnan(second.partial_latency_p95_s)


def test_load_is_the_used_share_of_all_workers() -> None:
    server = SampledServer(workers=2)
    server.metrics.on_batch(BatchStats(Kind.FINAL, [QueueWait(0.0, True)], 4.0, failed=False))
    server.metrics.on_batch(BatchStats(Kind.PARTIAL, [QueueWait(0.0, True)], 1.0, failed=False))
    server.metrics.audio.inc(20.0)
    first, second = server.sample(), server.sample()
    assert (first.decode_load, first.real_time_factor) == (0.5, 0.25)
    assert second.decode_load == 0
    assert math.isnan(second.real_time_factor)


def test_counters_are_differences_and_the_loop_lag_is_the_longest() -> None:
    server = SampledServer()
    server.metrics.count_rejected("full")
    server.metrics.count_rejected("token")
    server.metrics.observe_loop_lag(0.25)
    server.metrics.observe_loop_lag(0.01)
    first, second = server.sample(), server.sample()
    assert (first.rejected, first.loop_lag_s) == (2, 0.25)
    assert (second.rejected, second.loop_lag_s) == (0, 0.0)


def test_gpus_are_summed_and_averaged_without_those_that_report_no_utilization() -> None:
    server = SampledServer()
    server.usage.gpus = [Gpu("a", 8, 3, 0.5), Gpu("b", 8, 4, 1.0), Gpu("c", 8, 1)]
    sample = server.sample()
    assert (sample.gpu_utilization, sample.gpu_memory_used_bytes) == (0.75, 8)
    server.usage.gpus = ()
    assert math.isnan(server.sample().gpu_utilization)


def filled(samples: int) -> History:
    history = History()
    for number in range(samples):
        history.add(replace(SAMPLE, time_s=float(number)))
    return history


def test_history_has_the_latest_samples_of_one_hour() -> None:
    kept = filled(MAX_SAMPLES + 5).after(-math.inf)
    assert len(kept) == MAX_SAMPLES == 720
    assert (kept[0].time_s, kept[-1].time_s) == (5.0, MAX_SAMPLES + 4.0)


def test_reader_gets_only_the_samples_after_its_last_one() -> None:
    history = filled(10)
    assert [sample.time_s for sample in history.after(7.0)] == [8.0, 9.0]
    assert history.after(9.0) == []


def test_every_column_of_the_message_has_one_value_for_each_sample() -> None:
    sent = message([SAMPLE, SAMPLE])
    columns = {field.name for field in pb.History.DESCRIPTOR.fields} - {"interval"}
    assert columns == {field.name for field in fields(Sample)}
    assert {len(getattr(sent, name)) for name in columns} == {2}
    assert (sent.memory_bytes[0], sent.final_latency_p95_s[1]) == (2**33, 0.4)
    assert math.isnan(sent.real_time_factor[0])
    assert sent.interval.seconds == 5


def test_message_without_samples_is_empty() -> None:
    assert len(message([]).time_s) == 0
