"""Choice of the models, and their workers, slots and threads."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from stt_service.errors import InferenceError, ModelNotFoundError
from stt_service.models.devices import Device
from stt_service.models.loader import (
    ComputePlan,
    ModelNames,
    compute_plan,
    load_models,
    model_names,
    placement,
    startup_error,
    usable_cores,
)
from stt_service.settings.schema import ServerSettings
from stt_service.whisper.engine import Engine

CPU, GPU = Device("cpu", "cpu"), Device("cuda", "cuda")
TWO_GPUS = Device("cuda", "cuda", (1, 3))
ONE, TWO = ModelNames("base", "base"), ModelNames("base", "tiny.en")


def settings(**changed: object) -> ServerSettings:
    return ServerSettings.model_validate(changed)


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 1), (4, 2, 2), (6, 2, 3), (8, 2, 4), (16, 4, 4), (64, 16, 4)],
)
def test_compute_plan_of_a_cpu_has_two_workers_or_more_with_many_cores(cores: int, workers: int, threads: int) -> None:
    assert compute_plan(CPU, TWO, cores) == ComputePlan(workers, slots=workers, threads=threads)


@pytest.mark.parametrize("cores", range(1, 130))
def test_compute_plan_uses_at_most_one_thread_per_core(cores: int) -> None:
    plan = compute_plan(CPU, TWO, cores)
    assert 0 < plan.workers * plan.threads <= cores


def test_compute_plan_of_a_gpu_runs_one_batch_per_model() -> None:
    assert compute_plan(GPU, ONE, 16) == ComputePlan(workers=1, slots=1, threads=0)
    assert compute_plan(GPU, TWO, 16) == ComputePlan(workers=2, slots=1, threads=0)
    assert compute_plan(TWO_GPUS, TWO, 16) == ComputePlan(workers=4, slots=2, threads=0)


@pytest.mark.parametrize(("device", "workers"), [(CPU, 2), (GPU, 1), (TWO_GPUS, 1)])
def test_placement_has_a_worker_for_each_slot(device: Device, workers: int) -> None:
    plan = compute_plan(device, ONE, 8)
    placed = placement(settings(), device, plan)
    assert (placed.device, placed.device_indices, placed.workers) == (device.active, device.indices, workers)
    assert placed.threads == plan.threads
    assert placed.workers * len(placed.device_indices) == plan.slots


@pytest.mark.parametrize(
    ("requested", "device", "compute"),
    [
        ("default", CPU, "int8"),
        ("default", GPU, "float16"),
        ("int8_float32", CPU, "int8_float32"),
        ("auto", GPU, "auto"),
    ],
)
def test_default_compute_type_depends_on_the_device(requested: str, device: Device, compute: str) -> None:
    assert placement(settings(compute_type=requested), device, compute_plan(device, ONE, 2)).compute_type == compute


def test_auto_models_are_larger_on_a_gpu() -> None:
    assert model_names(settings(), CPU) == ModelNames("base", "base")
    assert model_names(settings(), GPU) == ModelNames("medium", "tiny")


@pytest.mark.parametrize(
    ("changed", "partials"),
    [
        ({"language": "en"}, "tiny.en"),
        ({"language": "en", "whisper_model": "small"}, "tiny.en"),
        ({"language": "en", "whisper_model": "tiny.en"}, "tiny.en"),
        ({"language": "en", "whisper_model": "tiny"}, "tiny"),
        ({"language": "en", "realtime_model": "base"}, "base"),
        ({"language": "de", "whisper_model": "small"}, "small"),
        ({"language": "auto"}, "base"),
        ({"language": "en", "enable_realtime_transcription": False}, "base"),
    ],
)
def test_default_model_of_partials_on_a_cpu_is_tiny_en_for_english_only(
    changed: dict[str, object], partials: str
) -> None:
    assert model_names(settings(**changed), CPU).partials == partials


class FakeStore:
    """Loads every model except tiny.en, and records the requested names."""

    def __init__(self) -> None:
        self.requested: list[str] = []

    def load(self, _: ServerSettings, name: str, *__: object) -> Engine:
        self.requested.append(name)
        if name == "tiny.en":
            raise ModelNotFoundError("The model tiny.en could not be downloaded.")
        return cast("Engine", SimpleNamespace(multilingual=True))


def test_missing_default_model_of_partials_is_replaced_by_that_of_finals_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, plan = FakeStore(), compute_plan(CPU, ONE, 2)
    models = load_models(settings(language="en"), CPU, plan, lambda _: None, load_one=store.load)
    assert store.requested == ["base", "tiny.en"]
    assert models.names == ModelNames("base", "base")
    assert models.partials is models.finals
    assert "model of partials not found name=tiny.en used=base" in caplog.text


def test_missing_configured_model_of_partials_fails() -> None:
    configured, plan = settings(language="en", realtime_model="tiny.en"), compute_plan(CPU, ONE, 2)
    with pytest.raises(ModelNotFoundError):
        load_models(configured, CPU, plan, lambda _: None, load_one=FakeStore().load)


def test_disabled_partials_need_only_one_model() -> None:
    assert model_names(settings(enable_realtime_transcription=False, realtime_model="tiny.en"), GPU) == ModelNames(
        "medium", "medium"
    )


@pytest.mark.parametrize(("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1)])
def test_usable_cores_are_limited_by_the_container(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("quota", ["max 100000", "900000000 100000", ""])
def test_usable_cores_without_a_limit_are_all_cores(tmp_path: Path, quota: str) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == usable_cores(tmp_path / "none") == len(os.sched_getaffinity(0))


def test_usable_cores_without_cpu_affinity_are_all_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert usable_cores(tmp_path / "none") == os.cpu_count()


def test_startup_error_for_exhausted_memory_has_a_hint() -> None:
    message = str(startup_error("The self-test failed", InferenceError("CUDA failed with error out of memory")))
    assert message.startswith("The self-test failed: CUDA failed with error out of memory; nvidia-smi shows ")
    assert "COMPUTE_TYPE=int8_float16" in message


def test_startup_error_for_another_failure_has_no_hint() -> None:
    assert (
        str(startup_error("The self-test failed", InferenceError("no such layer")))
        == "The self-test failed: no such layer."
    )
