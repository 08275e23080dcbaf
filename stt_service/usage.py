"""What the process takes of its machine: memory, cores, and what its GPUs say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, process_time

import psutil

from stt_service.devices import Gpu
from stt_service.models import usable_cores

EVERY_S = 1.0
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # a container's, in bytes, or "max"


class Usage:
    """Memory as it is when asked; cores and GPUs as they were at the last look of `run`."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.machine_memory_bytes: int = psutil.virtual_memory().total
        self.cores = usable_cores()
        self.busy_cores = 0.0
        self.gpus: Sequence[Gpu] = ()

    @property
    def memory_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    async def run(self, gpus: Callable[[], Sequence[Gpu]]) -> None:
        """Look every second, until cancelled; `gpus` may block."""
        while True:
            began, busy_s = monotonic(), process_time()
            self.gpus = await asyncio.to_thread(gpus)
            await asyncio.sleep(EVERY_S)
            self.busy_cores = (process_time() - busy_s) / (monotonic() - began)


def memory_limit_bytes(limit: Path = MEMORY_LIMIT) -> int:
    """Return how much memory this process may take: its container's share, or all there is."""
    machine = int(psutil.virtual_memory().total)
    try:
        return min(machine, int(limit.read_text()))
    except (OSError, ValueError):
        return machine
