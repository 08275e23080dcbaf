"""Replay dictations in real time through speech-to-text systems, one after the other, and store the measurements.

    python -m benchmarks.compare [FOLDER] --systems ours,raw,offline --language en --streams 1,2,4 --out DIR

FOLDER has a manifest.jsonl like that of tests/recordings, which is the default. With one stream, all dictations are
replayed one after the other; with more, that many run concurrently. DIR/results.jsonl gets a row for each system and
number of streams, DIR/raw the messages; `python -m benchmarks.comparison.report DIR` makes tables and plots of them.
Exit code 1 if a system failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.comparison.latency import StreamMetrics
from benchmarks.comparison.measurement import measured, running, warm_up
from benchmarks.comparison.offline import transcribed
from benchmarks.comparison.ours import Ours
from benchmarks.comparison.raw import Raw
from benchmarks.comparison.report import OURS_DEFAULT_ENDPOINT
from benchmarks.comparison.results import Outcome, Row, append_row, estimated_streams, latest_rows, summary
from benchmarks.comparison.systems import System
from benchmarks.harness.dictations import Dictation, dictations
from benchmarks.harness.replay import Pace
from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import FOLDER

OFFLINE = "offline"  # not a live system: transcribes whole files
DEFAULT_ENDPOINT_S = 1.5
RESULTS = Path(__file__).parent / "results"
VERSIONS = ("realtime-stt-grpc", "faster-whisper", "ctranslate2", "onnxruntime", "grpcio")
INTERRUPTED = 130

Factory = Callable[[str], System]


@dataclass(frozen=True, slots=True)
class Plan:
    source: Path
    language: str
    max_seconds: float | None
    streams: tuple[int, ...]
    out: Path
    pace: Pace

    @property
    def dictations(self) -> list[Dictation]:
        return dictations(self.source, self.language, self.max_seconds)


def ours_default_endpoint(language: str) -> System:
    """Return this server with its default silence."""
    return Ours(language, OURS_DEFAULT_ENDPOINT, DEFAULT_ENDPOINT_S)


def factories(names: Sequence[str]) -> Mapping[str, Factory]:
    """Return the systems that can be started; peers, whose client libraries may be missing, only if one is named."""
    own: Mapping[str, Factory] = {"ours": Ours, OURS_DEFAULT_ENDPOINT: ours_default_endpoint, "raw": Raw}
    if {*own, OFFLINE}.issuperset(names):
        return own
    from benchmarks.peers.registry import PEERS

    return {**own, **PEERS}


def compare(name: str, make: Factory, plan: Plan, runner: asyncio.Runner) -> bool:
    """Measure one system with each number of streams; return whether all succeeded. A failure is stored as rows."""
    left = list(plan.streams)
    try:
        system = make(plan.language)
        with running(system) as start_s:
            warm_up(system, plan.dictations[0], runner)
            while left:
                row, raw = measured(system, plan.dictations, left[0], plan.pace, runner)
                put(plan.out, stamped(row, name, start_s), raw)
                left.pop(0)
    except Exception as error:  # a failure of one system must not prevent the measurement of the others
        print(f"{name} failed.", file=sys.stderr, flush=True)
        for streams in left:
            failed = Row(name, plan.language, streams, error=f"{type(error).__name__}: {error}")
            put(plan.out, stamped(failed, name, 0.0), [])
        return False
    return True


def offline(plan: Plan) -> bool:
    """Store a row of whole files; return whether that worked."""
    load = os.getloadavg()[0]
    try:
        texts = transcribed(plan.source, plan.language, plan.max_seconds)
    except subprocess.SubprocessError as error:
        put(plan.out, stamped(Row(OFFLINE, plan.language, streams=0, error=str(error)), OFFLINE, 0.0), [])
        return False
    outcomes = []
    for dictation, received in zip(plan.dictations, texts, strict=True):
        reference = normalize(dictation.text, plan.language)
        wrong = count_errors(reference, normalize(received.text, plan.language)).count
        outcomes.append(Outcome(dictation.name, StreamMetrics(words=len(reference), words_wrong=wrong)))
    row = Row(
        OFFLINE,
        plan.language,
        streams=0,
        about=f"faster-whisper {version('faster-whisper')}: base, int8, beam 5, whole files",
        outcomes=tuple(outcomes),
        cpu_s=sum(received.cpu_s for received in texts),
        audio_s=sum(received.sound_s for received in texts),
        load_before=load,
        load_after=os.getloadavg()[0],
    )
    put(
        plan.out,
        stamped(row, OFFLINE, 0.0),
        [{"recording": received.name, "text": received.text} for received in texts],
    )
    return True


def stamped(row: Row, name: str, start_s: float) -> Row:
    return replace(
        row,
        system=name,
        start_s=start_s,
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        machine=f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        versions={package: version(package) for package in VERSIONS},
    )


def put(out: Path, row: Row, raw: Sequence[object]) -> None:
    """Store the row and print it."""
    append_row(out, row, raw)
    values = (f"{name} {value:.2f}" for name, value in summary(row).items() if value is not None)
    print(f"{row.system}, {row.language}, {row.streams} streams: {row.error or '; '.join(values)}", flush=True)
    received = {outcome.rejected or outcome.error for outcome in row.outcomes} - {""}
    print(*(f"  {reason}" for reason in sorted(received)), sep="\n", end="\n" if received else "", flush=True)
    if row.streams and not row.error:
        print(f"  load {row.load_before:.1f} to {row.load_after:.1f}; {row.lateness.sentence}", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--systems", default=f"ours,raw,{OFFLINE}", help="separated by commas")
    parser.add_argument("--language", choices=("en", "ru"), default="en")
    parser.add_argument("--streams", default="1", help="separated by commas")
    parser.add_argument("--max-seconds", type=float, help="truncate a dictation after its last utterance by then")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> int:
    """Measure, store, print; return the exit code."""
    options = parsed()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background processes
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    streams = tuple(int(count) for count in options.streams.split(","))
    plan = Plan(options.folder, options.language, options.max_seconds, streams, options.out, Pace())
    chosen = options.systems.split(",")
    systems, worked = factories(chosen), True
    if unknown := set(chosen) - {*systems, OFFLINE}:
        raise SystemExit(f"No such system: {', '.join(sorted(unknown))}. Valid: {', '.join([*systems, OFFLINE])}.")
    try:
        with asyncio.Runner() as runner:
            for name in chosen:
                worked &= offline(plan) if name == OFFLINE else compare(name, systems[name], plan, runner)
    except KeyboardInterrupt:
        return INTERRUPTED
    rows = [row for row in latest_rows(plan.out) if row.language == plan.language]
    for name in chosen:
        capacity = estimated_streams([row for row in rows if row.system == name])
        print(f"{name}: capacity {'unknown' if capacity is None else capacity} (concurrent streams).")
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
