"""Loads the models that the settings name, on the device there is, and tries them with a real decode."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stt_service.audio import SAMPLE_RATE_HZ
from stt_service.devices import Device
from stt_service.engine import Engine, ModelPlace, seed
from stt_service.errors import EngineFailed, StartFailed
from stt_service.parameters import Parameters
from stt_service.transcript import Context, DecodeOptions, Kind, Window
from stt_service.weights import models_folder, resolve

TEST_S = 6  # of speech: an ordinary utterance
# Of the time a stream is open a person speaks about half, and a partial is due every REALTIME_PROCESSING_PAUSE at best;
# partials thin out under load, so capacity is reckoned with one a second.
SPEAKING_SHARE = 0.5
PARTIALS_PER_S = 1.0


@dataclass(frozen=True, slots=True)
class Names:
    """The models in use."""

    finals: str
    partials: str


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The loaded models; one object twice when they are the same."""

    names: Names
    finals: Engine
    partials: Engine


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a decode costs on this machine."""

    final_s: float  # for TEST_S of speech
    partial_s: float

    @property
    def real_time_factor(self) -> float:
        """Compute of finals for a second of speech, in seconds."""
        return self.final_s / TEST_S

    @property
    def streams(self) -> int:
        """People who can dictate at once."""
        load = SPEAKING_SHARE * (self.final_s / TEST_S + self.partial_s * PARTIALS_PER_S)
        return max(1, int(1 / load))


def names(parameters: Parameters, device: Device) -> Names:
    """Return the models that the settings mean on the device."""
    on_gpu = device.actual == "cuda"
    finals = parameters.whisper_model
    if finals == "auto":
        finals = "medium" if on_gpu else "base"
    partials = parameters.realtime_model
    if partials == "auto":
        partials = "tiny" if on_gpu else finals
    return Names(finals, partials)


def load(parameters: Parameters, device: Device, loading: Callable[[str], None] = lambda name: None) -> Models:
    """Load the models, fetching their weights if need be; `loading` is told before each.

    Raises:
        StartFailed: weights are missing, do not load, or do not know the language of the settings.
    """
    named = names(parameters, device)
    finals = _load(parameters, device, named.finals, loading)
    if not finals.multilingual and parameters.language not in ("en", "auto"):
        raise StartFailed(
            f"WHISPER_MODEL={named.finals} knows English only and LANGUAGE is {parameters.language}: "
            "set LANGUAGE=en, or a model without .en in its name."
        )
    if named.partials == named.finals or not parameters.enable_realtime_transcription:
        return Models(named, finals, finals)
    return Models(named, finals, _load(parameters, device, named.partials, loading))


def _load(parameters: Parameters, device: Device, name: str, loading: Callable[[str], None]) -> Engine:
    folder = resolve(name, models_folder(parameters.models_dir))
    loading(name)
    compute = parameters.compute_type
    if compute == "default":
        compute = "float16" if device.actual == "cuda" else "int8"
    try:
        return Engine(place(folder, device, compute))
    except EngineFailed as error:
        raise StartFailed(f"The model {name} cannot be used: {error}") from error


def place(folder: Path, device: Device, compute_type: str) -> ModelPlace:
    """Return where a model runs: on a CPU with a thread for each core."""
    return ModelPlace(
        folder=folder,
        device=device.actual,
        device_indices=device.indices,
        compute_type=compute_type,
        threads=len(os.sched_getaffinity(0)) if device.actual == "cpu" else 0,
    )


def self_test(models: Models, parameters: Parameters) -> SelfTest:
    """Decode real speech once to warm up, then timed.

    Raises:
        StartFailed: the model does not run on this device, or hears nothing.
    """
    speech = np.tile(seed(), TEST_S * SAMPLE_RATE_HZ // len(seed()))
    final = DecodeOptions("en", beam_size=parameters.beam_size, context=Context(parameters.encoder_context))
    partial = DecodeOptions(
        "en",
        beam_size=parameters.realtime_beam_size,
        context=Context(parameters.realtime_encoder_context),
        kind=Kind.PARTIAL,
    )
    try:
        _time(models.finals, Window(speech, final))
        final_s = _time(models.finals, Window(speech, final))
        return SelfTest(final_s, _time(models.partials, Window(speech, partial)))
    except EngineFailed as error:
        raise StartFailed(f"The self-test failed: {error}") from error


def _time(engine: Engine, window: Window) -> float:
    began = time.monotonic()
    [transcript] = engine.transcribe([window])
    if not transcript.text:
        raise EngineFailed("the model heard nothing in a recording of speech: its weights are damaged")
    return time.monotonic() - began
