"""Latency and rejections with more streams than the machine can serve.

`python -m lab.load.overload [FOLDER] [--language en] [--offer 3] [--admit N]` starts a server, with MAX_STREAMS=auto or
N, and replays the dictations of FOLDER in real time: one at a time, then to a multiple of the streams that it admits,
opened within a few seconds. Rejections should be immediate; the finals of admitted streams should not suffer, at the
expense of their partials. The environment sets the rest of the server. FOLDER has a manifest.jsonl like that of
tests/recordings, which is the default. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

from rapidfuzz.distance import Levenshtein

from benchmarks.comparison.latency import StreamMetrics, measure
from benchmarks.comparison.measurement import running
from benchmarks.comparison.ours import Ours
from benchmarks.comparison.results import LATE_P99_S, percentile
from benchmarks.comparison.systems import MessageKind, System
from benchmarks.harness.dictations import Dictation, dictations
from benchmarks.harness.replay import BYTES_PER_SECOND, Pace, Replay, replay
from benchmarks.harness.scheduling_delay import Ticks, ahead_of_others
from benchmarks.recordings import FOLDER
from benchmarks.service import Service

MAX_REJECTION_S = 0.050  # the limits
MAX_LATENCY_FACTOR = 1.5  # the 95th percentile of final latencies, against one stream
ARRIVAL_SPREAD_S = 6.0  # the last stream opens while the first ones have speech
STAGGER_S = 0.5
ADMITTED = re.compile(r"Estimated capacity: (\d+) streams \(MAX_STREAMS: (\d+)\)")


class LimitedServer(Ours):
    """Our server as set by the environment, except for its language and the number of streams that it admits."""

    def __init__(self, language: str, max_streams: str) -> None:
        super().__init__(language)
        self._service = Service({"LANGUAGE": language, "MAX_STREAMS": max_streams, "LOG_LEVEL": "warning"})

    def capacity(self) -> tuple[int, int]:
        """Return the capacity and the limit that the server logged."""
        match = ADMITTED.search("\n".join(self._service.lines))
        assert match is not None  # the server listens
        return int(match[1]), int(match[2])


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """Result of one stream."""

    recording: str
    finals: tuple[str, ...] = ()
    metrics: StreamMetrics = field(default_factory=StreamMetrics)
    partials_per_s: float = 0.0  # of the recording
    notices: tuple[str, ...] = ()
    rejected_s: float | None = None  # from the call until the rejection arrived and the connection was closed
    error: str = ""


@dataclass(frozen=True, slots=True)
class StreamGroup:
    """Concurrent streams."""

    outcomes: tuple[StreamOutcome, ...]
    late_p99_s: float = 0.0  # of the event loop that takes the times

    @property
    def admitted_streams(self) -> list[StreamOutcome]:
        return [outcome for outcome in self.outcomes if outcome.rejected_s is None]

    @property
    def rejection_times_s(self) -> list[float]:
        return [outcome.rejected_s for outcome in self.outcomes if outcome.rejected_s is not None]

    @property
    def metrics(self) -> StreamMetrics:
        return sum((outcome.metrics for outcome in self.admitted_streams), StreamMetrics())

    def latency_s(self, percent: float) -> float | None:
        """Return the final latency after the end of speech, of utterances before a long pause."""
        return percentile(self.metrics.final_latencies_at_pauses_s, percent)


def outcome_of(dictation: Dictation, replayed: Replay, passed_s: float, sound_s: float) -> StreamOutcome:
    if replayed.rejected:
        return StreamOutcome(dictation.name, rejected_s=passed_s)
    messages = replayed.messages
    return StreamOutcome(
        dictation.name,
        finals=tuple(message.text for message in messages if message.kind is MessageKind.FINAL),
        metrics=measure(messages, replayed.start_time, dictation.utterances, dictation.language),
        partials_per_s=sum(message.kind is MessageKind.PARTIAL and bool(message.text) for message in messages)
        / sound_s,
        notices=tuple(message.text.partition(":")[0] for message in messages if message.kind is MessageKind.NOTICE),
        error=replayed.error,
    )


async def run_streams(system: System, chosen: Sequence[Dictation]) -> StreamGroup:
    """Replay each dictation to its own stream, all concurrently with staggered starts."""
    stagger_s = min(STAGGER_S, ARRIVAL_SPREAD_S / len(chosen))
    pcms = {dictation.name: dictation.pcm() for dictation in chosen}

    async def one(number: int, dictation: Dictation) -> StreamOutcome:
        await asyncio.sleep(number * stagger_s)
        pcm, started = pcms[dictation.name], monotonic()
        replayed = await replay(system.connect(), pcm, Pace())
        return outcome_of(dictation, replayed, monotonic() - started, len(pcm) / BYTES_PER_SECOND)

    ticks = Ticks()
    ticking = asyncio.create_task(ticks.run())
    try:
        outcomes = await asyncio.gather(*(one(number, dictation) for number, dictation in enumerate(chosen)))
    finally:
        ticking.cancel()
    return StreamGroup(tuple(outcomes), percentile(ticks.late_s, 99) or 0.0)


def differing(latencies: Sequence[StreamOutcome], alone: Mapping[str, StreamOutcome]) -> int:
    """Return how many finals are missing, extra, or different from those of the same recording alone."""
    return sum(Levenshtein.distance(outcome.finals, alone[outcome.recording].finals) for outcome in latencies)


def row(name: str, group: StreamGroup, alone: Mapping[str, StreamOutcome]) -> str:
    latencies, metrics = group.admitted_streams, group.metrics
    shed = sum("PARTIALS_SHED" in outcome.notices for outcome in latencies)
    cells = [
        name,
        str(len(latencies)),
        *(_format_seconds(group.latency_s(percent)) for percent in (50, 95)),
        _format_seconds(percentile(metrics.after_decision_s, 95)),
        f"{differing(latencies, alone)} of {sum(len(alone[outcome.recording].finals) for outcome in latencies)}",
        f"{metrics.wer_percent:.2f}",
        _format_seconds(median(outcome.partials_per_s for outcome in latencies) if latencies else None),
        f"{shed} of {len(latencies)}",
    ]
    return f"| {' | '.join(cells)} |"


HEADER = (
    "| | streams | final latency p50, s | p95, s | after the endpoint p95, s | finals that differ from one stream's "
    "| WER, % | partials per second | notified of reduced partials |\n|---|---|---|---|---|---|---|---|---|"
)


def _format_seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def violations(alone: StreamGroup, group: StreamGroup, admitted: int) -> list[str]:
    """Return a message for each missed limit, and for each reason to doubt the results."""
    missed = [
        f"MISSED: {outcome.recording}: {outcome.error}"
        for outcome in (*alone.admitted_streams, *group.admitted_streams)
        if outcome.error
    ]
    if len(group.admitted_streams) != min(admitted, len(group.outcomes)):
        missed.append(f"MISSED: {len(group.admitted_streams)} streams were served, {admitted} are admitted.")
    slow = [refused_s for refused_s in group.rejection_times_s if refused_s > MAX_REJECTION_S]
    if slow:
        missed.append(f"MISSED: {len(slow)} rejections took more than {1000 * MAX_REJECTION_S:.0f} ms.")
    before_s, latency_s = alone.latency_s(95), group.latency_s(95)
    if before_s is None or latency_s is None:
        missed.append("MISSED: there are no finals to measure.")
    elif latency_s > MAX_LATENCY_FACTOR * before_s:
        missed.append(
            f"MISSED: the latency is {latency_s / before_s:.2f} times that of one stream, above {MAX_LATENCY_FACTOR:g}."
        )
    if different := differing(group.admitted_streams, _by_recording(alone)):
        missed.append(f"MISSED: {different} finals differ from those of one stream.")
    if group.late_p99_s > LATE_P99_S:
        missed.append(f"In doubt: the client itself was late by {1000 * group.late_p99_s:.0f} ms (p99).")
    return missed


def _by_recording(alone: StreamGroup) -> dict[str, StreamOutcome]:
    return {outcome.recording: outcome for outcome in alone.outcomes}


def measured(system: LimitedServer, chosen: Sequence[Dictation], offer: float) -> list[str]:
    """Replay, print; return the missed limits."""
    capacity, admitted = system.capacity()
    print(f"By its self-test the capacity of the machine is {capacity} streams; {admitted} are admitted.\n", flush=True)
    offered = round(offer * admitted)
    crowd_of = [chosen[number % len(chosen)] for number in range(offered)]
    with asyncio.Runner() as runner, ahead_of_others():
        runner.run(run_streams(system, [chosen[0].truncated(0)]))  # to warm up
        apart = [runner.run(run_streams(system, [dictation])) for dictation in dict.fromkeys(crowd_of)]
        alone = StreamGroup(tuple(outcome for group in apart for outcome in group.outcomes))
        print(HEADER, row("one stream", alone, _by_recording(alone)), sep="\n", flush=True)
        group = runner.run(run_streams(system, crowd_of))
    print(row(f"{offered} offered", group, _by_recording(alone)))
    refused_ms = [1000 * refused_s for refused_s in group.rejection_times_s]
    spread = f", after {min(refused_ms):.0f} to {max(refused_ms):.0f} ms" if refused_ms else ""
    print(f"\nRefused: {len(refused_ms)} of {offered}{spread}.")
    print(f"The client itself was late by {1000 * group.late_p99_s:.0f} ms (p99).")
    return violations(alone, group, admitted)


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--language", choices=("en", "ru"), default="en")
    parser.add_argument("--offer", type=float, default=3.0, help="multiple of the admitted streams")
    parser.add_argument("--admit", type=int, help="number of admitted streams; default: the capacity of the machine")
    parser.add_argument("--max-seconds", type=float, help="truncate a dictation after its last utterance by then")
    options = parser.parse_args()
    chosen = dictations(options.folder, options.language, options.max_seconds)
    system = LimitedServer(options.language, str(options.admit or "auto"))
    with running(system):
        missed = measured(system, chosen, options.offer)
    print(*(missed or ["All limits are met."]), sep="\n")
    return 1 if any(sentence.startswith("MISSED") for sentence in missed) else 0


if __name__ == "__main__":
    sys.exit(main())
