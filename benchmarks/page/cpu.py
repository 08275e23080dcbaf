"""CPU time of the server for each second of speech: python -m benchmarks.page.cpu

The dictation is streamed in real time over gRPC and over the page's WebSocket, alternately, to one server. A browser
sends audio at the rate of its device, which the server resamples; gRPC at the same rate shows what the protocol adds.
The CPU time of the clients is not included.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from statistics import median

import numpy as np
import psutil
import soxr

from benchmarks.apis.streams import PageStream
from benchmarks.comparison.ours import stream_to
from benchmarks.comparison.systems import SAMPLE_RATE_HZ, Connection, Message
from benchmarks.harness.dictations import Dictation
from benchmarks.harness.replay import Pace, replay
from benchmarks.page.texts import MODELS, dictation_of, server_settings
from benchmarks.service import Service

DEVICE_RATE_HZ = 48_000
PACE = Pace(frame_s=0.05, idle_timeout_s=5.0)  # chunks as long as those of the page
GRPC = "gRPC"


class DeviceRate(Connection):
    """Sends the audio at the rate of a device on a connection that has this rate."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._resampler = soxr.ResampleStream(SAMPLE_RATE_HZ, DEVICE_RATE_HZ, 1, "int16")

    async def open(self) -> None:
        await self._connection.open()

    async def send(self, pcm: bytes) -> None:
        await self._send(pcm, is_last=False)

    async def finish(self) -> None:
        await self._send(b"", is_last=True)
        await self._connection.finish()

    def messages(self) -> AsyncIterator[Message]:
        return self._connection.messages()

    async def close(self) -> None:
        await self._connection.close()

    async def _send(self, pcm: bytes, *, is_last: bool) -> None:
        samples = self._resampler.resample_chunk(np.frombuffer(pcm, "<i2"), is_last)
        if len(samples):
            await self._connection.send(samples.tobytes())


Connect = Callable[[Service, str], Connection]
STREAMS: Mapping[str, Connect] = {
    GRPC: lambda server, language: stream_to(server.address, language),
    "page": lambda server, language: PageStream(server.http_address, language),
    "gRPC, 48 kHz": lambda server, language: DeviceRate(stream_to(server.address, language, DEVICE_RATE_HZ)),
    "page, 48 kHz": lambda server, language: DeviceRate(PageStream(server.http_address, language, DEVICE_RATE_HZ)),
}


async def cpu_per_second(server: Service, connection: Connection, dictation: Dictation) -> float:
    """Return the CPU seconds of the server for each second of audio, from the opening of the stream to its end.

    Raises:
        RuntimeError: the stream failed.
    """
    before_s = cpu_s(server.pid)
    stream = await replay(connection, dictation.pcm(), PACE)
    if reason := stream.error or stream.rejected:
        raise RuntimeError(f"{dictation.name}: {reason}")
    return (cpu_s(server.pid) - before_s) / stream.sent_s


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants; none of the server's ends during a measurement."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def measure(server: Service, dictation: Dictation, repeat: int) -> dict[str, list[float]]:
    """Stream the dictation over all protocols so many times; each time another one is the first."""
    names = list(STREAMS)
    measured = {name: list[float]() for name in names}
    for number in range(repeat):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            connection = STREAMS[name](server, dictation.language)
            measured[name].append(await cpu_per_second(server, connection, dictation))
    return measured


def table(measured: Mapping[str, list[float]]) -> str:
    """Return the medians in Markdown."""
    base = median(measured[GRPC])
    rows = [
        f"| {name} | {median(values):.3f} | {min(values):.3f} – {max(values):.3f} | {median(values) / base:.2f} |"
        for name, values in measured.items()
    ]
    head = "| stream | CPU seconds for a second of audio, median | range | ratio to gRPC |\n|---|---|---|---|"
    return "\n".join([head, *rows])


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=list(MODELS), default="en")
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--max-seconds", type=float, help="truncate the dictation")
    given = parser.parse_args()
    with Service(server_settings(given.language)) as server:
        server.wait_until_listening()
        dictation = dictation_of(given.language, given.max_seconds)
        print(table(asyncio.run(measure(server, dictation, given.repeat))))


if __name__ == "__main__":
    main()
