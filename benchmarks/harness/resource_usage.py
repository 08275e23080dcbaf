"""CPU time and memory of a process and its descendants during a measurement."""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Self

import psutil

INTERVAL_S = 0.5


class Usage:
    """Samples a process tree in a thread, for the length of a `with`. An exited child counts with its last sample."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen_s: dict[psutil.Process, float] = {}
        self._samples: list[tuple[float, float]] = []  # time, and the CPU seconds of the tree until then
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.peak_bytes = 0  # pages that processes share count for each

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def cpu_s(self, until: float) -> float:
        """Return the CPU seconds from entering to the first sample at or after a monotonic time."""
        after = (used_s for at, used_s in self._samples if at >= until)
        return next(after, self._samples[-1][1]) - self._samples[0][1]

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self._sample()

    def _sample(self) -> None:
        resident = 0
        for process in self._tree():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    self._seen_s[process] = times.user + times.system
                    resident += process.memory_info().rss
            except psutil.Error:
                continue
        self.peak_bytes = max(self.peak_bytes, resident)
        self._samples.append((monotonic(), sum(self._seen_s.values())))

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []
