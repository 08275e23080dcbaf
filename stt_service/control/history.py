"""The last hour of the server, sampled at an interval, so that the charts of a page that is opened now are full.

Memory is bounded: MAX_SAMPLES samples of 16 numbers, about 0.25 MB. A sample takes 0.13 ms of the event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, fields
from statistics import fmean
from time import monotonic, time
from typing import Generic

from stt.v1 import control_pb2 as pb

from stt_service.access.admission import AdmissionControl, LoadedT
from stt_service.recognition.convert import duration
from stt_service.scheduling.executor import BatchExecutor
from stt_service.scheduling.types import Clock
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.recent import percentile
from stt_service.telemetry.resources import ResourceUsage
from stt_service.whisper.types import Kind

SAMPLE_INTERVAL_S = 5.0
HISTORY_S = 3600.0
MAX_SAMPLES = int(HISTORY_S / SAMPLE_INTERVAL_S)
DIGITS = 4  # of times and shares: 0.1 ms
TOTALS = ("stt_rejected_total", "stt_batch_seconds_sum", "stt_audio_seconds_total")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample; the fields are those of `History` in control.proto."""

    time_s: float
    streams: int
    max_streams: int
    decodes_waiting: int
    rejected: int
    partial_latency_p50_s: float
    partial_latency_p95_s: float
    final_latency_p50_s: float
    final_latency_p95_s: float
    decode_load: float
    real_time_factor: float
    cpu_cores_used: float
    memory_bytes: int
    gpu_utilization: float
    gpu_memory_used_bytes: int
    loop_lag_s: float


class History:
    """The samples of the last hour, oldest first."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)

    def add(self, sample: Sample) -> None:
        """Append a sample; the oldest one is dropped when the hour is full."""
        self._samples.append(sample)

    def after(self, time_s: float) -> list[Sample]:
        """Return the samples after this Unix time."""
        return [sample for sample in self._samples if sample.time_s > time_s]


class HistorySampler(Generic[LoadedT]):
    """Samples a server that serves; it is the only reader of the metrics' recent measurements."""

    def __init__(
        self,
        admission: AdmissionControl[LoadedT],
        executor: BatchExecutor,
        usage: ResourceUsage,
        metrics: Metrics,
        now: Clock = monotonic,
    ) -> None:
        self._admission, self._executor, self._usage, self._metrics = admission, executor, usage, metrics
        self._now = now
        self._sampled_s, self._totals = now(), metrics.totals(*TOTALS)

    async def run(self, history: History) -> None:
        """Add a sample now and every SAMPLE_INTERVAL_S, until canceled."""
        while True:
            history.add(self.sample())
            await asyncio.sleep(SAMPLE_INTERVAL_S)

    def sample(self) -> Sample:
        """Return the sample of the time since the last one."""
        now_s, totals = self._now(), self._metrics.totals(*TOTALS)
        passed_s = max(now_s - self._sampled_s, 1e-3)
        rejected, decoding_s, audio_s = (totals[name] - self._totals[name] for name in TOTALS)
        self._sampled_s, self._totals = now_s, totals
        recent, gpus = self._metrics.recent, self._usage.gpus
        partials_s, finals_s = recent.partial_latency_s.take(), recent.final_latency_s.take()
        utilizations = [gpu.utilization for gpu in gpus if gpu.utilization is not None]
        return Sample(
            time_s=round(time(), 3),
            streams=self._admission.streams,
            max_streams=self._admission.max_streams,
            decodes_waiting=sum(map(self._executor.queue_length, Kind)),
            rejected=int(rejected),
            partial_latency_p50_s=round(percentile(partials_s, 50), DIGITS),
            partial_latency_p95_s=round(percentile(partials_s, 95), DIGITS),
            final_latency_p50_s=round(percentile(finals_s, 50), DIGITS),
            final_latency_p95_s=round(percentile(finals_s, 95), DIGITS),
            decode_load=round(decoding_s / passed_s / self._executor.workers, DIGITS),
            real_time_factor=round(decoding_s / audio_s, DIGITS) if audio_s > 0 else math.nan,
            cpu_cores_used=round(self._usage.cores_used, DIGITS),
            memory_bytes=self._usage.memory_bytes,
            gpu_utilization=round(fmean(utilizations), DIGITS) if utilizations else math.nan,
            gpu_memory_used_bytes=sum(gpu.used_bytes for gpu in gpus),
            loop_lag_s=round(max(recent.loop_lag_s.take(), default=0.0), DIGITS),
        )


def message(samples: Iterable[Sample]) -> pb.History:
    """Return the samples as columns."""
    listed = list(samples)
    return pb.History(
        interval=duration(SAMPLE_INTERVAL_S),
        **{column.name: [getattr(sample, column.name) for sample in listed] for column in fields(Sample)},
    )
