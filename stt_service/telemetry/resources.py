"""Resource usage of the process: memory, CPU cores, GPUs and open files."""

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
TRIM_INTERVAL_S = 10.0
MIN_TRIM_BYTES = 64 * 2**20  # growth of the process since memory was last returned to the system
WARNING_RATIO = 0.9  # of a port's connections, then a warning is logged: gRPC stops accepting silently
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # a container's, in bytes, or "max"


class ResourceUsage:
    """Current memory usage; cores and GPUs as of the last sample of `run`."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.machine_memory_bytes: int = psutil.virtual_memory().total
        self.cores = usable_cores()
        self.cores_used = 0.0
        self.gpus: Sequence[Gpu] = ()
        self._limiter = LineLimiter(lines=1, interval_s=60.0)
        self._own_files: int = self._process.num_fds()
        self._trimmed_s, self._least_bytes = 0.0, self.memory_bytes

    @property
    def memory_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    async def run(self, gpus: Callable[[], Sequence[Gpu]]) -> None:
        """Sample every SAMPLE_INTERVAL_S until canceled; `gpus` may block."""
        self._own_files = self._process.num_fds()
        while True:
            start_s, cpu_s = monotonic(), process_time()
            self.gpus = await asyncio.to_thread(gpus)
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            self.cores_used = (process_time() - cpu_s) / (monotonic() - start_s)
            self.check_connections()
            await self._trim(start_s)

    def check_connections(self) -> None:
        """Log a warning if a port is near its connection limit, judged by the number of open files."""
        limit, connected = connection_limit.limit(), self._process.num_fds() - self._own_files
        most = connection_limit.connections(limit)
        if connected >= WARNING_RATIO * most and self._limiter.next_line() is not None:
            log.warning("connections near limit open=%d max_per_port=%d open_file_limit=%d", connected, most, limit)

    async def _trim(self, now_s: float) -> None:
        """Return freed memory to the system after a burst of large messages: the allocator would retain it."""
        self._least_bytes = min(self._least_bytes, self.memory_bytes)
        if now_s - self._trimmed_s < TRIM_INTERVAL_S or self.memory_bytes - self._least_bytes < MIN_TRIM_BYTES:
            return
        await asyncio.to_thread(release_heap_to_os)
        self._trimmed_s, self._least_bytes = now_s, self.memory_bytes


def memory_limit_bytes(limit: Path = MEMORY_LIMIT) -> int:
    """Return the memory limit of this process: its container's limit, or the machine's memory."""
    machine = int(psutil.virtual_memory().total)
    try:
        return min(machine, int(limit.read_text()))
    except (OSError, ValueError):
        return machine
