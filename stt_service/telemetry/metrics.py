"""What the service counts: Prometheus collectors on a registry of their own, made once at the start.

No label tells a stream, a client or an address: a label's values are few and known, so the series are too.
What the streams have had is counted by `figures.py`, what the lane ran by `ran`; gauges ask when they are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from stt_service.access.admission import AdmissionControl
from stt_service.scheduling.executor import BatchExecutor, BatchStats
from stt_service.telemetry.resources import memory_limit_bytes
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind

disable_created_metrics()  # each counter's moment of birth as a series: nobody asks for it

# Round what is promised: a final 0.5 s after its endpoint, partials counted as late after 1.5 s, at most 4 finals owed.
LAG_S = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
BATCH_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
ENDPOINT_S = (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LOOP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LOOP_EVERY_S = 0.5
ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)


REFUSALS = ("loading", "draining", "full", "quota", "token", "request")
# gRPC's names of the statuses that streams end with.
OUTCOMES = (
    "OK",
    "CANCELLED",
    "INVALID_ARGUMENT",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "ABORTED",
    "INTERNAL",
)


class Metrics:
    """The collectors. Counting is safe from any thread, and takes about a microsecond."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"stt_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"stt_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"stt_{name}", meaning, labels, registry=registry, buckets=buckets)

        self._ready = gauge("ready", "1 while the server serves, 0 while it loads or drains.")
        self._draining = gauge("draining", "1 while the server drains.")
        self.streams = gauge("streams", "Streams that are open.")
        self._admitted = gauge("slots_used", "Places taken: open streams, and recordings of Recognize.")
        self._limit = gauge("slots_limit", "Places there are; 0 until the models are loaded.")
        self.streams_late = gauge(
            "streams_partials_degraded", "Open streams with late partials (notice PARTIALS_SHED)."
        )
        self.opened = counter("streams_opened", "Streams that began.")
        self.closed = counter("streams_closed", "Streams that ended, by the status they ended with.", "outcome")
        self._refusals = counter("rejected", "Calls that were not let in, by reason.", "reason")

        self.utterances = counter("utterances", "Utterances that began.")
        self.finals = counter("finals", "Finals told.")
        self.words = counter("words", "Words of finals, as spaces part them.")
        self.partials = counter("partials", "Partials told, those that were replaced before they were sent included.")
        self.shed = counter(
            "partials_shed",
            "Partials that came to nothing: overtaken by their final in the queue (busy), or by a newer partial "
            "before the client read them (unread).",
            "reason",
        )
        self.suppressed = counter("suppressed", "Utterances that gave no text to be trusted, by reason.", "reason")
        self.audio = counter("audio_seconds", "Sound taken, to within 5 s for each open stream.")
        self.speech = counter("speech_seconds", "Sound of it that finals were made from.")

        self.final_lag = histogram("final_latency_seconds", "Time from the endpoint to the final.", LAG_S, "mode")
        self.endpoint_wait = histogram(
            "endpoint_wait_seconds", "Silence that was waited for at an endpoint.", ENDPOINT_S
        )
        self._partial_lag = histogram(
            "partial_latency_seconds", "From a partial's asking for its turn to its text.", LAG_S, "mode"
        )
        self._queue = histogram("decode_queue_seconds", "A decode's wait for its batch.", LAG_S, "kind", "mode")
        self._batch_s = histogram("batch_seconds", "What a batch took; its sum is the compute.", BATCH_S, "kind")
        self._batch_rows = histogram("batch_size", "Decodes that ran together.", ROWS, "kind")
        self._failures = counter("decode_failures", "Batches that failed, for a reason that is not the client's.")
        self._waiting = gauge("decodes_waiting", "Decodes that wait for a batch.", "kind")

        self._rtf = gauge("self_test_real_time_factor", "Compute of finals for a second of speech, at the start.")
        self.loop_lag = histogram("event_loop_lag_seconds", "How late the event loop came to what was due.", LOOP_S)
        gauge("memory_limit_bytes", "Memory that the process may take: its container's limit, or the machine's.").set(
            memory_limit_bytes()
        )
        self._build = gauge("build_info", "1; the label tells the version.", "version")
        self._build.labels(version("realtime-stt-grpc")).set(1)
        ProcessCollector(registry=registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Tell what is known to be countable before it happens first: or its first would be no increase."""
        for reason in REFUSALS:
            self._refusals.labels(reason)
        for outcome in OUTCOMES:
            self.closed.labels(outcome)
        for suppressed in SuppressionReason:
            self.suppressed.labels(suppressed.value)
        for shed in ("busy", "unread"):
            self.shed.labels(shed)
        for pace in map(paced, (True, False)):
            self.final_lag.labels(pace)
            self._partial_lag.labels(pace)
        for kind in (kind.name.lower() for kind in Kind):
            self._waiting.labels(kind)
            self._batch_s.labels(kind)
            self._batch_rows.labels(kind)
            for pace in map(paced, (True, False)):
                self._queue.labels(kind, pace)

    def value(self, name: str, **labels: str) -> float:
        """Return what a sample says now; 0 where nothing was counted yet."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def totals(self, *names: str) -> dict[str, float]:
        """Return these counters, each summed over its labels. No other collector is asked: this is quick."""
        found = dict.fromkeys(names, 0.0)
        for metric in self.registry.restricted_registry(names).collect():
            for sample in metric.samples:
                if sample.name in found:
                    found[sample.name] += sample.value
        return found

    def refused(self, reason: str) -> None:
        """Count a call that was not let in."""
        self._refusals.labels(reason).inc()

    def ran(self, batch: BatchStats) -> None:
        """Count a batch that ran."""
        kind = batch.kind.name.lower()
        self._batch_s.labels(kind).observe(batch.took_s)
        self._batch_rows.labels(kind).observe(len(batch.waits))
        if batch.failed:
            self._failures.inc()
        for wait in batch.waits:
            pace = paced(wait.realtime)
            self._queue.labels(kind, pace).observe(wait.waited_s)
            if batch.kind is Kind.PARTIAL and not batch.failed:
                self._partial_lag.labels(pace).observe(wait.waited_s + batch.took_s)

    def watch_lane(self, lane: BatchExecutor) -> None:
        """Tell from now on how many decodes wait."""
        for kind in Kind:
            self._waiting.labels(kind.name.lower()).set_function(partial(lane.queue_length, kind))

    def watch_admission(self, admission: AdmissionControl) -> None:
        """Tell from now on how many places there are and are taken, and whether anybody is let in."""
        self._admitted.set_function(lambda: admission.streams)
        self._limit.set_function(lambda: admission.max_streams)
        self._ready.set_function(lambda: not admission.not_ready_reason)
        self._draining.set_function(admission.draining.is_set)

    def self_tested(self, real_time_factor: float) -> None:
        """Tell what the self-test showed."""
        self._rtf.set(real_time_factor)


async def watch_loop(late: Callable[[float], None]) -> None:
    """Tell how late the event loop comes to what is due, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOP_EVERY_S
        await asyncio.sleep(LOOP_EVERY_S)
        late(max(0.0, loop.time() - due))


def paced(live: bool) -> str:
    """Return the label: a recording runs ahead of the clock, and waits behind those who speak."""
    return "realtime" if live else "offline"
