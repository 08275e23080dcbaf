"""Runs one system and measures it with a number of streams. No process is left behind, also after a failure."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from time import monotonic
from types import FrameType

import psutil

from benchmarks.comparison.latency import measure
from benchmarks.comparison.results import Lateness, Outcome, Row, percentile
from benchmarks.comparison.systems import System
from benchmarks.harness.dictations import Dictation
from benchmarks.harness.replay import Pace, Replay, replay_concurrently
from benchmarks.harness.resource_usage import Usage
from benchmarks.harness.scheduling_delay import Ticks, ahead_of_others

START_S = 300.0
STOP_S = 60.0
WARM_UP = Pace(tail_s=2.0, idle_timeout_s=4.0, max_wait_s=45.0)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def running(system: System) -> Iterator[float]:
    """Start the system, yield its start time in seconds, stop it. Afterwards this process has no children.

    Raises:
        TimeoutError: it did not start, or stop, in time.
    """
    started = monotonic()
    try:
        with _limited(START_S, "start"):
            system.__enter__()
        try:
            yield monotonic() - started
        finally:
            with _unstoppable(), _limited(STOP_S, "stop"):
                system.__exit__(*sys.exc_info())
    finally:
        with _unstoppable():
            _kill_children()


@contextmanager
def _limited(limit_s: float, action: str) -> Iterator[None]:
    """Raise TimeoutError in the main thread, even if it is blocked."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"It did not {action} in {limit_s:.0f} s.")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _unstoppable() -> Iterator[None]:
    """Block SIGINT and SIGTERM until the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill_children() -> None:
    """Kill the processes that a system left running: all children of this process, and nothing else."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def warm_up(system: System, dictation: Dictation, runner: asyncio.Runner) -> None:
    """Replay the first utterance without counting it.

    Raises:
        RuntimeError: the system rejected it.
    """
    [replayed], _ = runner.run(replay_concurrently(system.connect, [dictation.truncated(0).pcm()], WARM_UP))
    if replayed.rejected:
        raise RuntimeError(f"The system rejected the first stream: {replayed.rejected}")


def measured(
    system: System, dictations: Sequence[Dictation], streams: int, pace: Pace, runner: asyncio.Runner
) -> tuple[Row, list[object]]:
    """Replay the dictations; return the measurements and the messages behind them.

    One stream: all dictations, one after the other. More: that many concurrently, cycling through the dictations.
    """
    if streams == 1:
        rounds = [[dictation] for dictation in dictations]
    else:
        rounds = [[dictations[number % len(dictations)] for number in range(streams)]]
    row = Row(system.name, dictations[0].language, streams, about=system.about, endpoint_s=system.endpoint_s)
    row = replace(row, load_before=os.getloadavg()[0])
    raw: list[object] = []
    for together in rounds:
        with ahead_of_others() as ahead, Usage(system.pid) as usage:
            pcms = [dictation.pcm() for dictation in together]
            replays, ticks = runner.run(replay_concurrently(system.connect, pcms, pace))
        row = replace(
            row,
            outcomes=row.outcomes + tuple(map(_outcome, together, replays)),
            cpu_s=row.cpu_s + usage.cpu_s(max(replayed.end_time for replayed in replays)),
            audio_s=row.audio_s + sum(replayed.sent_s for replayed in replays),
            peak_bytes=max(row.peak_bytes, usage.peak_bytes),
            lateness=row.lateness.worst(_lateness(replays, ticks, ahead)),
        )
        raw += map(_raw, together, replays)
    return replace(row, load_after=os.getloadavg()[0]), raw


def _outcome(dictation: Dictation, replayed: Replay) -> Outcome:
    metrics = measure(replayed.messages, replayed.start_time, dictation.utterances, dictation.language)
    return Outcome(dictation.name, metrics, replayed.rejected, replayed.error)


def _raw(dictation: Dictation, replayed: Replay) -> object:
    return {
        "recording": dictation.name,
        "utterances": [asdict(utterance) for utterance in dictation.utterances],
        "sent_s": replayed.sent_s,
        "refused": replayed.rejected,
        "error": replayed.error,
        "messages": [
            {**asdict(message), "kind": message.kind.name, "at": round(message.at - replayed.start_time, 4)}
            for message in replayed.messages
        ],
    }


def _lateness(replays: Sequence[Replay], ticks: Ticks, ahead: bool) -> Lateness:
    return Lateness(
        ticks_p99_s=percentile(ticks.late_s, 99) or 0.0,
        ticks_max_s=max(ticks.late_s, default=0.0),
        frames_max_s=max((late_s for replayed in replays for late_s in replayed.send_delays_s), default=0.0),
        blocked_max_s=max(replayed.blocked_s for replayed in replays),
        ahead=ahead,
    )
