"""Peak memory during a measurement: of the GPU, or of this process on a CPU."""

from __future__ import annotations

import os
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil

from stt_service.models.devices import list_gpus

INTERVAL_S = 0.1


def in_use(device: str, index: int = 0) -> int | None:
    """Return the bytes in use on the GPU, by all processes; None without nvidia-ml-py."""
    if device == "cpu":
        return int(psutil.Process(os.getpid()).memory_info().rss)
    there = list_gpus()
    return there[index].used_bytes if index < len(there) else None


class Peak:
    """Samples the memory in a thread, for the length of a `with`."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.used_bytes: int | None = None

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        used = in_use(self._device)
        if used is not None:
            self.used_bytes = max(used, self.used_bytes or 0)
