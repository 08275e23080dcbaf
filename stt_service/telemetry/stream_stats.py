"""Statistics of one stream: audio, results and their latency. Each value is also added to the server's metrics."""

from __future__ import annotations

import time
from collections import Counter, deque
from statistics import median

from stt_service.scheduling.types import Clock
from stt_service.session.events import (
    Final,
    Notice,
    NoticeReason,
    OutgoingEvent,
    Partial,
    SpeechStarted,
    Suppressed,
)
from stt_service.telemetry.metrics import Metrics

MAX_LATENCIES = 1000  # the latest ones: the median of a stream that lasts for days is that of its last hour


class StreamStats:
    """Observer of a stream's recognition."""

    def __init__(self, metrics: Metrics, offset_ms: int = 0, now: Clock = time.monotonic) -> None:
        self._metrics, self._now = metrics, now
        self._received_ms = self._offset_ms = offset_ms
        self._ended: deque[float] = deque()  # end time of each utterance whose final is pending
        self._is_degraded = False
        self._latencies_s: deque[float] = deque(maxlen=MAX_LATENCIES)
        self.max_latency_s = 0.0
        self.utterances = self.finals = self.words = self.partials = self.shed = 0
        self.reasons: Counter[str] = Counter()  # of suppressed utterances

    @property
    def audio_s(self) -> float:
        """Audio received, to within 5 s."""
        return (self._received_ms - self._offset_ms) / 1000

    @property
    def median_latency_s(self) -> float:
        """Median time from the endpoint to the final, of the latest finals; 0 before the first."""
        return median(self._latencies_s) if self._latencies_s else 0.0

    @property
    def suppressed(self) -> int:
        return self.reasons.total()

    def fields(self) -> dict[str, float]:
        """Return the values to log when the stream closes."""
        return {
            "audio_s": round(self.audio_s, 1),
            "utterances": self.utterances,
            "words": self.words,
            "partials": self.partials,
            "partials_shed": self.shed,
            "suppressed": self.suppressed,
            "median_latency_s": round(self.median_latency_s, 3),
            "max_latency_s": round(self.max_latency_s, 3),
        }

    def on_pending_finals(self, finals: int) -> None:
        """Record the end time of each utterance that became pending since the last call."""
        for _ in range(finals - len(self._ended)):
            self._ended.append(self._now())

    def on_event(self, event: OutgoingEvent) -> None:
        """Count an emitted event."""
        new_ms, self._received_ms = event.received_ms - self._received_ms, event.received_ms
        self._metrics.audio.inc(new_ms / 1000)
        match event.payload:
            case SpeechStarted():
                self.utterances += 1
                self._metrics.utterances.inc()
            case Partial():
                self.partials += 1
                self._metrics.partials.inc()
            case Final() as final:
                self._on_final(final, event.live)
            case Suppressed(reason=reason):
                self._ended.popleft()
                self.reasons[reason.value] += 1
                self._metrics.suppressed.labels(reason.value).inc()
            case Notice(reason=NoticeReason.PARTIALS_SHED):
                self._set_degraded(True)
            case Notice(reason=NoticeReason.PARTIALS_RESTORED):
                self._set_degraded(False)

    def on_partial_superseded(self) -> None:
        """Count a partial that was withdrawn from the decode queue."""
        self._count_shed("busy")

    def on_partial_dropped(self) -> None:
        """Count a partial that a newer one replaced before it was sent."""
        self._count_shed("unread")

    def close(self) -> None:
        """Remove the stream from the gauge of degraded streams."""
        self._set_degraded(False)

    def _on_final(self, final: Final, live: bool) -> None:
        latency_s, words = self._now() - self._ended.popleft(), len(final.text.split())
        self.finals += 1
        self.words += words
        self._latencies_s.append(latency_s)
        self.max_latency_s = max(self.max_latency_s, latency_s)
        self._metrics.finals.inc()
        self._metrics.words.inc(words)
        self._metrics.speech.inc((final.end_ms - final.start_ms) / 1000)
        self._metrics.observe_final(latency_s, live)
        self._metrics.endpoint_wait.observe(final.endpoint_s)

    def _count_shed(self, reason: str) -> None:
        self.shed += 1
        self._metrics.shed.labels(reason).inc()

    def _set_degraded(self, degraded: bool) -> None:
        self._metrics.streams_degraded.inc(degraded - self._is_degraded)
        self._is_degraded = degraded
