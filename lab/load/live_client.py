"""One client that dictates a recording in real time and measures the latency of its text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic

import grpc.aio
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.comparison.results import percentile
from benchmarks.harness.channels import OWN_CONNECTION, channel_to

CHUNK_S = 0.1
BYTES_PER_SECOND = 32_000
TAIL_S = 3.0  # of silence after the recording: more than the default endpoint
Metadata = tuple[tuple[str, str], ...]
stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub


@dataclass(slots=True)
class Latencies:
    """Measurements of clients, in seconds."""

    finals_s: list[float] = field(default_factory=list)  # from the end of speech to the final
    partials_s: list[float] = field(default_factory=list)  # from the last audio of a partial to the partial
    gaps_s: list[float] = field(default_factory=list)  # during speech: from one partial to the next
    texts: list[str] = field(default_factory=list)
    cut_off: int = 0  # clients that had not received all finals within the timeout

    def add(self, other: Latencies) -> None:
        """Add the measurements of another client."""
        self.finals_s += other.finals_s
        self.partials_s += other.partials_s
        self.gaps_s += other.gaps_s
        self.texts += other.texts
        self.cut_off += other.cut_off


def spread(values: Sequence[float]) -> str:
    """Return p50, p95 and the maximum."""
    if not values:
        return "none"
    p50, p95 = (percentile(values, percent) or 0.0 for percent in (50, 95))
    return f"{p50:.2f} / {p95:.2f} / {max(values):.2f}"


async def dictate(
    address: str, pcm: bytes, *, language: str = "en", metadata: Metadata = (), wait_s: float = 60.0
) -> Latencies:
    """Dictate 16 kHz 16-bit audio once, then silence; wait for all finals, up to the timeout."""
    latencies = Latencies()
    try:
        async with asyncio.timeout(len(pcm) / BYTES_PER_SECOND + TAIL_S + wait_s):
            await _dictate(address, pcm, pb.Settings(language=language), metadata, latencies)
    except TimeoutError:
        latencies.cut_off += 1
    return latencies


async def _dictate(address: str, pcm: bytes, settings: pb.Settings, metadata: Metadata, latencies: Latencies) -> None:
    started, shown_at = monotonic(), dict[int, list[float]]()
    async with channel_to(address, OWN_CONNECTION) as channel:
        requests = _requests(pcm + bytes(int(TAIL_S * BYTES_PER_SECOND)), settings, started)
        async for response in stub_on(channel).StreamingRecognize(requests, metadata=metadata):
            now_s = monotonic() - started
            match response.WhichOneof("event"):
                case "partial":
                    shown_at.setdefault(response.partial.utterance, []).append(now_s)
                    latencies.partials_s.append(now_s - response.partial.end_ms / 1000)
                case "final":
                    final = response.final
                    latencies.finals_s.append(now_s - final.end_ms / 1000)
                    latencies.gaps_s += gaps(
                        shown_at.get(final.utterance, []), final.start_ms / 1000, final.end_ms / 1000
                    )
                    latencies.texts.append(final.text)


def gaps(shown_s: Sequence[float], start_s: float, end_s: float) -> list[float]:
    """Return the times without new text during speech from start to end."""
    during = [start_s, *(at for at in shown_s if start_s < at < end_s), end_s]
    return [after - before for before, after in pairwise(during)]


async def _requests(pcm: bytes, settings: pb.Settings, started: float) -> AsyncIterator[pb.StreamingRecognizeRequest]:
    yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig(settings=settings, partials=True))
    size = int(CHUNK_S * BYTES_PER_SECOND)
    for start in range(0, len(pcm), size):
        chunk = pcm[start : start + size]
        due = started + (start + len(chunk)) / BYTES_PER_SECOND
        await asyncio.sleep(max(0.0, due - monotonic()))
        yield pb.StreamingRecognizeRequest(audio=chunk)
