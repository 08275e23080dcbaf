"""Are a stream's partials late, and when is its client to be told."""

from __future__ import annotations

from enum import Enum

LATE_PARTIAL_S = 1.5  # after its turn was asked for: what is being said is no longer what is shown
QUICK_S = 0.5
QUICK_FOR_S = 5.0  # or a moment's ease would be told as the end of a busy hour


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
        if waited_s >= QUICK_S:
            self._quick_since = None
        if waited_s <= LATE_PARTIAL_S or self._shed:
            return None
        self._shed = True
        return LatencyTransition.SHED

    def observe_result(self, waited_s: float, now: float) -> LatencyTransition | None:
        """Take note of a partial that has come after such a wait; return what is to be told."""
        change = self.observe_wait(waited_s)
        if waited_s >= QUICK_S or not self._shed:
            return change
        if self._quick_since is None:
            self._quick_since = now
        if now - self._quick_since < QUICK_FOR_S:
            return None
        self._shed = False
        return LatencyTransition.RESTORED
