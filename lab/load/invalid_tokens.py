"""Effect of calls with invalid tokens on clients with valid ones.

`python -m lab.load.invalid_tokens [--calls 1000]` starts a server that requires tokens, dictates a recording to it in
real time again and again, and makes so many calls with invalid tokens from another process meanwhile: streams, with as
many concurrent ones as the server admits. It prints the latency of partials and finals without and with them. The other
process has a lower priority than the server, as if it were on another machine. The environment sets the rest of the
server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic

import grpc.aio
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.comparison.results import percentile
from benchmarks.harness.channels import OWN_CONNECTION, channel_to
from benchmarks.recordings import RECORDINGS, Recording
from benchmarks.service import Service
from stt_service.access.tokens import line, new_token

AT_ONCE = 50
CHUNK_S = 0.1
ROUNDS = 3
RECORDING = "en/jfk"
SMALL = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latency of each partial and final after its audio was sent, in seconds."""

    partials: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        late = [f"{median(of):.2f} / {percentile(of, 95):.2f}" for of in (self.partials, self.finals)]
        return f"partials {late[0]} s, finals {late[1]} s (p50 / p95 of {len(self.partials)} and {len(self.finals)})"


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


async def dictate(address: str, token: str, recording: Recording, latencies: Latencies) -> None:
    """Send the recording in real time; record the latency of its partials and finals."""
    started = monotonic()

    async def spoken() -> object:
        settings = pb.Settings(language="en")
        yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig(settings=settings, partials=True))
        pcm, size = recording.pcm(), int(CHUNK_S * 32_000)
        for number, start in enumerate(range(0, len(pcm), size)):
            await asyncio.sleep(max(0.0, started + (number + 1) * CHUNK_S - monotonic()))
            yield pb.StreamingRecognizeRequest(audio=pcm[start : start + size])

    async with channel_to(address) as channel:
        call = stt_pb2_grpc.SpeechToTextStub(channel).StreamingRecognize(spoken(), metadata=bearer(token))
        async for response in call:
            if response.HasField("partial"):
                latencies.partials.append(monotonic() - started - response.partial.end_ms / 1000)
            if response.HasField("final"):
                latencies.finals.append(monotonic() - started - response.final.end_ms / 1000)


async def measured(address: str, token: str, calls: int) -> Latencies:
    """Dictate ROUNDS times, with so many calls with invalid tokens during each."""
    recording = next(one for one in RECORDINGS if one.name == RECORDING)
    latencies = Latencies()
    for _ in range(ROUNDS):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(dictate(address, token, recording, latencies))
            if calls:
                tasks.create_task(_others(address, calls))
    return latencies


async def _others(address: str, calls: int) -> None:
    await asyncio.sleep(2)  # after the start of the dictation
    module = [sys.executable, "-m", "lab.load.invalid_tokens", "--calls", str(calls), "--to", address]
    process = await asyncio.create_subprocess_exec(*module)
    if await process.wait():
        raise SystemExit("the calls with invalid tokens failed")


async def send_invalid_calls(address: str, calls: int) -> None:
    """Make the calls; return the time that they took."""
    os.nice(19)
    left, started = iter(range(calls)), monotonic()

    async def caller() -> None:
        async with channel_to(address, OWN_CONNECTION) as channel:
            stub = stt_pb2_grpc.SpeechToTextStub(channel)
            for _ in left:
                call = stub.StreamingRecognize(iter([pb.StreamingRecognizeRequest()]), metadata=bearer(new_token()))
                reasons = [response.failure.reason async for response in responses(call)]
                if reasons != ["UNAUTHENTICATED"]:
                    raise SystemExit(f"an invalid token was answered with {reasons}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(caller())
    print(f"{calls} calls with invalid tokens, {AT_ONCE} concurrent, were rejected in {monotonic() - started:.1f} s")


async def responses(call: AsyncIterator[pb.StreamingRecognizeResponse]) -> AsyncIterator[pb.StreamingRecognizeResponse]:
    """Yield audio until the call is rejected."""
    with suppress(grpc.aio.AioRpcError):
        async for response in call:
            yield response


@contextmanager
def guarded() -> Iterator[tuple[str, str]]:
    """Run a server that requires a token; yield its address and the token."""
    token = new_token()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tokens"
        file.write_text(line("measuring", token))
        file.chmod(0o600)
        with Service({**SMALL, **os.environ, "AUTH_TOKENS_FILE": str(file)}) as service:
            service.wait_until_listening()
            yield service.address, token


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--to", metavar="ADDRESS", help="only make the calls, to this server")
    options = parser.parse_args(arguments)
    if options.to:
        asyncio.run(send_invalid_calls(options.to, options.calls))
        return
    with guarded() as (address, token):
        print(f"without: {asyncio.run(measured(address, token, 0))}", flush=True)
        print(f"with:    {asyncio.run(measured(address, token, options.calls))}", flush=True)


if __name__ == "__main__":
    main()
