"""Loads the models that the settings name on the chosen device, and tests them with a real decode."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.errors import InferenceError, ModelNotFoundError, StartupError
from stt_service.models.devices import Device
from stt_service.models.file_checks import check_files
from stt_service.models.store import models_folder, resolve
from stt_service.settings.schema import AUTO, ServerSettings
from stt_service.whisper.encoder import reference_speech
from stt_service.whisper.engine import Engine, Placement
from stt_service.whisper.fallback import MAX_COMPRESSION_RATIO
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind, Transcript, Window

log = logging.getLogger(__name__)

OUT_OF_MEMORY = "out of memory"  # in CTranslate2's message for exhausted GPU memory
TEST_S = 6  # length of the test speech: a typical utterance
TEST_REPEATS = 2
# Average over the tokens of `reference_speech()`. Intact base and tiny.en have -0.14 to -0.36; with 1000 changed bytes
# they have -1.8 to -3 or no tokens at all, unless they loop.
MIN_TEST_LOG_PROBABILITY = -1.5
TEST_BATCH = 8  # decoded together on a GPU, as under load
# A decoder step is so short that threads wait for one another longer than they compute: on two cores, two workers with
# one thread each have 3.1 times the throughput of one worker with two threads (docs/measurements.md). Large models
# need some threads.
CORES_PER_WORKER = 4
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container, such as "200000 100000": µs of CPU time per period in µs


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The models in use."""

    finals: str
    partials: str


@dataclass(frozen=True, slots=True)
class ComputePlan:
    """How the models share the device."""

    workers: int  # batches that run at once
    slots: int  # batches of one model that run at once
    threads: int  # per batch; 0: CTranslate2's choice

    @property
    def separate_streams(self) -> bool:
        """Whether finals of different streams are decoded in separate batches.

        On a CPU a batch of eight saves 19 % of the time (base, one thread, our measurement), and all wait for the
        longest one. On a GPU a batch takes hardly longer than its longest item.
        """
        return self.threads > 0


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModels:
    """The loaded models; the same engine twice if one model has both roles."""

    names: ModelNames
    finals: Engine
    partials: Engine
    plan: ComputePlan


LoadOne = Callable[[ServerSettings, str, Placement, Callable[[str], None]], Engine]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Decode times of TEST_S of speech, one window at a time."""

    final_s: float
    partial_s: float
    batch_speedup: float = 1.0  # decodes that a batch completes in the time of one

    @property
    def real_time_factor(self) -> float:
        """Real-time factor of finals: compute time per second of speech."""
        return self.final_s / TEST_S


def model_names(settings: ServerSettings, device: Device) -> ModelNames:
    """Return the models for the settings on the device. Without partials both are the model of finals."""
    finals = settings.whisper_model
    if finals == AUTO:
        finals = "medium" if device.active == "cuda" else "base"
    if not settings.enable_realtime_transcription:
        return ModelNames(finals, finals)
    partials = settings.realtime_model
    return ModelNames(finals, _partials_for(finals, settings.language, device) if partials == AUTO else partials)


def _partials_for(finals: str, language: str, device: Device) -> str:
    """Return the default model of partials.

    On a CPU that is tiny.en for English: its partials are faster and as accurate (docs/measurements.md). Other
    languages use the model of finals, loaded once: the multilingual tiny was not measured.
    """
    if device.active == "cuda":
        return "tiny"
    return "tiny.en" if language == "en" and not finals.startswith("tiny") else finals


def compute_plan(device: Device, names: ModelNames, cores: int) -> ComputePlan:
    """Return how the models share the device: each GPU runs one batch per model at once, a CPU at least two batches."""
    if device.active == "cuda":
        gpus = len(device.indices)
        return ComputePlan(workers=gpus * len({names.finals, names.partials}), slots=gpus, threads=0)
    workers = min(cores, max(2, round(cores / CORES_PER_WORKER)))
    return ComputePlan(workers, slots=workers, threads=cores // workers)


def usable_cores(cpu_limit: Path = CPU_LIMIT) -> int:
    """Return how many cores this process may use, limited by its CPU affinity and by its container."""
    cores = _affinity_cores()
    try:
        quota, period = cpu_limit.read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or one without a limit: its quota is "max"
        return cores


def _affinity_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


def placement(settings: ServerSettings, device: Device, plan: ComputePlan) -> Placement:
    """Return where each model runs, without its folder."""
    compute = settings.compute_type
    if compute == "default":
        compute = "float16" if device.active == "cuda" else "int8"
    return Placement(
        folder=Path(),
        device=device.active,
        device_indices=device.indices,
        compute_type=compute,
        threads=plan.threads,
        workers=plan.slots // len(device.indices),
    )


def load_model(
    settings: ServerSettings, name: str, where: Placement, on_loading: Callable[[str], None], *, fetch: bool = True
) -> Engine:
    """Load one model; download its weights if needed, then call `on_loading`. Blocks.

    Raises:
        ModelNotFoundError: the weights are missing and could not be downloaded.
        InvalidModelError: the files are damaged or do not belong together.
        StartupError: the model does not load.
    """
    folder = resolve(name, models_folder(settings.models_dir), fetch=fetch)
    on_loading(name)
    check_files(folder)
    return open_model(name, replace(where, folder=folder))


def open_model(name: str, where: Placement) -> Engine:
    """Load a model whose files were checked. Blocks.

    Raises:
        StartupError: the model does not load.
    """
    try:
        return Engine(where)
    except InferenceError as error:
        raise startup_error(f"The model {name} cannot be used", error) from error


def load_models(
    settings: ServerSettings,
    device: Device,
    plan: ComputePlan,
    on_loading: Callable[[str], None],
    *,
    load_one: LoadOne = load_model,
) -> LoadedModels:
    """Load the models; download their weights if needed. `on_loading` is called before each.

    Raises:
        StartupError: weights are missing or do not load, or the model of finals does not support LANGUAGE.
    """
    named, where = model_names(settings, device), placement(settings, device, plan)
    finals = load_one(settings, named.finals, where, on_loading)
    if not finals.multilingual and settings.language not in ("en", "auto"):
        raise StartupError(
            f"WHISPER_MODEL={named.finals} supports English only, but LANGUAGE is {settings.language}: "
            "set LANGUAGE=en, or a model without .en in its name."
        )
    if named.partials == named.finals:
        return LoadedModels(named, finals, finals, plan)
    try:
        return LoadedModels(named, finals, load_one(settings, named.partials, where, on_loading), plan)
    except ModelNotFoundError as error:
        if settings.realtime_model != AUTO:
            raise
        log.warning("model of partials not found name=%s used=%s reason=%s", named.partials, named.finals, error)
        return LoadedModels(ModelNames(named.finals, named.finals), finals, finals, plan)


def self_test(models: LoadedModels, settings: ServerSettings, device: Device) -> SelfTest:
    """Return the decode times of real speech; on a GPU also the speedup of a batch.

    Raises:
        StartupError: a model does not run on this device, or does not recognize the speech.
    """
    speech = np.tile(reference_speech(), TEST_S * SAMPLE_RATE_HZ // len(reference_speech()))
    final = DecodeOptions("en", beam_size=settings.beam_size, context=EncoderContext(settings.encoder_context))
    partial = DecodeOptions(
        "en",
        beam_size=settings.realtime_beam_size,
        context=EncoderContext(settings.realtime_encoder_context),
        kind=Kind.PARTIAL,
    )
    try:
        for engine in {models.finals, models.partials}:
            check_decodes(engine)  # also warms it up
        final_s = _time(models.finals, [Window(speech, final)])
        partial_s = _time(models.partials, [Window(speech, partial)])
        if device.active == "cpu":
            return SelfTest(final_s, partial_s)
        count = min(TEST_BATCH, settings.max_batch)
        batch_s = _time(models.finals, [Window(speech, final)] * count)
        return SelfTest(final_s, partial_s, batch_speedup=max(1.0, count * final_s / batch_s))
    except InferenceError as error:
        raise startup_error("The self-test failed", error) from error


def startup_error(what: str, error: InferenceError) -> StartupError:
    """Return the error for a model that does not run here; if GPU memory is exhausted, with a hint."""
    hint = (
        "; nvidia-smi shows the processes that use GPU memory, and a smaller WHISPER_MODEL, "
        "COMPUTE_TYPE=int8_float16 or a smaller MAX_BATCH needs less"
    )
    return StartupError(f"{what}: {error}{hint if OUT_OF_MEMORY in str(error) else ''}.")


def _time(engine: Engine, windows: Sequence[Window]) -> float:
    """Return the time of the fastest of several decodes: other work may slow down one of them."""
    return min(_time_once(engine, windows) for _ in range(TEST_REPEATS))


def _time_once(engine: Engine, windows: Sequence[Window]) -> float:
    started = time.monotonic()
    engine.transcribe(windows)
    return time.monotonic() - started


def check_decodes(engine: Engine) -> None:
    """Decode speech as streams do, with word times: a final in a detected language, and a partial.

    Raises:
        InferenceError: the model does not run, or does not recognize the speech.
    """
    for kind, language in ((Kind.FINAL, None if engine.multilingual else "en"), (Kind.PARTIAL, "en")):
        window = Window(reference_speech(), DecodeOptions(language, kind=kind, word_timestamps=True))
        check_transcript(engine.transcribe([window])[0])


def check_transcript(transcript: Transcript) -> None:
    """Check a transcript of `reference_speech()`. Damaged weights give no text, an endless loop or low confidence.

    Raises:
        InferenceError: it is not the text of speech.
    """
    is_text = any(letter.isalpha() for letter in transcript.text)
    is_repetitive = transcript.compression_ratio > MAX_COMPRESSION_RATIO
    if not is_text or is_repetitive or not transcript.average_log_probability > MIN_TEST_LOG_PROBABILITY:
        raise InferenceError("it does not recognize recorded speech: its weights are damaged")
