"""Loads the models that the settings name, on the device there is, and tries them with a real decode."""

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

OUT_OF_MEMORY = "out of memory"  # what CTranslate2 says of CUDA's
TEST_S = 6  # of speech: an ordinary utterance
TEST_REPEATS = 3
# Of the tokens of `seed()`. Intact base and tiny.en have -0.14 to -0.36, those with 1000 changed bytes that do not loop
# -1.8 to -3, or none at all.
MIN_TEST_LOG_PROBABILITY = -1.5
TEST_BATCH = 8  # decoded together on a GPU, as under load
# A decoder's step is so short that threads wait for one another for longer than they work: on two cores two workers of
# a thread each do 3.1 times what one worker of two threads does (docs/measurements.md). Large models want some threads.
CORES_PER_WORKER = 4
CPU_SHARE = Path("/sys/fs/cgroup/cpu.max")  # a container's, as "200000 100000": so many µs in so many


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The models in use."""

    finals: str
    partials: str


@dataclass(frozen=True, slots=True)
class ComputePlan:
    """How the models share the device."""

    workers: int  # batches that run at once
    slots: int  # and of them by one model
    threads: int  # of each; 0: CTranslate2's choice

    @property
    def separate_streams(self) -> bool:
        """Whether finals of different streams are decoded apart.

        On a CPU eight of them together save 19 % of the time (base, one thread, our measurement), and all wait for the
        longest one. On a GPU a batch takes hardly longer than its longest row.
        """
        return self.threads > 0


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModels:
    """The loaded models; one object twice when they are the same."""

    names: ModelNames
    finals: Engine
    partials: Engine
    plan: ComputePlan


LoadOne = Callable[[ServerSettings, str, Placement, Callable[[str], None]], Engine]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a decode of TEST_S of speech takes, alone."""

    final_s: float
    partial_s: float
    batch_speedup: float = 1.0  # how many decodes of a batch take the time of one

    @property
    def real_time_factor(self) -> float:
        """Compute of finals for a second of speech, in seconds."""
        return self.final_s / TEST_S


def model_names(settings: ServerSettings, device: Device) -> ModelNames:
    """Return the models that the settings mean on the device; without partials theirs is that of finals."""
    finals = settings.whisper_model
    if finals == AUTO:
        finals = "medium" if device.active == "cuda" else "base"
    if not settings.enable_realtime_transcription:
        return ModelNames(finals, finals)
    partials = settings.realtime_model
    return ModelNames(finals, _partials_for(finals, settings.language, device) if partials == AUTO else partials)


def _partials_for(finals: str, language: str, device: Device) -> str:
    """Return the default model of partials.

    On a CPU tiny.en takes English: its partials are quicker and as good (docs/measurements.md). Other languages keep
    the finals' model, which shares one copy: the multilingual tiny was not measured.
    """
    if device.active == "cuda":
        return "tiny"
    return "tiny.en" if language == "en" and not finals.startswith("tiny") else finals


def compute_plan(device: Device, names: ModelNames, cores: int) -> ComputePlan:
    """Return how the models share the device: each GPU runs a batch of each at once, a CPU two or more."""
    if device.active == "cuda":
        gpus = len(device.indices)
        return ComputePlan(workers=gpus * len({names.finals, names.partials}), slots=gpus, threads=0)
    workers = min(cores, max(2, round(cores / CORES_PER_WORKER)))
    return ComputePlan(workers, slots=workers, threads=cores // workers)


def usable_cores(cpu_share: Path = CPU_SHARE) -> int:
    """Return how many cores this process may use: by its affinity, where the system has one, and its container."""
    cores = _affinity_cores()
    try:
        share, period = cpu_share.read_text().split()
        return max(1, min(cores, int(share) // int(period)))
    except (OSError, ValueError):  # no container, or one without a limit: its share is "max"
        return cores


def _affinity_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


def placement(settings: ServerSettings, device: Device, plan: ComputePlan) -> Placement:
    """Return where each model runs, but for its folder."""
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
    """Load one model, fetching its weights if need be; `loading` is called once they are there. Blocks.

    Raises:
        StartFailed: the weights are missing or damaged, or do not load.
    """
    folder = resolve(name, models_folder(settings.models_dir), fetch=fetch)
    on_loading(name)
    check_files(folder)
    return open_model(name, replace(where, folder=folder))


def open_model(name: str, where: Placement) -> Engine:
    """Load a model whose files were checked. Blocks.

    Raises:
        StartFailed: the model does not load.
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
    """Load the models, fetching their weights if need be; `loading` is called before each.

    Raises:
        StartFailed: weights are missing, do not load, or do not know the language of the settings.
    """
    named, where = model_names(settings, device), placement(settings, device, plan)
    finals = load_one(settings, named.finals, where, on_loading)
    if not finals.multilingual and settings.language not in ("en", "auto"):
        raise StartupError(
            f"WHISPER_MODEL={named.finals} knows English only and LANGUAGE is {settings.language}: "
            "set LANGUAGE=en, or a model without .en in its name."
        )
    if named.partials == named.finals:
        return LoadedModels(named, finals, finals, plan)
    try:
        return LoadedModels(named, finals, load_one(settings, named.partials, where, on_loading), plan)
    except ModelNotFoundError as error:
        if settings.realtime_model != AUTO:
            raise
        log.warning("model %s not found, partials use %s: %s", named.partials, named.finals, error)
        return LoadedModels(ModelNames(named.finals, named.finals), finals, finals, plan)


def self_test(models: LoadedModels, settings: ServerSettings, device: Device) -> SelfTest:
    """Decode real speech, and take the time; on a GPU also of several at once.

    Raises:
        StartFailed: a model does not run on this device, or does not recognize the speech.
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
            check_decodes(engine)  # warms it up, too
        final_s = _time(models.finals, [Window(speech, final)])
        partial_s = _time(models.partials, [Window(speech, partial)])
        if device.active == "cpu":
            return SelfTest(final_s, partial_s)
        rows = min(TEST_BATCH, settings.max_batch)
        together_s = _time(models.finals, [Window(speech, final)] * rows)
        return SelfTest(final_s, partial_s, batch_speedup=max(1.0, rows * final_s / together_s))
    except InferenceError as error:
        raise startup_error("The self-test failed", error) from error


def startup_error(what: str, error: InferenceError) -> StartupError:
    """Return the sentence for a model that does not run here; where it is the memory's fault, with what would do."""
    advice = (
        "; nvidia-smi tells what holds the GPU's memory, and a smaller WHISPER_MODEL, COMPUTE_TYPE=int8_float16 "
        "or a smaller MAX_BATCH needs less"
    )
    return StartupError(f"{what}: {error}{advice if OUT_OF_MEMORY in str(error) else ''}.")


def _time(engine: Engine, windows: Sequence[Window]) -> float:
    """Return what the quickest of several decodes takes: one may meet a busy moment."""
    return min(_once(engine, windows) for _ in range(TEST_REPEATS))


def _once(engine: Engine, windows: Sequence[Window]) -> float:
    began = time.monotonic()
    engine.transcribe(windows)
    return time.monotonic() - began


def check_decodes(engine: Engine) -> None:
    """Decode speech as streams do: finals and partials with word times, in English and in a detected language.

    Raises:
        EngineFailed: the model does not run, or does not recognize the speech.
    """
    for language in ("en", None) if engine.multilingual else ("en",):
        for kind in (Kind.FINAL, Kind.PARTIAL):
            window = Window(reference_speech(), DecodeOptions(language, kind=kind, word_timestamps=True))
            check_transcript(engine.transcribe([window])[0])


def check_transcript(transcript: Transcript) -> None:
    """Check what a model makes of `seed()`. Damaged weights give no text, one word without end, or what it doubts.

    Raises:
        EngineFailed: it is no text of speech.
    """
    is_text = any(letter.isalpha() for letter in transcript.text)
    is_repetitive = transcript.compression_ratio > MAX_COMPRESSION_RATIO
    if not is_text or is_repetitive or not transcript.average_log_probability > MIN_TEST_LOG_PROBABILITY:
        raise InferenceError("it does not recognize speech in a recording of it: its weights are damaged")
