"""Whether the metrics agree with the clients, and every panel and alert has data.

`python -m lab.monitoring.metrics_check [--streams 20] [--picture FILE]` starts a server and a real Prometheus that
scrapes it each second. Five streams have speech, one sends a recording at full speed, one sends speech played
backwards, which is unintelligible, the rest are silent; one stream too many is rejected, and one has an invalid
request. Then the counts of the clients are compared with Prometheus, all queries of the dashboard and the alerts are
run, and panels are drawn. Exit code 1 if a value differs or a query has no result.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import yaml
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.channels import OWN_CONNECTION, channel_to
from benchmarks.recordings import RECORDINGS
from benchmarks.service import Service
from lab.monitoring import dashboard
from lab.monitoring.prometheus import Prometheus

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "docker" / "monitoring" / "alerts.yml"
PICTURE = ROOT / "docs" / "pictures" / "dashboard.png"
METRICS = re.compile(r"HTTP on (\S+:\d+)")
SETTINGS = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}
TALKS = ("en/dictation", "en/jfk", "en/austen-0870", "en/brooklyn-bridge", "en/lj001-0020")
RECORDING = "en/riva-question"
FRAME_S, BYTES_A_SECOND = 0.1, 32_000
AFTER_S = 4.0  # of silence after the audio
STAGGER_S = 0.3
SETTLE_S = 3.0  # for the last scrape
GPU = "stt_gpu_"  # this machine has none
Request = pb.StreamingRecognizeRequest
Response = pb.StreamingRecognizeResponse
stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub


@dataclass(slots=True)
class Counted:
    """Counts of the clients, all together."""

    events: Counter[str] = field(default_factory=Counter)
    words: int = 0
    sound_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    open: int = 0
    most_open: int = 0

    def see(self, response: Response) -> None:
        kind = response.WhichOneof("event")
        if kind is not None:
            self.events[kind] += 1
        if kind == "final":
            self.words += len(response.final.text.split())


async def stream(address: str, counted: Counted, pcm: bytes, pace: float, over: asyncio.Event) -> None:
    """Send the audio, at `pace` times real time, then silence until all others are done; count the responses."""
    async with channel_to(address, OWN_CONNECTION) as channel:
        call = stub_on(channel).StreamingRecognize()
        await call.write(Request(config=pb.StreamingConfig(partials=True)))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_read(call, counted))
            await _send(call, counted, pcm, pace)
            await _hold(call, counted, over)
            await call.done_writing()
        counted.outcomes[(await call.code()).name] += 1


async def _read(call: grpc.aio.StreamStreamCall[Request, Response], counted: Counted) -> None:
    while isinstance(response := await call.read(), Response):
        counted.see(response)
        if response.HasField("started"):
            counted.open += 1
            counted.most_open = max(counted.most_open, counted.open)


async def _send(call: grpc.aio.StreamStreamCall[Request, Response], counted: Counted, pcm: bytes, pace: float) -> None:
    size, began = int(FRAME_S * BYTES_A_SECOND), time.monotonic()
    for number, start in enumerate(range(0, len(pcm), size)):
        frame = pcm[start : start + size]
        await asyncio.sleep(began + number * FRAME_S / pace - time.monotonic())
        await call.write(Request(audio=frame))
        counted.sound_s += len(frame) / BYTES_A_SECOND


async def _hold(call: grpc.aio.StreamStreamCall[Request, Response], counted: Counted, over: asyncio.Event) -> None:
    """Stay silent, in real time."""
    frame = bytes(int(FRAME_S * BYTES_A_SECOND))
    while not over.is_set():
        await asyncio.sleep(FRAME_S)
        await call.write(Request(audio=frame))
        counted.sound_s += FRAME_S


async def open_rejected(address: str, counted: Counted, config: pb.StreamingConfig) -> None:
    """Open a stream that must be rejected."""
    async with channel_to(address, OWN_CONNECTION) as channel:
        call = stub_on(channel).StreamingRecognize()
        await call.write(Request(config=config))
        with suppress(grpc.aio.AioRpcError):
            while isinstance(await call.read(), Response):
                pass
        counted.outcomes[(await call.code()).name] += 1


async def run_clients(address: str, streams: int, length_s: float) -> Counted:
    """Run all clients; return their counts."""
    counted, over = Counted(), asyncio.Event()
    pcms = {recording.name: recording.pcm() + bytes(int(AFTER_S * BYTES_A_SECOND)) for recording in RECORDINGS}
    backwards = np.frombuffer(pcms[TALKS[3]], "<i2")[::-1].tobytes() + bytes(int(AFTER_S * BYTES_A_SECOND))
    spoken = [*((pcms[name], 1.0) for name in TALKS), (pcms[RECORDING], 20.0), (backwards, 1.0)]
    async with asyncio.TaskGroup() as tasks:
        for number in range(streams):
            pcm, pace = spoken[number] if number < len(spoken) else (b"", 1.0)
            tasks.create_task(stream(address, counted, pcm, pace, over))
            await asyncio.sleep(STAGGER_S)
        await open_rejected(address, counted, pb.StreamingConfig())
        await asyncio.sleep(length_s)
        over.set()
    await open_rejected(address, counted, pb.StreamingConfig(settings=pb.Settings(language="xx")))
    return counted


def compared(counted: Counted, prometheus: Prometheus) -> list[tuple[str, float, float]]:
    """Return the counts of the clients next to those of Prometheus."""
    events, value = counted.events, prometheus.value
    unread = 'sum(stt_partials_shed_total{reason="unread"})'
    return [
        ("streams opened", events["started"], value("stt_streams_opened_total")),
        ("streams open at once", counted.most_open, value("max_over_time(stt_streams[10m])")),
        ("closed with OK", counted.outcomes["OK"], value('stt_streams_closed_total{outcome="OK"}')),
        ("rejected: full", counted.outcomes["RESOURCE_EXHAUSTED"], value('stt_rejected_total{reason="full"}')),
        ("rejected: request", counted.outcomes["INVALID_ARGUMENT"], value('stt_rejected_total{reason="request"}')),
        ("utterances", events["speech_started"], value("stt_utterances_total")),
        ("finals", events["final"], value("stt_finals_total")),
        ("words", counted.words, value("stt_words_total")),
        ("suppressed", events["suppressed"], value("sum(stt_suppressed_total)")),
        ("partials received", events["partial"], value(f"stt_partials_total - on() {unread}")),
        ("seconds of audio", round(counted.sound_s, 1), round(value("stt_audio_seconds_total"), 1)),
        ("streams still open", 0, value("stt_streams")),
    ]


def queries_without_data(prometheus: Prometheus, start: float) -> list[str]:
    """Return the queries of the dashboard without a result, and the alert queries that Prometheus rejects."""
    empty = [
        f"{panel.title}: {query.text}"
        for panel in dashboard.panels()
        for query in panel.queries
        if GPU not in query.text and not prometheus.over(query.text, start, time.time())
    ]
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            prometheus.now(rule["expr"])  # most have no result, as expected; an invalid one raises
    return empty


def report(rows: Sequence[tuple[str, float, float]], empty: Sequence[str], alerts: Sequence[str]) -> int:
    """Print the results; return the exit code."""
    print("| | clients | Prometheus |\n|---|---|---|")
    for name, seen, match in rows:
        print(f"| {name} | {seen:g} | {match:g} |{'' if seen == match else ' DIFFERS'}")
    print(f"Alerts that are pending or fire: {', '.join(sorted(alerts)) or 'none'}.")
    print(*(f"NO DATA: {query}" for query in empty), sep="\n")
    return int(bool(empty) or any(seen != match for _, seen, match in rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0, help="that all are there")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Service({**SETTINGS, "MAX_STREAMS": str(options.streams)}) as service,
    ):
        service.wait_until_listening()
        match = METRICS.search("\n".join(service.lines))
        assert match is not None  # before the last line, which has been read
        with Prometheus(match[1], ALERTS, Path(folder)) as prometheus:
            start = time.time()
            counted = asyncio.run(run_clients(service.address, options.streams, options.seconds))
            time.sleep(SETTLE_S)
            code = report(compared(counted, prometheus), queries_without_data(prometheus, start), prometheus.alerts())
            end = time.time()
            dashboard.draw(tuple(dashboard.panels()), lambda query: prometheus.over(query, start, end), options.picture)
    print(f"{options.picture}: {options.picture.stat().st_size // 1024} KB")
    return code


if __name__ == "__main__":
    sys.exit(main())
