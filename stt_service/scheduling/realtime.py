"""Does a stream run ahead of the clock: a recording that is sent at full speed does, a person who speaks does not."""

from __future__ import annotations

AHEAD_S = 3.0  # more sound than time has passed
# A client that resumes sends what it kept at once, and speaks on: so much of a lead is forgotten each second.
FORGOTTEN_PER_S = 1.0


class RealtimeTracker:
    """How far one stream's sound is ahead of the clock. Times are seconds of any one clock.

    While the server does not read from a stream that is ahead, time stands still for it: or a recording would count
    as speech whenever the machine is busy.
    """

    def __init__(self, now: float, lead_s: float = 0.0) -> None:
        """Begin with a lead; an infinite one is never lost."""
        self._heard_s, self._at, self._lead_s = 0.0, now, lead_s
        self._held = False

    def is_ahead(self, heard_s: float, now: float) -> bool:
        """Tell whether the stream, having sent so much sound by now, is ahead."""
        if not self._held:
            passed_s, added_s = now - self._at, heard_s - self._heard_s
            forgotten_s = min(max(0.0, self._lead_s), FORGOTTEN_PER_S * passed_s)
            self._heard_s, self._at = heard_s, now
            self._lead_s += added_s - passed_s - forgotten_s
        return self._lead_s > AHEAD_S

    def hold(self, heard_s: float, now: float) -> None:
        """Take note that the server stops reading."""
        self._held = self.is_ahead(heard_s, now)

    def release(self, now: float) -> None:
        """Take note that it reads again."""
        if self._held:
            self._held, self._at = False, now
