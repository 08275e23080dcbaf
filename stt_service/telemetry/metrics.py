"""Prometheus metrics of the service, on a registry of their own.

No label contains a stream, a client or an address: labels have few values, known in advance, and so the number of
series is bounded. `StreamStats` counts what streams emit, `Metrics.on_batch` what the executor runs; the gauges of
state are read at scrape time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.samples import Sample

from stt_service.access.admission import AdmissionControl, LoadedT
from stt_service.scheduling.executor import BatchExecutor
from stt_service.scheduling.types import BatchStats
from stt_service.telemetry.recent import RecentMeasurements
from stt_service.telemetry.resources import memory_limit_bytes
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind

disable_created_metrics()  # a series per counter with its creation time, of no use here

# Buckets around the targets: a final within 0.5 s, partials late after 1.5 s, at most 4 pending finals.
LATENCY_S = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
BATCH_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
ENDPOINT_S = (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LOOP_LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LOOP_PROBE_INTERVAL_S = 0.5
BATCH_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)

REJECT_REASONS = ("loading", "draining", "full", "quota", "token", "request")
# gRPC's names of the statuses with which streams end.
OUTCOMES = (
    "OK",
    "CANCELLED",
    "INVALID_ARGUMENT",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "INTERNAL",
)


class Api(StrEnum):
    """The API through which a client uses the service."""

    GRPC = "grpc"
    OPENAI = "openai"
    REALTIME = "realtime"
    PAGE = "page"
    WYOMING = "wyoming"
    RIVA = "riva"


class Metrics:
    """The collectors. Counting is thread-safe and takes about a microsecond."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry, self.recent = registry, RecentMeasurements()

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"stt_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"stt_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"stt_{name}", meaning, labels, registry=registry, buckets=buckets)

        self._ready = gauge("ready", "1 while the server serves, 0 while it loads or drains.")
        self._draining = gauge("draining", "1 while the server drains.")
        self.streams = gauge("streams", "Open streams.")
        self._slots_used = gauge("slots_used", "Used slots: open streams and Recognize calls.")
        self._slots_limit = gauge("slots_limit", "Slots of the server; 0 until the models are loaded.")
        self.streams_degraded = gauge(
            "streams_partials_degraded", "Open streams with late partials (notice PARTIALS_SHED)."
        )
        self.streams_opened = counter("streams_opened", "Opened streams.")
        self.streams_closed = counter("streams_closed", "Closed streams, by final status.", "outcome")
        self.calls_open = gauge("calls_open", "Admitted streams and recordings that have not ended, by API.", "api")
        self.calls = counter("calls", "Ended streams and recordings, by API and final status.", "api", "outcome")
        self._rejected = counter("rejected", "Rejected calls, by reason.", "reason")

        self.utterances = counter("utterances", "Started utterances.")
        self.finals = counter("finals", "Emitted finals.")
        self.words = counter("words", "Words in finals, separated by spaces.")
        self.partials = counter("partials", "Emitted partials, including those replaced before they were sent.")
        self.shed = counter(
            "partials_shed",
            "Partials that were dropped: superseded in the decode queue (busy), or replaced by a newer partial "
            "before the client read them (unread).",
            "reason",
        )
        self.suppressed = counter("suppressed", "Utterances whose text was not reliable, by reason.", "reason")
        self.audio = counter("audio_seconds", "Received audio, to within 5 s for each open stream.")
        self.speech = counter("speech_seconds", "Audio that finals cover.")

        self._final_latency = histogram(
            "final_latency_seconds", "Time from the endpoint to the final.", LATENCY_S, "mode"
        )
        self.endpoint_wait = histogram(
            "endpoint_wait_seconds", "Silence that passed before an endpoint was declared.", ENDPOINT_S
        )
        self._partial_latency = histogram(
            "partial_latency_seconds", "Time from the request of a partial to its text.", LATENCY_S, "mode"
        )
        self._queue = histogram(
            "decode_queue_seconds", "Time that a decode waited for its batch.", LATENCY_S, "kind", "mode"
        )
        self._batch_s = histogram(
            "batch_seconds", "Duration of a batch; its sum is the total compute time.", BATCH_S, "kind"
        )
        self._batch_size = histogram("batch_size", "Decodes in a batch.", BATCH_SIZES, "kind")
        self._failures = counter("decode_failures", "Batches that failed, for reasons other than the client's input.")
        self._waiting = gauge("decodes_waiting", "Decodes waiting for a batch.", "kind")

        self._rtf = gauge(
            "self_test_real_time_factor", "Seconds of final decoding per second of speech, measured at startup."
        )
        self._loop_lag = histogram("event_loop_lag_seconds", "Delay of timers on the event loop.", LOOP_LAG_S)
        gauge("memory_limit_bytes", "Memory limit of the process: its container's limit, or the machine's memory.").set(
            memory_limit_bytes()
        )
        self._build = gauge("build_info", "Always 1; the version label has the server version.", "version")
        self._build.labels(version("realtime-stt-grpc")).set(1)
        ProcessCollector(registry=registry)
        self._initialize_labels()

    def _initialize_labels(self) -> None:
        """Create each known series at 0, so that its first event shows as an increase."""
        for reason in REJECT_REASONS:
            self._rejected.labels(reason)
        for outcome in OUTCOMES:
            self.streams_closed.labels(outcome)
        for api in Api:
            self.calls_open.labels(api.value)
            for outcome in OUTCOMES:
                self.calls.labels(api.value, outcome)
        for suppressed in SuppressionReason:
            self.suppressed.labels(suppressed.value)
        for shed in ("busy", "unread"):
            self.shed.labels(shed)
        for mode in map(mode_label, (True, False)):
            self._final_latency.labels(mode)
            self._partial_latency.labels(mode)
        for kind in (kind.name.lower() for kind in Kind):
            self._waiting.labels(kind)
            self._batch_s.labels(kind)
            self._batch_size.labels(kind)
            for mode in map(mode_label, (True, False)):
                self._queue.labels(kind, mode)

    def value(self, name: str, **labels: str) -> float:
        """Return the current value of a sample; 0 if it does not exist."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def totals(self, *names: str) -> dict[str, float]:
        """Return these counters, each summed over its labels. Quick: no other collector is called."""
        found = dict.fromkeys(names, 0.0)
        for sample in self._samples(*names):
            found[sample.name] += sample.value
        return found

    def totals_by(self, label: str, name: str) -> dict[str, float]:
        """Return the sum of a counter or gauge for each value of a label. As quick as `totals`."""
        found = dict[str, float]()
        for sample in self._samples(name):
            found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
        return found

    def _samples(self, *names: str) -> Iterator[Sample]:
        for metric in self.registry.restricted_registry(names).collect():
            yield from (sample for sample in metric.samples if sample.name in names)

    def observe_final(self, latency_s: float, live: bool) -> None:
        """Record the latency of a final."""
        self._final_latency.labels(mode_label(live)).observe(latency_s)
        if live:
            self.recent.final_latency_s.add(latency_s)

    def observe_loop_lag(self, lag_s: float) -> None:
        """Record the delay of a timer on the event loop."""
        self._loop_lag.observe(lag_s)
        self.recent.loop_lag_s.add(lag_s)

    def count_rejected(self, reason: str) -> None:
        """Count a rejected call."""
        self._rejected.labels(reason).inc()

    def on_batch(self, batch: BatchStats) -> None:
        """Count a finished batch."""
        kind = batch.kind.name.lower()
        self._batch_s.labels(kind).observe(batch.took_s)
        self._batch_size.labels(kind).observe(len(batch.waits))
        if batch.failed:
            self._failures.inc()
        for wait in batch.waits:
            mode = mode_label(wait.realtime)
            self._queue.labels(kind, mode).observe(wait.waited_s)
            if batch.kind is Kind.PARTIAL and not batch.failed:
                self._partial_latency.labels(mode).observe(wait.waited_s + batch.took_s)
                if wait.realtime:
                    self.recent.partial_latency_s.add(wait.waited_s + batch.took_s)

    def watch_executor(self, executor: BatchExecutor) -> None:
        """Report the number of waiting decodes from now on."""
        for kind in Kind:
            self._waiting.labels(kind.name.lower()).set_function(partial(executor.queue_length, kind))

    def watch_admission(self, admission: AdmissionControl[LoadedT]) -> None:
        """Report the used and available slots and the serving state from now on."""
        self._slots_used.set_function(lambda: admission.streams)
        self._slots_limit.set_function(lambda: admission.max_streams)
        self._ready.set_function(lambda: not admission.not_ready_reason)
        self._draining.set_function(admission.draining.is_set)

    def set_self_test(self, real_time_factor: float) -> None:
        """Report the result of the self-test."""
        self._rtf.set(real_time_factor)


async def watch_loop(observe_delay: Callable[[float], None]) -> None:
    """Report the delay of the event loop's timers, in seconds, until canceled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOP_PROBE_INTERVAL_S
        await asyncio.sleep(LOOP_PROBE_INTERVAL_S)
        observe_delay(max(0.0, loop.time() - due))


def mode_label(live: bool) -> str:
    """Return the label of a stream's mode: one that runs faster than real time has lower priority."""
    return "realtime" if live else "offline"
