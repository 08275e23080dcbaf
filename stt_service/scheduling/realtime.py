"""Per-stream monitors of real time: does a stream run faster than real time, and are its partials late."""

from __future__ import annotations

from enum import Enum

MAX_LEAD_S = 3.0  # more sound than time has passed
# A client that resumes sends what it kept at once, and speaks on: so much of a lead is forgotten each second.
LEAD_DECAY_PER_S = 1.0


class RealtimeTracker:
    """How far one stream's sound is ahead of the clock. Times are seconds of any one clock.

    While the server does not read from a stream that is ahead, time stands still for it: or a recording would count
    as speech whenever the machine is busy.
    """

    def __init__(self, now: float, initial_lead_s: float = 0.0) -> None:
        """Begin with a lead; an infinite one is never lost."""
        self._heard_s, self._at, self._lead_s = 0.0, now, initial_lead_s
        self._held = False

    def is_ahead(self, received_s: float, now: float) -> bool:
        """Tell whether the stream, having sent so much sound by now, is ahead."""
        if not self._held:
            passed_s, added_s = now - self._at, received_s - self._heard_s
            forgotten_s = min(max(0.0, self._lead_s), LEAD_DECAY_PER_S * passed_s)
            self._heard_s, self._at = received_s, now
            self._lead_s += added_s - passed_s - forgotten_s
        return self._lead_s > MAX_LEAD_S

    def pause_reading(self, received_s: float, now: float) -> None:
        """Take note that the server stops reading."""
        self._held = self.is_ahead(received_s, now)

    def resume_reading(self, now: float) -> None:
        """Take note that it reads again."""
        if self._held:
            self._held, self._at = False, now


LATE_PARTIAL_S = 1.5  # after its turn was asked for: what is being said is no longer what is shown
RECOVERED_WAIT_S = 0.5
RECOVERY_TIME_S = 5.0  # or a moment's ease would be told as the end of a busy hour


class LatencyTransition(Enum):
    """What has become of the partials."""

    SHED = "shed"
    RESTORED = "restored"


class PartialLatencyMonitor:
    """One stream's partials. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._shed = False
        self._quick_since: float | None = None

    def observe_wait(self, waited_s: float) -> LatencyTransition | None:
        """Take note that a partial has waited so long already, or in vain; return what is to be told."""
        if waited_s >= RECOVERED_WAIT_S:
            self._quick_since = None
        if waited_s <= LATE_PARTIAL_S or self._shed:
            return None
        self._shed = True
        return LatencyTransition.SHED

    def observe_result(self, waited_s: float, now: float) -> LatencyTransition | None:
        """Take note of a partial that has come after such a wait; return what is to be told."""
        change = self.observe_wait(waited_s)
        if waited_s >= RECOVERED_WAIT_S or not self._shed:
            return change
        if self._quick_since is None:
            self._quick_since = now
        if now - self._quick_since < RECOVERY_TIME_S:
            return None
        self._shed = False
        return LatencyTransition.RESTORED
