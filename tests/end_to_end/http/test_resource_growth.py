"""Two hundred sessions and uploads: memory, threads, open files and processes stay as they are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.end_to_end.http.conftest import http_port
from tests.support.audio.encoded_audio import silence, wav
from tests.support.clients.raw_http import HttpPort, wait_until

pytestmark = [pytest.mark.model, pytest.mark.process]
ROUNDS = 200
WARM_UP = 200  # the allocator and the pools of threads reach their size; after 40, the allocator varies by 20 MiB
GROWTH_BYTES = 16 * 2**20  # a leak of 80 KiB, a tenth of the audio of a session, exceeds it


@pytest.fixture
def port() -> Iterator[HttpPort]:
    with http_port(MAX_STREAMS="8") as running:
        yield running


def speak(port: HttpPort, number: int) -> None:
    """Open a session, send ten seconds, and close it, or disappear."""
    with port.realtime({"turn_detection": None}) as session:
        session.append(silence(10))
        if number % 2:
            session.commit()
        else:
            session.send("input_audio_buffer.commit")


def upload(port: HttpPort, number: int) -> None:
    """Upload a short recording, or something else."""
    file = wav(silence(0.1)) if number % 4 == 0 else b""
    assert port.upload(file).status == (200 if file else 400)


def resources(port: HttpPort) -> tuple[int, int, int, int]:
    """Return the memory, threads, open files and children of the server, once all connections are closed."""
    process = psutil.Process(port.server.pid)
    wait_until(lambda: port.metric("stt_slots_used") == 0)
    wait_until(lambda: len(process.net_connections()) <= 4)  # three listening sockets, and one of keep-alive
    return process.memory_info().rss, process.num_threads(), process.num_fds(), len(process.children(recursive=True))


@pytest.mark.slow
def test_sessions_and_uploads_leave_nothing_behind(port: HttpPort) -> None:
    with ThreadPoolExecutor(4) as clients:

        def run(rounds: int) -> tuple[int, int, int, int]:
            for work in (speak, upload):
                for _ in clients.map(work, [port] * rounds, range(rounds)):
                    pass
            gc.collect()
            return resources(port)

        before, after = run(WARM_UP), run(ROUNDS)
    assert after[0] - before[0] < GROWTH_BYTES
    assert after[1] <= before[1] + 2  # a pool that had not reached its size
    assert after[2] <= before[2] + 8
    assert after[3] == before[3] == 0
