"""Effect of other programs on the machine on a dictation.

`python -m lab.load.cpu_contention [--language en] [--hogs 0 2] [--seconds 60]` starts a server with its default
settings, and for each number of CPU hogs (processes that only count) dictates a recording in real time, with continuous
status calls to Control. Prints latencies, the gaps between partials during speech, the response times of Control and
the server's CPU time side by side. Limits: with hogs, a final latency (p95) of at most 3 times the first column's, and
a partial at least every 3 s. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from time import monotonic

import grpc.aio
from stt.v1 import control_pb2 as pb
from stt.v1 import control_pb2_grpc

from benchmarks.comparison.results import percentile
from benchmarks.harness.channels import channel_to
from benchmarks.harness.dictations import dictations
from benchmarks.harness.resource_usage import Usage
from benchmarks.harness.scheduling_delay import Ticks, ahead_of_others
from benchmarks.recordings import FOLDER
from benchmarks.service import Service
from lab.load.live_client import BYTES_PER_SECOND, Latencies, dictate, spread

FINAL_TIMES = 3.0
GAP_S = 3.0
ASK_S = 0.1  # between two calls of Control
Control = control_pb2_grpc.ControlStub
control_on: Callable[[grpc.aio.Channel], Control] = Control


class Neighbor(Service):
    """A server in the process session of the hogs.

    Linux may divide the CPU between process sessions first (sched_autogroup_enabled): then hogs of another session
    would take at most half of it, at any priority.
    """

    own_session = False


@dataclass(frozen=True, slots=True)
class Column:
    """The measurements with one number of hogs."""

    hogs: int
    latencies: Latencies
    answers_s: Sequence[float]  # of Control
    cores: float  # used by the server
    late_s: float  # p99 of this process's own lateness

    def rows(self) -> list[str]:
        p95 = percentile(self.answers_s, 95) or 0.0
        return [
            str(self.hogs),
            spread(self.latencies.finals_s),
            spread(self.latencies.gaps_s),
            spread(self.latencies.partials_s),
            f"{1000 * p95:.0f} / {1000 * max(self.answers_s):.0f}",
            f"{self.cores:.2f}",
            f"{1000 * self.late_s:.0f}",
        ]


NAMES = (
    "CPU hogs",
    "final after the end of speech, s: p50 / p95 / max",
    "gap between partials during speech, s: p50 / p95 / max",
    "partial after its audio, s: p50 / p95 / max",
    "Control responses, ms: p95 / max",
    "CPU cores used by the server",
    "lateness of the benchmark itself, ms: p99",
)


@contextmanager
def cpu_hogs(number: int) -> Iterator[None]:
    """Keep so many cores busy for the length of a `with`, at normal priority."""
    with ExitStack() as stack:
        for _ in range(number):
            hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(hog.wait)
            stack.callback(hog.kill)
        yield


async def ask(control: str, answers_s: list[float]) -> None:
    """Request the status again and again until canceled; append each response time."""
    async with channel_to(control) as channel:
        stub = control_on(channel)
        while True:
            started = monotonic()
            await stub.GetStatus(pb.GetStatusRequest())
            answers_s.append(monotonic() - started)
            await asyncio.sleep(ASK_S)


async def measured(service: Service, pcm: bytes, language: str, hogs: int) -> Column:
    answers_s, ticks = list[float](), Ticks()
    control = next(line for line in service.lines if line.startswith("Control on ")).removeprefix("Control on ")
    others = [asyncio.create_task(ask(control, answers_s)), asyncio.create_task(ticks.run())]
    started = monotonic()
    with Usage(service.pid) as usage:
        latencies = await dictate(service.address, pcm, language=language)
    cores = usage.cpu_s(inf) / (monotonic() - started)
    for other in others:
        other.cancel()
    return Column(hogs, latencies, answers_s, cores, percentile(ticks.late_s, 99) or 0.0)


def violations(quiet: Column, busy: Column) -> list[str]:
    """Return the missed limits."""
    missed = []
    before_s, with_s = (percentile(column.latencies.finals_s, 95) or inf for column in (quiet, busy))
    if with_s > FINAL_TIMES * before_s:
        missed.append(f"MISSED: finals are {with_s / before_s:.1f} times as late with {busy.hogs} hogs (p95).")
    if max(busy.latencies.gaps_s) > GAP_S:
        missed.append(f"MISSED: {max(busy.latencies.gaps_s):.1f} s without a partial with {busy.hogs} hogs.")
    return missed


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=("en", "ru"), default="en")
    parser.add_argument("--hogs", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the dictation, at most")
    options = parser.parse_args()
    pcm = dictations(FOLDER, options.language)[0].pcm()[: int(options.seconds * BYTES_PER_SECOND)]
    columns = []
    with Neighbor({"LANGUAGE": options.language, "LOG_LEVEL": "warning"}) as service:
        service.wait_until_listening()
        for hogs in options.hogs:
            with cpu_hogs(hogs), ahead_of_others():
                columns.append(asyncio.run(measured(service, pcm, options.language, hogs)))
    for name, *cells in zip(NAMES, *(column.rows() for column in columns), strict=True):
        print(f"| {name} | {' | '.join(cells)} |")
        if name == NAMES[0]:
            print("|---" * (1 + len(cells)) + "|")
    missed = [each for busy in columns[1:] for each in violations(columns[0], busy)]
    print("", *(missed or ["All limits are met."]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
