"""Opens and closes 200 streams on a server and shows that it frees its resources.

Ends with exit code 1 if threads or open files grow, or memory by more than a tenth, after the first fifty.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc.aio
import psutil
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.channels import channel_to
from benchmarks.recordings import RECORDINGS
from benchmarks.service import Service, ServiceError

STREAMS = 200
AT_ONCE = 4
WARM = 50  # streams until buffers, pools and the model's own memory have reached their size
GROWTH = 1.1
CLEANUP_WAIT_S = 0.5  # for the cleanup of canceled streams before the count
RECORDING_NAMES = ("en/brooklyn-bridge", "ru/tt-somethingwrong")  # the shortest of their languages
RATE_BYTES = 32_000  # of a second

Request = pb.StreamingRecognizeRequest
Response = pb.StreamingRecognizeResponse
stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub


@dataclass(frozen=True, slots=True)
class ResourceCounts:
    """Resources of the server after so many streams."""

    streams: int
    memory_mb: float
    threads: int
    files: int

    def row(self) -> str:
        return f"| {self.streams} | {self.memory_mb:.1f} | {self.threads} | {self.files} |"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Input of one stream."""

    language: str
    pcm: bytes
    partials: bool
    leaves: bool  # disconnects during an utterance

    async def pay(self, address: str) -> None:
        """Open a connection and a stream, send audio, and close it."""
        async with channel_to(address) as channel:
            call: grpc.aio.StreamStreamCall[Request, Response] = stub_on(channel).StreamingRecognize()
            settings = pb.Settings(language=self.language)
            await call.write(Request(config=pb.StreamingConfig(settings=settings, partials=self.partials)))
            for start in range(0, len(self.pcm), RATE_BYTES // 4):
                await call.write(Request(audio=self.pcm[start : start + RATE_BYTES // 4]))
            if self.leaves:
                await call.read()
                call.cancel()
                return
            await call.done_writing()
            async for _ in call:
                pass


def stream_plans() -> list[StreamPlan]:
    """Return the streams: one in five is silent, one in five disconnects during an utterance, the others dictate."""
    spoken = [recording for recording in RECORDINGS if recording.name in RECORDING_NAMES]
    pcms = [(recording.language, recording.pcm()) for recording in spoken]
    planned = []
    for number in range(STREAMS):
        language, pcm = pcms[number // 5 % len(pcms)]
        silent, leaves = number % 5 == 0, number % 5 == 1
        planned.append(StreamPlan(language, bytes(3 * RATE_BYTES) if silent else pcm, number % 2 == 0, leaves))
    return planned


async def soak(service: Service) -> list[ResourceCounts]:
    """Run the streams, a few at a time; count resources after every fifty."""
    counted = [held(service, 0)]
    planned = stream_plans()
    for start in range(0, STREAMS, WARM):
        slots = asyncio.Semaphore(AT_ONCE)

        async def pay(plan: StreamPlan, slots: asyncio.Semaphore = slots) -> None:
            async with slots:
                await plan.pay(service.address)

        async with asyncio.TaskGroup() as tasks:
            for plan in planned[start : start + WARM]:
                tasks.create_task(pay(plan))
        await asyncio.sleep(CLEANUP_WAIT_S)
        counted.append(held(service, start + WARM))
    return counted


def held(service: Service, streams: int) -> ResourceCounts:
    process = psutil.Process(service.pid)
    return ResourceCounts(streams, process.memory_info().rss / 2**20, process.num_threads(), process.num_fds())


def violations(counted: Sequence[ResourceCounts]) -> list[str]:
    """Return a message for each resource that grew after the first fifty streams."""
    warm, last = next(one for one in counted if one.streams >= WARM), counted[-1]
    grown = []
    if last.threads > warm.threads:
        grown.append(f"Threads grew from {warm.threads} to {last.threads}.")
    if last.files > warm.files:
        grown.append(f"Open files grew from {warm.files} to {last.files}.")
    if last.memory_mb > GROWTH * warm.memory_mb:
        grown.append(f"Memory grew from {warm.memory_mb:.0f} to {last.memory_mb:.0f} MB.")
    return grown


def main() -> int:
    """Run the measurement; return the exit code."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        with Service({"DEVICE": "cpu", "MAX_STREAMS": str(2 * AT_ONCE)}) as service:
            service.wait_until_listening()
            counted = asyncio.run(soak(service))
            trouble = [line for line in service.lines if "Traceback" in line or " ERROR " in line]
    except ServiceError as failure:
        print(failure, file=sys.stderr)
        return 1
    print("| streams | memory, MB | threads | open files |", "|---|---|---|---|", sep="\n")
    print(*[one.row() for one in counted], sep="\n")
    failures = violations(counted) + trouble
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
