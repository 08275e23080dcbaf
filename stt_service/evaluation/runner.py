"""Replays recordings with the real models under several settings and measures each: `stt-server evaluate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from stt_service.audio.pcm import SAMPLE_RATE_HZ
from stt_service.audio.recordings import decode_recording
from stt_service.errors import InvalidRequestError
from stt_service.evaluation.metrics import RecordingStats, final_text, measure, spoken_language, word_errors
from stt_service.evaluation.settings_grid import Trial, plan_trials
from stt_service.evaluation.simulator import Replay, SimulatedWorkers, Simulator
from stt_service.models.devices import Device, choose_device
from stt_service.models.loader import LoadedModels, ModelNames, compute_plan, load_models, model_names, usable_cores
from stt_service.scheduling.types import Clock, Transcribe
from stt_service.session.config import SessionConfig
from stt_service.session.session import Session
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.banner import fallback
from stt_service.vad.gate import stream_vad_factory
from stt_service.vad.silero import Silero, silero_path
from stt_service.whisper.encoder import reference_speech
from stt_service.whisper.types import DecodeOptions, Kind, Transcript, Window

ProgressCallback: TypeAlias = Callable[[str], None]

BYTES_PER_SECOND = 2 * SAMPLE_RATE_HZ
TRAILING_SILENCE_S = 1.0  # after the silence that ends the last utterance
# An offline transcript uses these settings of the trial and its own for the rest, with windows as long as possible.
TRIAL_SETTINGS = {
    *("language", "translate", "initial_prompt", "hotwords"),
    *("whisper_model", "models_dir", "device", "gpu_device_index", "compute_type"),
}
OFFLINE_SETTINGS = {
    "beam_size": 5,
    "encoder_context": "full",
    "min_length_of_recording": 20,
    "max_length_of_recording": 28,
    "post_speech_silence_duration": 0.7,
    "early_transcription_on_silence": 0,
    "enable_realtime_transcription": False,
}


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and its reference transcript."""

    path: Path
    pcm: bytes  # 16 kHz, mono, 16 bit
    text: str  # reference transcript; empty if there is none

    @property
    def audio_s(self) -> float:
        return len(self.pcm) / BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Measurements of one trial, with the models and the device it ran on."""

    trial: Trial
    models: ModelNames
    device: Device
    threads: int
    stats: RecordingStats


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Results of an evaluation."""

    recordings: Sequence[Recording]
    results: Sequence[TrialResult]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Loaded models and the clock that measures their decodes."""

    device: Device
    models: LoadedModels
    clock: Clock


def evaluate(
    settings: ServerSettings, audio: Sequence[Path], requested: Sequence[str], on_progress: ProgressCallback
) -> EvaluationReport:
    """Evaluate the requested settings, each in the form NAME=VALUE,VALUE, on the recordings. Blocks.

    Raises:
        InvalidRequestError: a file is not a recording.
        ConfigError: a setting is invalid.
        StartupError: a model is missing or does not load.
        InferenceError: a model failed.
    """
    trials = plan_trials(settings, requested)
    recordings = [read_recording(path) for path in audio]
    return EvaluationReport(recordings, Evaluation(recordings, on_progress).run(trials))


def read_recording(path: Path) -> Recording:
    """Return the recording; its reference transcript is in the file of the same name with the suffix .txt, if any.

    Raises:
        InvalidRequestError: the file is not a recording, or the transcript is not UTF-8 text.
    """
    try:
        pcm = b"".join(decode_recording(path.read_bytes()))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error}") from error
    text_path = path.with_suffix(".txt")
    try:
        return Recording(path, pcm, text_path.read_text("utf-8-sig").strip() if text_path.is_file() else "")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{text_path} cannot be read: must be text in UTF-8.") from error


class Evaluation:
    """Runs trials on recordings, with one set of models loaded at a time. `on_progress` receives status lines."""

    def __init__(self, recordings: Sequence[Recording], on_progress: ProgressCallback) -> None:
        self._recordings, self._on_progress = recordings, on_progress
        self._silero = Silero(silero_path())
        self._bench: tuple[object, _Bench] | None = None
        self._offline: dict[tuple[Path, ServerSettings], str] = {}

    def run(self, trials: Sequence[Trial]) -> list[TrialResult]:
        """Return a result per trial, in their order. Blocks for about the length of the audio per trial.

        Raises:
            StartupError: a model is missing or does not load.
            InferenceError: a model failed.
        """
        by_models = sorted(range(len(trials)), key=lambda number: str(_required_models(trials[number].settings)))
        results: dict[int, TrialResult] = {}
        for number in by_models:
            self._on_progress(f"Evaluating {trials[number].name} ({len(results) + 1} of {len(trials)})")
            results[number] = self._run_trial(trials[number])
        return [results[number] for number in range(len(trials))]

    def _run_trial(self, trial: Trial) -> TrialResult:
        bench = self._bench_for(trial.settings)
        stats = RecordingStats()
        for recording in self._recordings:
            stats += self._measure(bench, trial.settings, recording)
        return TrialResult(trial, bench.models.names, bench.device, bench.models.plan.threads, stats)

    def _measure(self, bench: _Bench, settings: ServerSettings, recording: Recording) -> RecordingStats:
        self._on_progress(f"  {recording.path.name}, {recording.audio_s:.0f} s")
        replay = self._replay(bench, settings, recording.pcm)
        language = spoken_language(settings, replay)
        stats = measure(replay, recording.audio_s, language)
        if recording.text:
            return replace(stats, errors=word_errors(recording.text, final_text(replay), language))
        offline = self._offline_text(bench, settings, recording)
        return replace(stats, offline=word_errors(offline, final_text(replay), language))

    def _offline_text(self, bench: _Bench, settings: ServerSettings, recording: Recording) -> str:
        offline = ServerSettings.model_validate({**settings.model_dump(include=TRIAL_SETTINGS), **OFFLINE_SETTINGS})
        key = recording.path, offline
        if key not in self._offline:
            self._on_progress(
                f"  {recording.path.name}, offline transcript ({recording.path.with_suffix('.txt').name} not found)"
            )
            self._offline[key] = final_text(self._replay(bench, offline, recording.pcm))
        return self._offline[key]

    def _replay(self, bench: _Bench, settings: ServerSettings, pcm: bytes) -> Replay:
        runtime_settings = settings.runtime()
        config = SessionConfig(settings, runtime_settings, partials=settings.enable_realtime_transcription)
        silence_s = (
            max(runtime_settings.post_speech_silence_duration, runtime_settings.min_length_of_recording)
            + TRAILING_SILENCE_S
        )
        models, plan = (
            transcribers(bench.models.finals, bench.models.partials, runtime_settings.language),
            bench.models.plan,
        )
        workers = SimulatedWorkers(models, bench.clock, plan.workers, plan.slots)
        return Simulator(Session(config, stream_vad_factory(self._silero, settings)), workers).play(
            pcm + bytes(2 * int(silence_s * SAMPLE_RATE_HZ))
        )

    def _bench_for(self, settings: ServerSettings) -> _Bench:
        required = _required_models(settings)
        if self._bench is None or self._bench[0] != required:
            self._bench = None  # two sets of models may not fit into memory
            self._bench = required, _load_bench(settings, self._on_progress)
        return self._bench[1]


class Transcriber(Protocol):
    """The part of an engine that an evaluation uses."""

    multilingual: bool

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]: ...


def transcribers(finals: Transcriber, partials: Transcriber, language: str) -> dict[Kind, Transcribe]:
    """Return the model per kind of decode. Partials in a language that their model does not support use the finals'."""
    partials_engine = partials if partials.multilingual or language == "en" else finals
    return {
        Kind.FINAL: finals.transcribe,
        Kind.SPECULATIVE: finals.transcribe,
        Kind.PARTIAL: partials_engine.transcribe,
    }


def _required_models(settings: ServerSettings) -> tuple[object, ...]:
    """Return the key of a set of models, language included: a model may not support it."""
    device, _ = choose_device(settings)
    return model_names(settings, device), device, settings.compute_type, settings.models_dir, settings.language


def _load_bench(settings: ServerSettings, on_progress: ProgressCallback) -> _Bench:
    """Load the models and warm them up."""
    device, _ = choose_device(settings)
    for line in fallback(device):
        on_progress(line)
    plan = compute_plan(device, model_names(settings, device), usable_cores())
    models = load_models(settings, device, plan, lambda name: on_progress(f"Loading {name} on {device.active} ..."))
    for engine, kind in ((models.finals, Kind.FINAL), (models.partials, Kind.PARTIAL)):
        engine.transcribe([Window(reference_speech(), DecodeOptions("en", kind=kind))])
    return _Bench(device, models, _clock(device, plan.threads))


def _clock(device: Device, threads: int) -> Clock:
    """Return the clock of decodes: on a CPU, CPU time, which other programs do not increase."""
    if device.active == "cuda":
        return time.perf_counter
    return lambda: time.process_time() / threads
