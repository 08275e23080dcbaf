"""The banner tells the operator what runs where, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from stt_service.models.devices import CudaStatus, Device, Gpu
from stt_service.models.loader import ComputePlan, LoadedModels, ModelNames, SelfTest
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.banner import RULE, configuration, fallback, loaded, memory, self_tested, smaller, workers

if TYPE_CHECKING:
    from stt_service.whisper.engine import Engine

GB = 2**30
CARD = Gpu("NVIDIA GeForce RTX 3090 Ti", 24 * GB, 6 * GB)
ON_GPU, ON_CPU = Device("cuda", "cuda"), Device("cuda", "cpu", reason="libcuda.so.1 is missing")
NAMES, PLAN = ModelNames("medium", "tiny"), ComputePlan(workers=2, slots=1, threads=0)


@dataclass(frozen=True)
class Loaded:
    """Stands in for an engine."""

    compute_type: str


def models(names: ModelNames = NAMES) -> LoadedModels:
    finals, partials = cast("Engine", Loaded("float16")), cast("Engine", Loaded("int8_float16"))
    return LoadedModels(names, finals, finals if names.finals == names.partials else partials, PLAN)


def banner(device: Device = ON_GPU, cuda: CudaStatus | None = None, **settings: object) -> str:
    parameters = ServerSettings.model_validate(settings)
    return text(configuration(parameters, device, cuda or CudaStatus(1, gpus=(CARD,)), NAMES, PLAN))


def text(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def test_the_banner_of_a_gpu() -> None:
    expected = [
        "STT SERVER CONFIGURATION",
        "=" * 50,
        "GPU STATUS:",
        "  CUDA Available: True",
        "  GPU Devices Count: 1",
        "  GPU 0: NVIDIA GeForce RTX 3090 Ti (24.0 GB)",
        "  Current GPU Device: 0",
        "MODEL SETTINGS:",
        "  Whisper Model: medium",
        "  Realtime Model: tiny",
        "  Compute Type: default",
        "  Language: ru",
        "  Configured Device: cuda",
        "  Actual Device: cuda",
        "  Workers: 2",
        "VAD SETTINGS:",
    ]
    assert banner().splitlines()[: len(expected)] == expected


def test_the_banner_of_a_fallback_names_what_is_missing() -> None:
    lines = banner(ON_CPU, CudaStatus(0, "libcuda.so.1 is missing")).splitlines()
    assert "  CUDA Available: False" in lines
    assert "  Reason: libcuda.so.1 is missing" in lines
    assert "  Actual Device: cpu" in lines
    assert not any(line.startswith("  Current GPU Device") for line in lines)


def test_the_banner_has_its_sections_in_order() -> None:
    sections = [line for line in banner().splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert sections == [
        "GPU STATUS:",
        "MODEL SETTINGS:",
        "VAD SETTINGS:",
        "QUALITY SETTINGS:",
        "NETWORK SETTINGS:",
        "MEMORY:",
    ]


def test_without_partials_there_is_no_realtime_model() -> None:
    assert "  Realtime Model: none" in banner(enable_realtime_transcription=False)


def test_several_gpus_are_all_named() -> None:
    told = banner(Device("cuda", "cuda", (0, 1)), CudaStatus(2, gpus=(CARD, CARD)))
    assert "  GPU 1: NVIDIA GeForce RTX 3090 Ti (24.0 GB)" in told
    assert "  Current GPU Device: 0, 1" in told


def test_a_port_of_ones_own_choice_is_told_and_so_is_any() -> None:
    assert "  Data Port: 8012" in banner()
    assert "  Data Port: any" in banner(data_port=0)


def test_an_insecure_address_is_warned_of() -> None:
    assert "WARNING" not in banner()
    assert "  WARNING: ALLOW_INSECURE=true" in banner(server_bind="10.0.0.5", allow_insecure=True)


def test_memory_is_told_of_the_process_and_of_every_gpu() -> None:
    section, process, *gpus = memory(CudaStatus(1, gpus=(CARD,)))
    assert section == "MEMORY:"
    assert process.startswith("  Process: ")
    assert gpus == [
        "  GPU Memory - Total: 24.0 GB",
        "  GPU Memory - Used: 6.0 GB",
        "  GPU Memory - Free: 18.0 GB",
    ]


def test_a_fallback_from_cuda_is_warned_of_twice() -> None:
    assert list(fallback(ON_CPU)) == [
        "WARNING: Device fallback from cuda to cpu",
        "DEVICE FALLBACK: cuda -> cpu (libcuda.so.1 is missing)",
    ]


@pytest.mark.parametrize("device", [ON_GPU, Device("auto", "cpu", reason="no driver"), Device("cpu", "cpu")])
def test_a_device_that_was_asked_for_is_no_fallback(device: Device) -> None:
    assert list(fallback(device)) == []


def test_a_loaded_model_tells_where() -> None:
    assert next(loaded(ON_GPU, models())) == "Model successfully loaded on GPU!"
    assert next(loaded(ON_CPU, models())) == "Model successfully loaded on CPU!"


def test_each_model_tells_what_it_computes_in() -> None:
    assert list(loaded(ON_GPU, models()))[1:] == ["  medium computes in float16", "  tiny computes in int8_float16"]
    assert list(loaded(ON_GPU, models(ModelNames("base", "base"))))[1:] == ["  base computes in float16"]


def test_workers_on_a_cpu_are_told_with_their_threads() -> None:
    assert workers(ComputePlan(workers=1, slots=1, threads=2)) == "1 x 2 threads"


def test_the_self_test_tells_its_figures() -> None:
    told = list(self_tested(SelfTest(final_s=0.6, partial_s=0.15), NAMES, 8, 5))
    assert told == [
        "SELF-TEST:",
        "  Real-time factor: 0.10 (final of 6 s in 0.60 s)",
        "  Partial: 0.15 s",
        "  Streams this machine can carry: 8 (admitted at once: 5)",
        RULE,
    ]


def test_a_model_that_cannot_keep_up_is_warned_of_with_one_that_can() -> None:
    told = text(self_tested(SelfTest(final_s=9.0, partial_s=2.0), NAMES, 1, 1))
    assert "WARNING: medium cannot keep up" in told
    assert "set WHISPER_MODEL=small" in told
    assert "Streams this machine can carry: 1 " in told


@pytest.mark.parametrize(
    ("name", "less"),
    [
        ("large-v3", "medium"),
        ("large-v3-turbo", "medium"),
        ("medium.en", "small.en"),
        ("base", "tiny"),
        ("tiny", "tiny"),
        ("ann/whisper-ru", "base"),
    ],
)
def test_a_smaller_model_is_named(name: str, less: str) -> None:
    assert smaller(name) == less
