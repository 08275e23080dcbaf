"""Per-stream monitors: whether a stream runs faster than real time, and whether its partials are late."""

from __future__ import annotations

from enum import Enum

MAX_LEAD_S = 3.0  # audio received beyond the elapsed time
# A client that resumes sends its buffered audio at once and continues in real time, so its lead decays.
LEAD_DECAY_PER_S = 1.0


class RealtimeTracker:
    """The lead of one stream: audio received beyond real time. Times are seconds of any one clock.

    While the server pauses reading from a stream that is ahead, the lead does not shrink. Otherwise a recording would
    count as real-time whenever the machine is busy.
    """

    def __init__(self, now: float, initial_lead_s: float = 0.0) -> None:
        """Start with a lead; an infinite one never decays."""
        self._received_s, self._at, self._lead_s = 0.0, now, initial_lead_s
        self._is_paused = False

    def is_ahead(self, received_s: float, now: float) -> bool:
        """Return whether the stream, from which `received_s` of audio has arrived, runs faster than real time."""
        if not self._is_paused:
            passed_s, added_s = now - self._at, received_s - self._received_s
            decay_s = min(max(0.0, self._lead_s), LEAD_DECAY_PER_S * passed_s)
            self._received_s, self._at = received_s, now
            self._lead_s += added_s - passed_s - decay_s
        return self._lead_s > MAX_LEAD_S

    def pause_reading(self, received_s: float, now: float) -> None:
        """Record that the server stops reading."""
        self._is_paused = self.is_ahead(received_s, now)

    def resume_reading(self, now: float) -> None:
        """Record that the server reads again."""
        if self._is_paused:
            self._is_paused, self._at = False, now


LATE_PARTIAL_S = 1.5  # wait in the queue after which the shown text no longer follows speech
RECOVERED_WAIT_S = 0.5
RECOVERY_TIME_S = 5.0  # so that a short pause in load is not reported as recovery


class LatencyTransition(Enum):
    """A change of partial latency that is reported to the client."""

    SHED = "shed"
    RESTORED = "restored"


class PartialLatencyMonitor:
    """Partial latency of one stream. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._shed = False
        self._fast_since: float | None = None

    def observe_wait(self, waited_s: float) -> LatencyTransition | None:
        """Record the wait of a partial that is still queued or was discarded; return the transition to report."""
        if waited_s >= RECOVERED_WAIT_S:
            self._fast_since = None
        if waited_s <= LATE_PARTIAL_S or self._shed:
            return None
        self._shed = True
        return LatencyTransition.SHED

    def observe_result(self, waited_s: float, now: float) -> LatencyTransition | None:
        """Record the wait of an emitted partial; return the transition to report."""
        transition = self.observe_wait(waited_s)
        if waited_s >= RECOVERED_WAIT_S or not self._shed:
            return transition
        if self._fast_since is None:
            self._fast_since = now
        if now - self._fast_since < RECOVERY_TIME_S:
            return None
        self._shed = False
        return LatencyTransition.RESTORED
