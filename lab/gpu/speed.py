"""Speed of a device: decodes in batches, and the number of streams that the service would admit on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.recordings import RECORDINGS
from lab.gpu.memory import Peak
from stt_service.audio.pcm import SAMPLE_RATE_HZ, Samples
from stt_service.models.devices import Device
from stt_service.models.loader import (
    TEST_S,
    LoadedModels,
    ModelNames,
    SelfTest,
    compute_plan,
    placement,
    self_test,
    usable_cores,
)
from stt_service.models.startup import estimate_capacity
from stt_service.settings.schema import ServerSettings
from stt_service.whisper.engine import Engine
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind, Window

STEP_S = 1.5  # between the starts of segments: they overlap, but end in other words
DICTATION = "en/dictation"
REPEATS = 3
GB = 2**30


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that can be loaded."""

    name: str
    folder: Path
    weights: str  # real or random


@dataclass(frozen=True, slots=True)
class Timing:
    """Duration of a batch, in seconds."""

    batch: int
    final_s: float
    partial_s: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed and memory of a pair of models, run as the service would run them."""

    names: ModelNames
    weights: str  # real or random
    compute_type: str
    test: SelfTest
    streams: int
    peak_bytes: int | None
    timings: tuple[Timing, ...]  # of the model of finals

    def row(self) -> str:
        memory = "unknown" if self.peak_bytes is None else f"{self.peak_bytes / GB:.1f}"
        test = self.test
        return (
            f"| {self.names.finals} | {self.names.partials} | {self.weights} | {self.compute_type} "
            f"| {test.final_s:.3f} | {test.partial_s:.3f} | {test.batch_speedup:.1f} | {self.streams} | {memory} |"
        )

    def batch_rows(self) -> list[str]:
        return [
            f"| {self.names.finals} | {self.compute_type} | {timing.batch} | {timing.final_s:.3f} "
            f"| {timing.batch / timing.final_s:.1f} | {timing.partial_s:.3f} | {timing.batch / timing.partial_s:.1f} |"
            for timing in self.timings
        ]


HEADER = (
    f"| finals | partials | weights | compute type | final of {TEST_S} s alone, s | partial, s "
    "| decodes in the time of one | streams | most memory in use, GB |\n|---|---|---|---|---|---|---|---|---|"
)
BATCH_HEADER = (
    f"| model | compute type | batch | finals of {TEST_S} s: batch, s | finals a second | partials: batch, s "
    "| partials a second |\n|---|---|---|---|---|---|---|"
)


def speech(count: int) -> list[Samples]:
    """Return so many segments of TEST_S of a dictation."""
    [dictation] = (recording for recording in RECORDINGS if recording.name == DICTATION)
    samples, length = dictation.samples(), TEST_S * SAMPLE_RATE_HZ
    starts = (int(number * STEP_S * SAMPLE_RATE_HZ) % (len(samples) - length) for number in range(count))
    return [samples[start : start + length] for start in starts]


def timed(engine: Engine, batch: int) -> Timing:
    """Return the medians of some batches, after one to warm up."""

    def decode_s(options: DecodeOptions) -> float:
        windows = [Window(samples, options) for samples in speech(batch)]
        engine.transcribe(windows)
        return median(_once_s(engine, windows) for _ in range(REPEATS))

    final, partial = (
        DecodeOptions("en"),
        DecodeOptions("en", beam_size=1, kind=Kind.PARTIAL, context=EncoderContext.SHORT),
    )
    return Timing(batch, decode_s(final), decode_s(partial))


def _once_s(engine: Engine, windows: Sequence[Window]) -> float:
    started = time.monotonic()
    engine.transcribe(windows)
    return time.monotonic() - started


def speed(
    finals: Candidate, partials: Candidate, parameters: ServerSettings, device: Device, batches: Sequence[int]
) -> Speed:
    """Load the models as the service does, test them, and time batches of them."""
    names = ModelNames(finals.name, partials.name)
    plan = compute_plan(device, names, usable_cores())
    where = placement(parameters, device, plan)
    with Peak(device.active) as peak:
        engine = Engine(replace(where, folder=finals.folder))
        other = engine if partials == finals else Engine(replace(where, folder=partials.folder))
        models = LoadedModels(names, engine, other, plan)
        test = self_test(models, parameters, device)
        timings = tuple(timed(engine, batch) for batch in batches)
    return Speed(
        names, finals.weights, engine.compute_type, test, estimate_capacity(test, plan), peak.used_bytes, timings
    )
