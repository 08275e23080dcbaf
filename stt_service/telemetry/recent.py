"""Measurements since the last sample of the history: exact values, where the metrics only have histogram buckets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

MAX_VALUES = 4096  # of a sample; 800 partials per second for five seconds


class RecentValues:
    """Values since `take` was last called, at most MAX_VALUES: the latest ones. `add` takes 0.1 µs."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=MAX_VALUES)
        self.add = self._values.append

    def take(self) -> list[float]:
        """Return the values, and start again without any."""
        values = list(self._values)
        self._values.clear()
        return values


class RecentMeasurements:
    """Latencies of real-time streams and delays of the event loop, all in seconds."""

    def __init__(self) -> None:
        self.partial_latency_s, self.final_latency_s, self.loop_lag_s = RecentValues(), RecentValues(), RecentValues()


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that is at least as large as `percent` of all values; NaN without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
