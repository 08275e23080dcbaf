"""What the process takes of its machine: memory, cores, and what its GPUs say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, process_time

import psutil

from stt_service.access import connection_limit
from stt_service.models.devices import Gpu
from stt_service.models.loader import usable_cores
from stt_service.telemetry.log_writer import LineLimiter
from stt_service.whisper.engine import release_heap_to_os

log = logging.getLogger(__name__)

SAMPLE_INTERVAL_S = 1.0
TRIM_EVERY_S = 10.0
TRIM_BYTES = 64 * 2**20  # that the process has grown by since memory was last given back
NEARLY = 0.9  # of a port's connections: then it is logged, as gRPC does not accept more and does not say so
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # a container's, in bytes, or "max"


class ResourceUsage:
    """Memory as it is when asked; cores and GPUs as they were at the last look of `run`."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.machine_memory_bytes: int = psutil.virtual_memory().total
        self.cores = usable_cores()
        self.busy_cores = 0.0
        self.gpus: Sequence[Gpu] = ()
        self._full = LineLimiter(lines=1, interval_s=60.0)
        self._own_files: int = self._process.num_fds()
        self._trimmed_s, self._least_bytes = 0.0, self.memory_bytes

    @property
    def memory_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    async def run(self, gpus: Callable[[], Sequence[Gpu]]) -> None:
        """Look every second, until cancelled; `gpus` may block."""
        self._own_files = self._process.num_fds()
        while True:
            began, busy_s = monotonic(), process_time()
            self.gpus = await asyncio.to_thread(gpus)
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            self.busy_cores = (process_time() - busy_s) / (monotonic() - began)
            self.watch_files()
            await self._trim(began)

    def watch_files(self) -> None:
        """Log that a port has nearly all the connections that it takes, as far as open files tell."""
        limit, connected = connection_limit.limit(), self._process.num_fds() - self._own_files
        most = connection_limit.connections(limit)
        if connected >= NEARLY * most and self._full.next_line() is not None:
            log.warning(
                "connections: about %d are open, and a port accepts %d (open files: limit=%d)", connected, most, limit
            )

    async def _trim(self, now_s: float) -> None:
        """Give memory back after a flood of large messages: the allocator keeps what was freed."""
        self._least_bytes = min(self._least_bytes, self.memory_bytes)
        if now_s - self._trimmed_s < TRIM_EVERY_S or self.memory_bytes - self._least_bytes < TRIM_BYTES:
            return
        await asyncio.to_thread(release_heap_to_os)
        self._trimmed_s, self._least_bytes = now_s, self.memory_bytes


def memory_limit_bytes(limit: Path = MEMORY_LIMIT) -> int:
    """Return how much memory this process may take: its container's share, or all there is."""
    machine = int(psutil.virtual_memory().total)
    try:
        return min(machine, int(limit.read_text()))
    except (OSError, ValueError):
        return machine
