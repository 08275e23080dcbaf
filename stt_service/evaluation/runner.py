"""Replays recordings under several settings with the real models, and measures each: `stt-server evaluate`."""

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
TRAILING_SILENCE_S = 1.0  # of silence, beyond what ends the last utterance
# What an offline transcript keeps of a trial's settings, and what it has of its own: windows as long as can be.
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
    """A recording, and what a person wrote of it."""

    path: Path
    pcm: bytes  # 16 kHz, mono, 16 bit
    text: str  # empty where nobody wrote one

    @property
    def audio_s(self) -> float:
        return len(self.pcm) / BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial."""

    trial: Trial
    models: ModelNames
    device: Device
    threads: int
    stats: RecordingStats


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What came of an evaluation."""

    recordings: Sequence[Recording]
    results: Sequence[TrialResult]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Loaded models, and the clock that counts their work."""

    device: Device
    models: LoadedModels
    clock: Clock


def evaluate(
    settings: ServerSettings, audio: Sequence[Path], requested: Sequence[str], on_progress: ProgressCallback
) -> EvaluationReport:
    """Try the settings that are asked for, as NAME=VALUE,VALUE each, on the recordings. Blocks.

    Raises:
        InvalidRequest: a file is no recording.
        StartFailed: a setting will not do, or a model cannot be had.
        EngineFailed: a model could not run.
    """
    wanted = plan_trials(settings, requested)
    recordings = [read_recording(path) for path in audio]
    return EvaluationReport(recordings, Evaluation(recordings, on_progress).run(wanted))


def read_recording(path: Path) -> Recording:
    """Return the recording; its text is in the file of that name that ends with .txt, if there is one.

    Raises:
        InvalidRequest: it is no recording, or the text is no text.
    """
    try:
        pcm = b"".join(decode_recording(path.read_bytes()))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error}") from error
    beside = path.with_suffix(".txt")
    try:
        return Recording(path, pcm, beside.read_text("utf-8-sig").strip() if beside.is_file() else "")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{beside} cannot be read: must be text in UTF-8.") from error


class Evaluation:
    """Tries settings on recordings, keeping one set of models loaded at a time. `tell` hears of the progress."""

    def __init__(self, recordings: Sequence[Recording], tell: ProgressCallback) -> None:
        self._recordings, self._tell = recordings, tell
        self._silero = Silero(silero_path())
        self._bench: tuple[object, _Bench] | None = None
        self._offline: dict[tuple[Path, ServerSettings], str] = {}

    def run(self, trials: Sequence[Trial]) -> list[TrialResult]:
        """Return what comes of the trials. Blocks for about as long as all the sound lasts, once for each.

        Raises:
            StartFailed: a model cannot be had.
            EngineFailed: a model could not run.
        """
        by_models = sorted(range(len(trials)), key=lambda number: str(_needs(trials[number].settings)))
        found: dict[int, TrialResult] = {}
        for number in by_models:
            self._tell(f"Trying {trials[number].name} ({len(found) + 1} of {len(trials)})")
            found[number] = self._outcome(trials[number])
        return [found[number] for number in range(len(trials))]

    def _outcome(self, trial: Trial) -> TrialResult:
        bench = self._loaded(trial.settings)
        figures = RecordingStats()
        for recording in self._recordings:
            figures += self._figures(bench, trial.settings, recording)
        return TrialResult(trial, bench.models.names, bench.device, bench.models.plan.threads, figures)

    def _figures(self, bench: _Bench, settings: ServerSettings, recording: Recording) -> RecordingStats:
        self._tell(f"  {recording.path.name}, {recording.audio_s:.0f} s")
        replay = self._play(bench, settings, recording.pcm)
        language = spoken_language(settings, replay)
        figures = measure(replay, recording.audio_s, language)
        if recording.text:
            return replace(figures, errors=word_errors(recording.text, final_text(replay), language))
        offline = self._offline_text(bench, settings, recording)
        return replace(figures, offline=word_errors(offline, final_text(replay), language))

    def _offline_text(self, bench: _Bench, settings: ServerSettings, recording: Recording) -> str:
        offline = ServerSettings.model_validate({**settings.model_dump(include=TRIAL_SETTINGS), **OFFLINE_SETTINGS})
        key = recording.path, offline
        if key not in self._offline:
            self._tell(f"  {recording.path.name}, offline, for there is no {recording.path.with_suffix('.txt').name}")
            self._offline[key] = final_text(self._play(bench, offline, recording.pcm))
        return self._offline[key]

    def _play(self, bench: _Bench, settings: ServerSettings, pcm: bytes) -> Replay:
        live = settings.runtime()
        config = SessionConfig(settings, live, partials=settings.enable_realtime_transcription)
        after_s = max(live.post_speech_silence_duration, live.min_length_of_recording) + TRAILING_SILENCE_S
        models, plan = transcribers(bench.models.finals, bench.models.partials, live.language), bench.models.plan
        crew = SimulatedWorkers(models, bench.clock, plan.workers, plan.slots)
        return Simulator(Session(config, stream_vad_factory(self._silero, settings)), crew).play(
            pcm + bytes(2 * int(after_s * SAMPLE_RATE_HZ))
        )

    def _loaded(self, settings: ServerSettings) -> _Bench:
        needs = _needs(settings)
        if self._bench is None or self._bench[0] != needs:
            self._bench = None  # two sets of models may be more than the memory holds
            self._bench = needs, _bench(settings, self._tell)
        return self._bench[1]


class Transcriber(Protocol):
    """What an evaluation has to know of an engine."""

    multilingual: bool

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]: ...


def transcribers(finals: Transcriber, partials: Transcriber, language: str) -> dict[Kind, Transcribe]:
    """Return who decodes what: partials that their model cannot read go to the finals'."""
    reader = partials if partials.multilingual or language == "en" else finals
    return {Kind.FINAL: finals.transcribe, Kind.SPECULATIVE: finals.transcribe, Kind.PARTIAL: reader.transcribe}


def _needs(settings: ServerSettings) -> tuple[object, ...]:
    """Return what differs between trials that need other models. A model may not know a language."""
    device, _ = choose_device(settings)
    return model_names(settings, device), device, settings.compute_type, settings.models_dir, settings.language


def _bench(settings: ServerSettings, tell: ProgressCallback) -> _Bench:
    """Load the models, and warm them up."""
    device, _ = choose_device(settings)
    for line in fallback(device):
        tell(line)
    plan = compute_plan(device, model_names(settings, device), usable_cores())
    models = load_models(settings, device, plan, lambda name: tell(f"Loading {name} on {device.active} ..."))
    for engine, kind in ((models.finals, Kind.FINAL), (models.partials, Kind.PARTIAL)):
        engine.transcribe([Window(reference_speech(), DecodeOptions("en", kind=kind))])
    return _Bench(device, models, _clock(device, plan.threads))


def _clock(device: Device, threads: int) -> Clock:
    """Return the clock of decodes: on a CPU that which other programs do not slow down."""
    if device.active == "cuda":
        return time.perf_counter
    return lambda: time.process_time() / threads
