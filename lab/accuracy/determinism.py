"""Whether the same audio gives the same text: alone, on two concurrent workers, and in random batches.

`python -m lab.accuracy.determinism [--recordings 20] [--runs 10] [--seconds 6]`: the beginnings of the recordings in
tests/recordings, every second one with pink noise 9 dB louder than the speech, so that decodes fall back. Each is
decoded that many times in each setting with the real `base` weights. Exit code 1 if any window has two texts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from random import Random

import numpy as np

from benchmarks.recordings import RECORDINGS
from stt_service.audio.pcm import SAMPLE_RATE_HZ, Samples
from stt_service.models.store import models_folder, resolve
from stt_service.whisper.engine import Engine, Placement
from stt_service.whisper.types import DecodeOptions, Transcript, Window

SPEECH_TO_NOISE_DB = -9.0
MAX_COMPANY = 8


def windows(count: int, seconds: float) -> list[Window]:
    """Return windows of speech, every second one noisy; from the second round on, of later parts of the recordings."""
    random, size, made = np.random.default_rng(0), int(seconds * SAMPLE_RATE_HZ), []
    for number, recording in enumerate(islice(cycle(RECORDINGS), count)):
        samples = recording.samples()
        start = min(number // len(RECORDINGS) * size, max(0, len(samples) - size))
        speech = samples[start : start + size]
        noisy = with_noise(speech, random) if number % 2 else speech
        made.append(Window(noisy, DecodeOptions(recording.language), len(noisy) / SAMPLE_RATE_HZ))
    return made


def with_noise(speech: Samples, random: np.random.Generator) -> Samples:
    """Return the speech with louder pink noise."""
    spectrum = np.fft.rfft(random.standard_normal(len(speech)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), len(speech))
    gain = np.sqrt(np.mean(speech**2) / np.mean(pink**2)) * 10 ** (-SPEECH_TO_NOISE_DB / 20)
    mixed = speech + gain * pink
    noisy: Samples = (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)
    return noisy


Runs = Iterator[tuple[int, Transcript]]  # the number of the window, and its result


def alone(engine: Engine, chosen: Sequence[Window], runs: int) -> Runs:
    for _ in range(runs):
        yield from ((number, engine.transcribe([window])[0]) for number, window in enumerate(chosen))


def on_two_workers(engine: Engine, chosen: Sequence[Window], runs: int) -> Runs:
    order = list(range(len(chosen))) * runs
    Random(1).shuffle(order)
    with ThreadPoolExecutor(2) as workers:
        yield from workers.map(lambda number: (number, engine.transcribe([chosen[number]])[0]), order)


def in_company(engine: Engine, chosen: Sequence[Window], runs: int) -> Runs:
    random = Random(2)
    for _ in range(runs):
        order = random.sample(range(len(chosen)), len(chosen))
        while order:
            batch = [order.pop() for _ in range(min(len(order), random.randint(2, MAX_COMPANY)))]
            yield from zip(batch, engine.transcribe([chosen[number] for number in batch]), strict=True)


SETTINGS: dict[str, tuple[int, Callable[[Engine, Sequence[Window], int], Runs]]] = {
    "one worker": (1, alone),
    "two workers": (2, on_two_workers),
    "random batches": (2, in_company),
}


def main() -> int:
    """Measure, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=20, help="number of windows")
    parser.add_argument("--runs", type=int, default=10, help="decodes of each window in each setting")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a window")
    arguments = parser.parse_args()
    chosen = windows(arguments.recordings, arguments.seconds)
    seen: list[set[tuple[str, float]]] = [set() for _ in chosen]
    print("| setting | decodes | windows with one text | and with one log probability |\n|---|---|---|---|")
    for name, (workers, run) in SETTINGS.items():
        placement = Placement(resolve("base", models_folder("")), threads=1, workers=workers)
        results = list(run(Engine(placement), chosen, arguments.runs))
        for number, transcript in results:
            seen[number].add((transcript.text, transcript.average_log_probability))
        same = sum(len({text for text, _ in each}) == 1 for each in seen)
        exact = sum(len(each) == 1 for each in seen)
        print(f"| {name} | {len(results)} | {same} of {len(seen)} | {exact} of {len(seen)} |", flush=True)
    for number, each in enumerate(seen):
        if len({text for text, _ in each}) > 1:
            print(f"window {number}: {sorted(each)}", file=sys.stderr)
    return any(len({text for text, _ in each}) > 1 for each in seen)


if __name__ == "__main__":
    sys.exit(main())
