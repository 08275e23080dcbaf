"""Measure what each API adds to gRPC: latency of finals, latency of growing text, accuracy.

    python -m benchmarks.apis.latency [FOLDER] --language en --apis grpc,realtime --repeat 3

FOLDER has a manifest.jsonl like that of tests/recordings, which is the default. One server with default settings is
started. Each dictation is replayed in real time through each API in turn, the given number of times; a final is
paired with the final of the same utterance over gRPC. Wyoming sends one transcript after the end of the audio: its
time is measured from that end, before which all finals are complete. Exit code 1 if the text of an API differs from
that of gRPC.

Decodes vary by more than an API adds. `--instant` uses a server whose decodes take no time: the latency of finals that
remains is that of the path, and the accuracy has no meaning.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from statistics import median

from benchmarks.apis.other_protocols import RivaStream, WyomingStream
from benchmarks.apis.streams import SILENCE_MS, PageStream, RealtimeStream
from benchmarks.comparison.latency import StreamMetrics, measure
from benchmarks.comparison.ours import stream_to
from benchmarks.comparison.systems import Connection, MessageKind
from benchmarks.harness.dictations import Dictation, dictations
from benchmarks.harness.ports import free_port
from benchmarks.harness.replay import Pace, Replay, replay
from benchmarks.recordings import FOLDER
from benchmarks.service import Service

GRPC, WYOMING = "grpc", "wyoming"
Connect = Callable[[Service, str], Connection]
APIS: Mapping[str, Connect] = {
    GRPC: lambda server, language: stream_to(server.address, language),
    "realtime": lambda server, language: RealtimeStream(server.http_address, language),
    "realtime-minimal": lambda server, language: RealtimeStream(server.http_address, language, "minimal"),
    "riva": lambda server, language: RivaStream(server.address, language),
    WYOMING: lambda server, language: WyomingStream(server.wyoming_address, language),
    "page": lambda server, language: PageStream(server.http_address, language),
}
PACE = Pace(idle_timeout_s=5.0)


class InstantService(Service):
    """A server whose decodes take no time."""

    module = "benchmarks.apis.instant_server"


@dataclass(slots=True)
class Measured:
    """The measurements of an API; `whole_transcripts` if it sends one text at the end."""

    whole_transcripts: bool = False
    final_times_s: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # by dictation and number
    texts: dict[str, str] = field(default_factory=dict)  # of the last repetition, by dictation
    metrics: StreamMetrics = field(default_factory=StreamMetrics)

    def add(self, dictation: Dictation, stream: Replay) -> None:
        """Add a replayed dictation.

        Raises:
            RuntimeError: the stream failed.
        """
        if reason := stream.error or stream.rejected:
            raise RuntimeError(f"{dictation.name}: {reason}")
        finals = [message for message in stream.messages if message.kind is MessageKind.FINAL and message.text]
        self.texts[dictation.name] = " ".join(final.text.strip() for final in finals)
        times_s = [final.at - stream.start_time for final in finals]
        if self.whole_transcripts:
            times_s = [time_s - stream.sent_s for time_s in times_s]
        for number, time_s in enumerate(times_s):
            self.final_times_s.setdefault((dictation.name, number), []).append(time_s)
        self.metrics += measure(stream.messages, stream.start_time, dictation.utterances, dictation.language)

    def added_ms(self, base: Measured) -> list[float]:
        """Return by how much each final is later than that of `base`, medians of all repetitions."""
        if self.whole_transcripts:
            return [1000 * median(times) for times in self.final_times_s.values()]
        return [
            1000 * (median(times) - median(base.final_times_s[key]))
            for key, times in self.final_times_s.items()
            if key in base.final_times_s
        ]


async def run(server: Service, names: Sequence[str], chosen: Sequence[Dictation], repeat: int) -> dict[str, Measured]:
    """Replay all dictations through all APIs."""
    measured = {name: Measured(name == WYOMING) for name in names}
    for number in range(repeat):
        for dictation in chosen:
            for name in (*names[number % len(names) :], *names[: number % len(names)]):
                stream = await replay(APIS[name](server, dictation.language), dictation.pcm(), PACE)
                measured[name].add(dictation, stream)
    return measured


def report(measured: Mapping[str, Measured]) -> str:
    """Return a table in Markdown."""
    base = measured[GRPC]
    lines = [
        "| API | finals | added to a final, p50 | max | growing text, p50 | WER | text as gRPC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in measured.items():
        added = one.added_ms(base)
        same = sum(one.texts[key] == base.texts[key] for key in base.texts)
        lines.append(
            f"| {name} | {len(added)} | {median(added or [nan]):+.1f} ms | {max(added, default=nan):+.1f} ms | "
            f"{median(one.metrics.partial_latencies_s or [nan]):.2f} s | {one.metrics.wer_percent:.2f} % | "
            f"{same} of {len(base.texts)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the measurement."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    options.add_argument("--language", default="en")
    options.add_argument("--apis", default="grpc,realtime,realtime-minimal", help=f"of {', '.join(APIS)}; with commas")
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--max-seconds", type=float, help="truncate each dictation")
    options.add_argument("--instant", action="store_true", help="measure the path only: decodes take no time")
    given = options.parse_args()
    chosen = dictations(given.folder, given.language, given.max_seconds)
    settings = {
        "LANGUAGE": given.language,
        "POST_SPEECH_SILENCE_DURATION": str(SILENCE_MS / 1000),
        "LOG_LEVEL": "warning",
    }
    apis = {"RIVA": "true", "WYOMING_PORT": str(free_port())}
    with (InstantService if given.instant else Service)({**settings, **apis, "MAX_STREAMS": "4"}) as server:
        server.wait_until_listening()
        measured = asyncio.run(run(server, given.apis.split(","), chosen, given.repeat))
    print(report(measured))
    base = measured[GRPC]
    sys.exit(any(one.texts != base.texts for one in measured.values()))


if __name__ == "__main__":
    main()
