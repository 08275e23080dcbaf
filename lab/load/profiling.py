"""CPU time of the server by purpose, during speech.

`python -m lab.load.profiling [FOLDER] [--language en] [--streams 1] [--seconds 40] [--checkout DIR]` starts a server,
streams the dictations of FOLDER in a loop on that many streams in real time, and samples the server's threads with
py-spy. A thread that waits for a model counts as busy with it: the model's own threads do the work. DIR is another
checkout of this repository for comparison: its server runs with this one's packages.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from benchmarks.comparison.ours import Ours
from benchmarks.harness.dictations import Dictation, dictations
from benchmarks.harness.replay import Pace, replay
from benchmarks.harness.resource_usage import Usage
from benchmarks.recordings import FOLDER
from benchmarks.service import Service

RATE_HZ = 100
WARM_UP_S = 5.0
STAGGER_S = 0.37
# The innermost frame with one of these names determines the purpose of a sample.
PURPOSES = (
    ("encoder", ("_encode_features",)),
    ("log-mel features", ("_features",)),
    ("decoder", ("_decode",)),
    ("alignment of words", ("_align",)),
    ("checks and texts of decodes", ("stt_service/whisper/", "faster_whisper")),
    ("VAD: Silero", ("Silero.score", "_score")),
    ("session", ("stt_service/session/", "stt_service/audio/", "segmenter.py")),
    ("VAD: the gate", ("stt_service/vad/",)),
    ("gRPC, asyncio, queues", ("",)),
)


class Profiled(Ours):
    """Our server with its defaults, perhaps of another checkout."""

    def __init__(self, language: str, checkout: Path) -> None:
        super().__init__(language)
        partials = "tiny.en" if language == "en" else "base"
        settings = {"LANGUAGE": language, "WHISPER_MODEL": "base", "REALTIME_MODEL": partials, "MAX_STREAMS": "64"}
        self._service = Service({**settings, "LOG_LEVEL": "warning"}, checkout)

    @property
    def pid(self) -> int:
        return self._service.pid


def purpose(stack: Sequence[str]) -> str:
    """Return the purpose of the innermost frame that determines one."""
    for frame in reversed(stack):
        for name, marks in PURPOSES[:-1]:
            if any(mark in frame for mark in marks):
                return name
    return PURPOSES[-1][0]


def count_samples(raw: Iterable[str]) -> Counter[str]:
    """Return the samples of each purpose in py-spy's raw lines: frames from the outside, then a count.

    A thread that waits for work is not counted.
    """
    samples: Counter[str] = Counter()
    for line in raw:
        frames, _, count = line.rpartition(" ")
        stack = frames.split(";")
        if not _is_idle(stack[-1]):
            samples[purpose(stack)] += int(count)
    return samples


def _is_idle(frame: str) -> bool:
    return frame.startswith(("_worker (concurrent", "Thread.run (threading", "wait (threading", "EpollSelector.select"))


async def dictate_repeatedly(system: Profiled, chosen: Sequence[Dictation], number: int) -> None:
    """Dictate in a loop until canceled."""
    await asyncio.sleep(number * STAGGER_S)
    while True:
        for dictation in chosen[number % len(chosen) :]:
            await replay(system.connect(), dictation.pcm(), Pace())
        number = 0


async def sample(
    system: Profiled, chosen: Sequence[Dictation], streams: int, seconds: float
) -> tuple[list[str], float]:
    """Return py-spy's lines and the server's CPU time per second with so many streams."""
    speakers = [asyncio.create_task(dictate_repeatedly(system, chosen, number)) for number in range(streams)]
    try:
        await asyncio.sleep(WARM_UP_S + streams * STAGGER_S)
        with tempfile.NamedTemporaryFile("r") as raw, Usage(system.pid) as usage:
            watch = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(system.pid)]
            watch += ["--format", "raw", "--output", raw.name, "--rate", str(RATE_HZ), "--nonblocking", "--idle"]
            watch += ["--duration", f"{seconds:.0f}"]
            process = await asyncio.create_subprocess_exec(*watch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if await process.wait():
                raise SystemExit("py-spy failed: it may need root, or the permission to trace processes.")
            return raw.readlines(), usage.cpu_s(inf) / seconds
    finally:
        for speaker in speakers:
            speaker.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*speakers, return_exceptions=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--language", choices=("en", "ru"), default="en")
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--checkout", type=Path, default=Path(__file__).parents[2])
    options = parser.parse_args()
    chosen = dictations(options.folder.resolve(), options.language)
    with Profiled(options.language, options.checkout) as system:
        raw, cores = asyncio.run(sample(system, chosen, options.streams, options.seconds))
    print(f"{options.streams} streams, {options.language}: {cores:.2f} CPU seconds per second\n")
    print("| spent on | % of the time |\n|---|---|")
    for name, count in count_samples(raw).most_common():
        print(f"| {name} | {100 * count / options.seconds / RATE_HZ:.1f} |")


if __name__ == "__main__":
    main()
