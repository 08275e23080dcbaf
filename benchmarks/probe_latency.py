"""Latency of /healthz and /metrics while the models load, and while all stream slots speak in Realtime sessions.

    python -m benchmarks.probe_latency --slots 4 --seconds 20

Each probe is a connection of its own, as of a load balancer. The column `load` of each row says what the server does.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import json
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from websockets.asyncio.client import connect

from benchmarks.harness.ports import free_port
from benchmarks.recordings import RECORDINGS
from benchmarks.service import Service

PATHS = ("/healthz", "/metrics")
PERIOD_S = 0.05  # between two probes of a path
CHUNK_S = 0.1  # of audio per message
RATE_HZ = 16_000
TIMEOUT_S = 30.0


@dataclass(slots=True)
class Probes:
    """Latencies of a path, in milliseconds."""

    load: str
    path: str
    latencies_ms: list[float] = field(default_factory=list)

    def row(self) -> str:
        """Return the quantiles as a line."""
        cuts = statistics.quantiles(self.latencies_ms, n=100)
        values = f"{cuts[49]:7.1f} {cuts[98]:7.1f} {max(self.latencies_ms):7.1f}"
        return f"{self.load:<10} {self.path:<10} {len(self.latencies_ms):>5} {values}"


def probe(port: int, path: str) -> float | None:
    """Return the latency of a request in milliseconds; None while the port does not listen."""
    started_s = monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()
    return 1000 * (monotonic() - started_s)


@asynccontextmanager
async def probing(port: int, load: str) -> AsyncIterator[list[Probes]]:
    """Probe all paths in the background."""
    probes = [Probes(load, path) for path in PATHS]
    stopping = asyncio.Event()

    async def run(of_path: Probes) -> None:
        while not stopping.is_set():
            if (latency_ms := await asyncio.to_thread(probe, port, of_path.path)) is not None:
                of_path.latencies_ms.append(latency_ms)
            await asyncio.sleep(PERIOD_S)

    async with asyncio.TaskGroup() as tasks:
        for of_path in probes:
            tasks.create_task(run(of_path))
        yield probes
        stopping.set()


async def speak(port: int, pcm: bytes, seconds: float) -> None:
    """Speak in real time in a Realtime session."""
    audio_input = {"format": {"type": "audio/pcm", "rate": RATE_HZ}, "transcription": {"language": "en"}}
    size = 2 * int(CHUNK_S * RATE_HZ)
    async with connect(f"ws://127.0.0.1:{port}/v1/realtime", max_size=None) as session, asyncio.TaskGroup() as tasks:
        session_update = {"type": "transcription", "audio": {"input": audio_input}}
        await session.send(json.dumps({"type": "session.update", "session": session_update}))

        async def read() -> None:
            async for _ in session:
                pass

        reading = tasks.create_task(read())
        started_s = monotonic()
        for number in range(round(seconds / CHUNK_S)):
            start = number * size % len(pcm)
            audio = base64.b64encode(pcm[start : start + size]).decode()
            await session.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            await asyncio.sleep(max(0.0, started_s + (number + 1) * CHUNK_S - monotonic()))
        reading.cancel()


async def measure(model: str, slots: int, seconds: float) -> list[Probes]:
    """Run a server, and probe it in both states."""
    port = free_port()
    (pcm,) = (recording.pcm() for recording in RECORDINGS if recording.name == "en/dictation")
    settings = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": model, "REALTIME_MODEL": model}
    with Service({**settings, "MAX_STREAMS": str(slots), "HTTP_PORT": str(port)}) as server:
        async with probing(port, "loading") as loading:
            await asyncio.to_thread(server.wait_until_listening)
        async with probing(port, f"{slots} streams") as speaking, asyncio.TaskGroup() as speakers:
            for _ in range(slots):
                speakers.create_task(speak(port, pcm, seconds))
    return [*loading, *speaking]


def main() -> None:
    """Print a row for each state and path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    rows = asyncio.run(measure(options.model, options.slots, options.seconds))
    sys.stdout.write(f"{'load':<10} {'path':<10} {'n':>5} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7}\n")
    sys.stdout.writelines(f"{probes.row()}\n" for probes in rows)


if __name__ == "__main__":
    main()
