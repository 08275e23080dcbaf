"""The startup banner: devices, models, settings, self-test and warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from stt_service.models.devices import CudaStatus, Device, Gpu
from stt_service.models.loader import ComputePlan, LoadedModels, ModelNames, SelfTest
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.banner import (
    RULE,
    configuration,
    fallback,
    loaded,
    memory,
    self_test_result,
    smaller,
    workers,
)

if TYPE_CHECKING:
    from stt_service.whisper.engine import Engine

GB = 2**30
CARD = Gpu("NVIDIA GeForce RTX 3090 Ti", 24 * GB, 6 * GB)
ON_GPU, ON_CPU = Device("cuda", "cuda"), Device("cuda", "cpu", reason="libcuda.so.1 is missing")
NAMES, PLAN = ModelNames("medium", "tiny"), ComputePlan(workers=2, slots=1, threads=0)


@dataclass(frozen=True)
class FakeEngine:
    """A fake engine."""

    compute_type: str


def models(names: ModelNames = NAMES) -> LoadedModels:
    finals, partials = cast("Engine", FakeEngine("float16")), cast("Engine", FakeEngine("int8_float16"))
    return LoadedModels(names, finals, finals if names.finals == names.partials else partials, PLAN)


def banner(device: Device = ON_GPU, cuda: CudaStatus | None = None, **settings: object) -> str:
    server_settings = ServerSettings.model_validate(settings)
    return text(configuration(server_settings, device, cuda or CudaStatus(1, gpus=(CARD,)), NAMES, PLAN))


def text(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def test_banner_of_a_gpu() -> None:
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


def test_banner_of_a_fallback_has_the_reason() -> None:
    lines = banner(ON_CPU, CudaStatus(0, "libcuda.so.1 is missing")).splitlines()
    assert "  CUDA Available: False" in lines
    assert "  Reason: libcuda.so.1 is missing" in lines
    assert "  Actual Device: cpu" in lines
    assert not any(line.startswith("  Current GPU Device") for line in lines)


def test_banner_sections_are_in_order() -> None:
    sections = [line for line in banner().splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert sections == [
        "GPU STATUS:",
        "MODEL SETTINGS:",
        "VAD SETTINGS:",
        "QUALITY SETTINGS:",
        "NETWORK SETTINGS:",
        "MEMORY:",
    ]


def test_banner_without_partials_has_no_realtime_model() -> None:
    assert "  Realtime Model: none" in banner(enable_realtime_transcription=False)


def test_banner_lists_every_gpu() -> None:
    lines = banner(Device("cuda", "cuda", (0, 1)), CudaStatus(2, gpus=(CARD, CARD)))
    assert "  GPU 1: NVIDIA GeForce RTX 3090 Ti (24.0 GB)" in lines
    assert "  Current GPU Device: 0, 1" in lines


def test_banner_has_the_port_number_or_any() -> None:
    assert "  Data Port: 8012" in banner()
    assert "  Data Port: any" in banner(data_port=0)


def test_insecure_address_is_a_warning() -> None:
    assert "WARNING" not in banner()
    assert "  WARNING: ALLOW_INSECURE=true" in banner(server_bind="10.0.0.5", allow_insecure=True)


def test_wyoming_port_is_printed_if_it_is_on_with_a_warning_if_it_is_unprotected() -> None:
    assert "Wyoming" not in banner()
    assert "  Wyoming Port: 10300" in banner(wyoming_port=10300)
    assert "WARNING" not in banner(wyoming_port=10300)
    unprotected = banner(wyoming_port=10300, auth_tokens_file="tokens", allow_insecure=True)
    assert "  WARNING: ALLOW_INSECURE=true: WYOMING_PORT=10300 has neither TLS nor tokens" in unprotected


def test_memory_of_the_process_and_of_every_gpu_is_printed() -> None:
    section, process, *gpus = memory(CudaStatus(1, gpus=(CARD,)))
    assert section == "MEMORY:"
    assert process.startswith("  Process: ")
    assert gpus == [
        "  GPU Memory - Total: 24.0 GB",
        "  GPU Memory - Used: 6.0 GB",
        "  GPU Memory - Free: 18.0 GB",
    ]


def test_fallback_from_cuda_prints_two_warnings() -> None:
    assert list(fallback(ON_CPU)) == [
        "WARNING: Device fallback from cuda to cpu",
        "DEVICE FALLBACK: cuda -> cpu (libcuda.so.1 is missing)",
    ]


@pytest.mark.parametrize("device", [ON_GPU, Device("auto", "cpu", reason="no driver"), Device("cpu", "cpu")])
def test_requested_device_is_no_fallback(device: Device) -> None:
    assert list(fallback(device)) == []


def test_loaded_line_has_the_device() -> None:
    assert next(loaded(ON_GPU, models())) == "Model successfully loaded on GPU!"
    assert next(loaded(ON_CPU, models())) == "Model successfully loaded on CPU!"


def test_loaded_lines_have_the_compute_type_of_each_model() -> None:
    assert list(loaded(ON_GPU, models()))[1:] == ["  medium computes in float16", "  tiny computes in int8_float16"]
    assert list(loaded(ON_GPU, models(ModelNames("base", "base"))))[1:] == ["  base computes in float16"]


def test_workers_on_a_cpu_have_their_threads() -> None:
    assert workers(ComputePlan(workers=1, slots=1, threads=2)) == "1 x 2 threads"


def test_self_test_lines_have_its_results() -> None:
    lines = list(self_test_result(SelfTest(final_s=0.6, partial_s=0.15), NAMES, 8, 5))
    assert lines == [
        "SELF-TEST:",
        "  Real-time factor: 0.10 (final of 6 s in 0.60 s)",
        "  Partial: 0.15 s",
        "  Estimated capacity: 8 streams (MAX_STREAMS: 5)",
        RULE,
    ]


def test_model_that_is_too_slow_is_a_warning_with_a_smaller_model() -> None:
    lines = text(self_test_result(SelfTest(final_s=9.0, partial_s=2.0), NAMES, 1, 1))
    assert "WARNING: medium cannot keep up" in lines
    assert "set WHISPER_MODEL=small" in lines
    assert "Estimated capacity: 1 " in lines


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
def test_smaller_model_of_each_size(name: str, less: str) -> None:
    assert smaller(name) == less
