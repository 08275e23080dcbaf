"""One stream's figures: what it has heard and told so far, and how late. Counts them into the metrics of all, too."""

from __future__ import annotations

import time
from collections import Counter, deque
from statistics import median

from stt_service.rpc.send_queue import Notice, NoticeReason, OutgoingEvent
from stt_service.scheduling.executor import Clock
from stt_service.session.events import Final, Partial, SpeechStarted, Suppressed
from stt_service.telemetry.metrics import Metrics, paced

KEPT_LAGS = 1000  # the last ones: the median of a stream that lasts for days is that of its last hour


class StreamStats:
    """Observes a stream's recognition."""

    def __init__(self, metrics: Metrics, offset_ms: int = 0, now: Clock = time.monotonic) -> None:
        self._metrics, self._now = metrics, now
        self._heard_ms = self._offset_ms = offset_ms
        self._ended: deque[float] = deque()  # when each utterance ended whose final is owed
        self._late = False
        self._lags_s: deque[float] = deque(maxlen=KEPT_LAGS)
        self.longest_lag_s = 0.0
        self.utterances = self.finals = self.words = self.partials = self.shed = 0
        self.reasons: Counter[str] = Counter()  # of utterances that were suppressed

    @property
    def audio_s(self) -> float:
        """Sound taken, to within 5 s."""
        return (self._heard_ms - self._offset_ms) / 1000

    @property
    def median_lag_s(self) -> float:
        """Half of the last finals came sooner after their endpoint; 0 before the first."""
        return median(self._lags_s) if self._lags_s else 0.0

    @property
    def suppressed(self) -> int:
        return self.reasons.total()

    def fields(self) -> dict[str, float]:
        """Return what the log tells of the stream when it closes."""
        return {
            "audio_s": round(self.audio_s, 1),
            "utterances": self.utterances,
            "words": self.words,
            "partials": self.partials,
            "partials_shed": self.shed,
            "suppressed": self.suppressed,
            "median_lag_s": round(self.median_lag_s, 3),
            "longest_lag_s": round(self.longest_lag_s, 3),
        }

    def __str__(self) -> str:
        return (
            f"{self.audio_s:.1f} s of audio, {self.utterances} utterances, {self.words} words, "
            f"{self.suppressed} suppressed, final lag {self.median_lag_s:.2f} s, at most {self.longest_lag_s:.2f} s"
        )

    def on_pending_finals(self, finals: int) -> None:
        """Take note of how many utterances have ended that are not told of."""
        for _ in range(finals - len(self._ended)):
            self._ended.append(self._now())

    def on_event(self, told: OutgoingEvent) -> None:
        """Count what the client is told."""
        heard_ms, self._heard_ms = told.received_ms - self._heard_ms, told.received_ms
        self._metrics.audio.inc(heard_ms / 1000)
        match told.event:
            case SpeechStarted():
                self.utterances += 1
                self._metrics.utterances.inc()
            case Partial():
                self.partials += 1
                self._metrics.partials.inc()
            case Final() as final:
                self._final(final, paced(told.live))
            case Suppressed(reason=reason):
                self._ended.popleft()
                self.reasons[reason.value] += 1
                self._metrics.suppressed.labels(reason.value).inc()
            case Notice(reason=NoticeReason.PARTIALS_SHED):
                self._are_late(True)
            case Notice(reason=NoticeReason.PARTIALS_RESTORED):
                self._are_late(False)

    def on_partial_superseded(self) -> None:
        """Count a partial whose turn never came."""
        self._shed("busy")

    def on_partial_dropped(self) -> None:
        """Count a partial that a newer one replaced before the client took it."""
        self._shed("unread")

    def close(self) -> None:
        """Take note that the stream is gone, and its partials are late no more."""
        self._are_late(False)

    def _final(self, final: Final, pace: str) -> None:
        lag_s, words = self._now() - self._ended.popleft(), len(final.text.split())
        self.finals += 1
        self.words += words
        self._lags_s.append(lag_s)
        self.longest_lag_s = max(self.longest_lag_s, lag_s)
        self._metrics.finals.inc()
        self._metrics.words.inc(words)
        self._metrics.speech.inc((final.end_ms - final.start_ms) / 1000)
        self._metrics.final_lag.labels(pace).observe(lag_s)
        self._metrics.endpoint_wait.observe(final.endpoint_s)

    def _shed(self, reason: str) -> None:
        self.shed += 1
        self._metrics.shed.labels(reason).inc()

    def _are_late(self, late: bool) -> None:
        self._metrics.streams_late.inc(late - self._late)
        self._late = late
