"""CPU and memory of idle streams: connected, and silent.

`python -m lab.load.idle_streams [--streams 100] [--seconds 30]` starts a server and measures its CPU time and memory
with no stream, then with so many that send nothing at all, silence (reported in messages of a second, or sent as audio
in frames of 500 and of 100 ms), and faint noise, in real time. The environment sets the server. Exit code 1 if silence
takes more than a tenth of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from math import inf
from time import monotonic, process_time

import grpc.aio
import numpy as np
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.channels import OWN_CONNECTION, channel_to
from benchmarks.harness.replay import BYTES_PER_SECOND
from benchmarks.harness.resource_usage import Usage
from benchmarks.service import Service, ServiceError

MAX_CPU_PERCENT = 10.0  # of one core, for silence
FRAMES_S = (0.5, 0.1)
NOISE_DBFS = -65.0
NOISE_S = 30.0
OPEN_EVERY_S = 0.023  # streams open one after the other, so that their frames do not coincide
SETTLE_S = 3.0
PACE_KEPT = 0.98
TEXT_EVENTS = ("partial", "final", "suppressed")
# Each user has a separate connection; channels of one process would share one.

Request = pb.StreamingRecognizeRequest
Response = pb.StreamingRecognizeResponse
stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub


@dataclass(frozen=True, slots=True)
class AudioKind:
    """Audio that each stream sends, in a loop."""

    name: str
    frames: Sequence[Request] = ()
    frame_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and memory of the server with so many idle streams for so long."""

    sent: str
    frame_s: float
    streams: int
    seconds: float
    cpu_s: float = 0.0
    client_cpu_s: float = 0.0
    memory_bytes: int = 0
    frames: int = 0  # sent by all
    text_events: int = 0  # partials, finals and suppressions: none is expected

    @property
    def core_percent(self) -> float:
        return 100 * self.cpu_s / self.seconds

    def row(self, empty: Cost) -> str:
        """Return a line of the table; `empty` is the server without streams."""
        each_kb = (self.memory_bytes - empty.memory_bytes) / 1024 / self.streams if self.streams else 0.0
        return (
            f"| {self.streams} | {self.sent} | {self.core_percent:.1f} | {self.memory_bytes / 2**20:.1f} "
            f"| {each_kb:.0f} | {self.text_events} | {100 * self.client_cpu_s / self.seconds:.0f} |"
        )


HEADER = (
    "| streams | each sends | CPU of the server, % of one core | memory, MB | for each stream, KB | text events "
    "| CPU of the client, % of one core |\n|---|---|---|---|---|---|---|"
)


@dataclass(slots=True)
class IdleLoad:
    """Streams of this process, each on its own connection, that send the same audio."""

    audio: AudioKind
    opened: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # a permit for each stream
    sent: int = 0
    events: Counter[str | None] = field(default_factory=Counter)

    async def join(self, address: str, number: int) -> None:
        """Hold a stream open until canceled.

        Raises:
            ServiceError: the server rejected it, or ended it.
        """
        await asyncio.sleep(number * OPEN_EVERY_S)
        async with channel_to(address, OWN_CONNECTION) as channel:
            call: grpc.aio.StreamStreamCall[Request, Response] = stub_on(channel).StreamingRecognize()
            with suppress(asyncio.InvalidStateError):  # the server ended the stream: the reader has the reason
                await call.write(Request(config=pb.StreamingConfig(partials=True)))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(call))
                if self.audio.frames:
                    tasks.create_task(self._send(call, first=7 * number))

    async def _read(self, call: grpc.aio.StreamStreamCall[Request, Response]) -> None:
        while isinstance(response := await call.read(), Response):
            event = response.WhichOneof("event")
            self.events[event] += 1
            if event == "started":
                self.opened.release()
            if event == "failure":
                raise ServiceError(response.failure.message)
        raise ServiceError("The server ended a stream.")

    async def _send(self, call: grpc.aio.StreamStreamCall[Request, Response], first: int) -> None:
        started, frames = monotonic(), self.audio.frames
        for number in count(1):
            await asyncio.sleep(started + number * self.audio.frame_s - monotonic())
            await call.write(frames[(first + number) % len(frames)])
            self.sent += 1


async def idle_cost(service: Service, streams: int, seconds: float, audio: AudioKind) -> Cost:
    """Return the load of so many streams once they are open and idle."""
    group = IdleLoad(audio)
    async with asyncio.TaskGroup() as tasks:
        joined = [tasks.create_task(group.join(service.address, number)) for number in range(streams)]
        for _ in range(streams):
            await group.opened.acquire()
        await asyncio.sleep(SETTLE_S)
        before, client_s = group.sent, process_time()
        with Usage(service.pid) as usage:
            started = monotonic()
            await asyncio.sleep(seconds)
            passed_s = monotonic() - started
        cost = Cost(
            audio.name,
            audio.frame_s,
            streams,
            passed_s,
            cpu_s=usage.cpu_s(inf),
            client_cpu_s=process_time() - client_s,
            memory_bytes=usage.peak_bytes,
            frames=group.sent - before,
            text_events=sum(group.events[event] for event in TEXT_EVENTS),
        )
        for task in joined:
            task.cancel()
    return cost


def audio_kinds() -> Iterator[AudioKind]:
    """Return the audio of each run."""
    yield AudioKind("nothing")
    yield AudioKind("silence, reported each second", [Request(silence=pb.Silence(duration=Duration(seconds=1)))])
    for frame_s in FRAMES_S:
        size = int(frame_s * BYTES_PER_SECOND)
        yield AudioKind(f"silence, {frame_s:g} s frames", [Request(audio=bytes(size))], frame_s)
        chunks = [Request(audio=NOISE[start : start + size]) for start in range(0, len(NOISE), size)]
        yield AudioKind(f"noise of {NOISE_DBFS:g} dBFS, {frame_s:g} s frames", chunks, frame_s)


def noise() -> bytes:
    """Return white noise at NOISE_DBFS."""
    sigma = 32_768 * 10 ** (NOISE_DBFS / 20)
    return (
        np.random.default_rng(1).normal(0, sigma, int(NOISE_S * BYTES_PER_SECOND / 2)).round().astype("<i2").tobytes()
    )


NOISE = noise()


def violations(costs: Sequence[Cost]) -> list[str]:
    """Return a message for each missed limit, and for each invalid run."""
    missed = []
    for cost in costs:
        if cost.sent.startswith("silence") and cost.core_percent > MAX_CPU_PERCENT:
            missed.append(f"MISSED: {cost.sent}: {cost.core_percent:.1f} % of a core, more than {MAX_CPU_PERCENT:g} %.")
        if cost.text_events:
            missed.append(f"MISSED: {cost.sent}: {cost.text_events} partials, finals or suppressions came.")
        due = cost.streams * cost.seconds / cost.frame_s
        if cost.frames and cost.frames < PACE_KEPT * due:
            missed.append(f"{cost.sent}: only {100 * cost.frames / due:.0f} % of the audio could be sent in time.")
    return missed


async def measured(service: Service, streams: int, seconds: float) -> list[Cost]:
    costs = [await idle_cost(service, 0, seconds, AudioKind(""))]
    print(HEADER, costs[0].row(costs[0]), sep="\n", flush=True)
    for audio in audio_kinds():
        costs.append(await idle_cost(service, streams, seconds, audio))
        print(costs[-1].row(costs[0]), flush=True)
    return costs


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each run")
    options = parser.parse_args()
    costs: list[Cost] = []
    try:
        with Service({"MAX_STREAMS": str(max(1, options.streams)), "LOG_LEVEL": "warning"}) as service:
            service.wait_until_listening()
            costs = asyncio.run(measured(service, options.streams, options.seconds))
    except* ServiceError as failures:
        print(*failures.exceptions, sep="\n", file=sys.stderr)
    if not costs:
        return 1
    missed = violations(costs)
    print(*(missed or [f"Met: silence takes at most {MAX_CPU_PERCENT:g} % of one core."]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
