"""Effect of one abusive client on two ordinary ones.

`python -m lab.load.fairness [--kinds silence bulk ...] [--seconds 25] [--shared]` starts a server, runs two ordinary
clients that dictate in real time, alone and then next to one abusive client of each kind, and prints their latencies
side by side. Each client has its own token; with --shared none has one, so that all are one client to the server.
Limit: the p95 of ordinary finals at most doubles. Exit code 1 if it is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import grpc.aio
import numpy as np
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb

from benchmarks.comparison.results import percentile
from benchmarks.harness.channels import channel_to
from benchmarks.harness.dictations import dictations
from benchmarks.harness.scheduling_delay import ahead_of_others
from benchmarks.recordings import FOLDER
from benchmarks.service import Service
from lab.load.cpu_contention import ask
from lab.load.live_client import BYTES_PER_SECOND, CHUNK_S, Latencies, Metadata, dictate, spread, stub_on
from stt_service.access.tokens import line, new_token

MAX_LATENCY_FACTOR = 2.0
ORDINARY = ("ann", "bob")
STAGGER_S = 3.7  # between the two, so that their sentences do not end at the same time
ABUSE_LEAD_S = 3.0  # delay of the ordinary ones: by then the abuse is under way
MESSAGE_BYTES = 2**20
Request = pb.StreamingRecognizeRequest
Requests = AsyncIterator[Request]


@dataclass(frozen=True, slots=True)
class Abuse:
    """Load of one abusive client: the given number of streams, each with such requests."""

    streams: int
    requests: Callable[[int], Requests]  # requests of the stream of this number


async def silence(number: int, audio_format: pb.AudioFormat) -> Requests:
    """Send hours of silence without a pause."""
    yield Request(config=pb.StreamingConfig(format=audio_format))
    while True:
        yield Request(silence=pb.Silence(duration=Duration(seconds=3600)))


async def bulk(number: int) -> Requests:
    """Send mu-law silence as fast as it is accepted."""
    audio_format = pb.AudioFormat(sample_rate_hz=8000, encoding=pb.AudioFormat.ENCODING_MULAW)
    yield Request(config=pb.StreamingConfig(format=audio_format))
    while True:
        yield Request(audio=b"\xff" * MESSAGE_BYTES)


async def bulk_speech(number: int) -> Requests:
    """Send recorded speech as fast as it is accepted."""
    yield Request(config=pb.StreamingConfig(settings=pb.Settings(language="en")))
    for pcm in cycle([speech()]):
        yield Request(audio=pcm[:MESSAGE_BYTES])


async def spoken(number: int, pcm: bytes, prompt: str = "") -> Requests:
    """Send audio in real time, in a loop."""
    settings = pb.Settings(language="en", initial_prompt=prompt)
    yield Request(config=pb.StreamingConfig(settings=settings, partials=True))
    started, size = monotonic(), int(CHUNK_S * BYTES_PER_SECOND)
    for sent, start in enumerate(cycle(range(0, len(pcm), size))):
        await asyncio.sleep(max(0.0, started + (sent + 1) * CHUNK_S - monotonic()))
        yield Request(audio=pcm[start : start + size])


async def prompted(number: int) -> Requests:
    async for request in spoken(number, speech(), "é" * 2000):
        yield request


async def doubtful(number: int) -> Requests:
    """Send speech played backwards, with noise."""
    samples = np.frombuffer(speech(), "<i2")[::-1] * 0.5
    noise = np.random.default_rng(number).normal(0, 300, len(samples))
    async for request in spoken(number, (samples + noise).astype("<i2").tobytes()):
        yield request


KINDS = {
    "silence": Abuse(4, partial(silence, audio_format=pb.AudioFormat(sample_rate_hz=16000))),
    "wide-silence": Abuse(
        4,
        partial(
            silence,
            audio_format=pb.AudioFormat(
                sample_rate_hz=192_000, channels=32, encoding=pb.AudioFormat.ENCODING_PCM_F32LE
            ),
        ),
    ),
    "bulk": Abuse(16, bulk),
    "bulk-speech": Abuse(16, bulk_speech),
    "prompt": Abuse(2, prompted),
    "doubtful": Abuse(8, doubtful),
}


def speech() -> bytes:
    return dictations(FOLDER, "en")[0].pcm()


def abuse(address: str, kind: str, metadata: Metadata) -> None:
    """Load the server until this process is terminated."""
    os.nice(5)  # the CPU time of this process must not affect the result

    async def one(number: int) -> None:
        while True:
            with suppress(grpc.aio.AioRpcError):
                async with channel_to(address) as channel:
                    call = stub_on(channel).StreamingRecognize(KINDS[kind].requests(number), metadata=metadata)
                    async for _ in call:
                        pass
            await asyncio.sleep(1)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(KINDS[kind].streams)))

    with suppress(KeyboardInterrupt):
        asyncio.run(all_of_them())


@contextmanager
def abusing(address: str, kind: str | None, metadata: Metadata) -> Iterator[None]:
    """Run the abusive client for the length of a `with`; no client without a kind."""
    if kind is None:
        yield
        return
    process = multiprocessing.get_context("spawn").Process(target=abuse, args=(address, kind, metadata))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


@dataclass(frozen=True, slots=True)
class Served:
    """A server, and the credentials of each client."""

    service: Service
    credentials: dict[str, Metadata]

    @property
    def control(self) -> str:
        line = next(each for each in self.service.lines if each.startswith("Control on "))
        return line.removeprefix("Control on ")


@contextmanager
def serving(shared: bool) -> Iterator[Served]:
    tokens = {} if shared else {name: new_token() for name in (*ORDINARY, "mallory")}
    with TemporaryDirectory() as folder:
        settings = {"LANGUAGE": "en", "MAX_STREAMS": "64", "LOG_LEVEL": "warning"}
        if tokens:
            file = Path(folder) / "tokens"
            file.write_text("\n".join(line(name, token) for name, token in tokens.items()) + "\n")
            file.chmod(0o600)
            settings["AUTH_TOKENS_FILE"] = str(file)
        with Service({**settings, **os.environ}) as service:
            service.wait_until_listening()
            credentials: dict[str, Metadata] = {
                name: (("authorization", f"Bearer {token}"),) for name, token in tokens.items()
            }
            yield Served(service, credentials)


async def measured(served: Served, seconds: float, wait_s: float) -> tuple[Latencies, list[float]]:
    """Return the measurements of two ordinary clients, and the response times of Control."""
    answers_s, together = list[float](), Latencies()
    asking = asyncio.create_task(ask(served.control, answers_s))
    pcm = speech()[: int(seconds * BYTES_PER_SECOND)]

    async def one(number: int, name: str) -> Latencies:
        await asyncio.sleep(number * STAGGER_S)
        return await dictate(served.service.address, pcm, metadata=served.credentials.get(name, ()), wait_s=wait_s)

    for latencies in await asyncio.gather(*(one(number, name) for number, name in enumerate(ORDINARY))):
        together.add(latencies)
    asking.cancel()
    return together, answers_s


async def phase(served: Served, options: argparse.Namespace, kind: str | None) -> tuple[Latencies, list[float]]:
    await asyncio.sleep(ABUSE_LEAD_S if kind else 0.0)
    return await measured(served, options.seconds, options.wait)


def row(name: str, latencies: Latencies, answers_s: Sequence[float]) -> str:
    p95 = 1000 * (percentile(answers_s, 95) or 0.0)
    cut_off = f" ({latencies.cut_off} cut off)" if latencies.cut_off else ""
    cells = (spread(latencies.finals_s) + cut_off, spread(latencies.partials_s), spread(latencies.gaps_s), f"{p95:.0f}")
    return f"| {name} | {' | '.join(cells)} |"


HEADER = """\
| next to | finals, s: p50 / p95 / max | partials, s | gaps between partials, s | Control, ms: p95 |
|---|---|---|---|---|"""


def violations(kind: str, alone: Latencies, contended: Latencies) -> list[str]:
    before_s, with_s = (percentile(latencies.finals_s, 95) or inf for latencies in (alone, contended))
    if contended.cut_off or with_s > MAX_LATENCY_FACTOR * before_s:
        return [f"MISSED: next to {kind} ordinary finals are {with_s / before_s:.1f} times as late (p95)."]
    return []


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=25.0, help="of each dictation")
    parser.add_argument("--wait", type=float, default=20.0, help="for the last finals, at most")
    parser.add_argument("--shared", action="store_true", help="no tokens: all are one client")
    options = parser.parse_args()
    missed, alone = list[str](), Latencies()
    print(HEADER, flush=True)
    with serving(options.shared) as served:
        for kind in (None, *options.kinds):
            with abusing(served.service.address, kind, served.credentials.get("mallory", ())), ahead_of_others():
                latencies, answers_s = asyncio.run(phase(served, options, kind))
            print(row(kind or "no other load", latencies, answers_s), flush=True)
            alone = alone if kind else latencies
            missed += violations(kind, alone, latencies) if kind else []
    print("", *(missed or ["All limits are met."]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
