"""The requested device is used, or the CPU with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import pytest

from stt_service.models.devices import CudaStatus, Device, choose_device
from stt_service.settings.schema import ServerSettings

USABLE = CudaStatus(2)
MISSING = CudaStatus(1, "libcublas.so.12 is missing")


def chosen(cuda: CudaStatus, **settings: str) -> Device:
    device, status = choose_device(ServerSettings.model_validate(settings), lambda: cuda)
    assert status == cuda
    return device


@pytest.mark.parametrize("requested", ["cuda", "auto"])
def test_usable_cuda_is_used(requested: str) -> None:
    assert chosen(USABLE, device=requested) == Device(requested, "cuda")


def test_cuda_is_the_default() -> None:
    assert chosen(USABLE) == Device("cuda", "cuda", (0,))


@pytest.mark.parametrize(("index", "indices"), [("1", (1,)), ("0,1", (0, 1))])
def test_requested_gpus_are_used(index: str, indices: tuple[int, ...]) -> None:
    assert chosen(USABLE, gpu_device_index=index) == Device("cuda", "cuda", indices)


@pytest.mark.parametrize("requested", ["cuda", "auto"])
def test_unusable_cuda_falls_back_to_the_cpu_with_the_reason(requested: str) -> None:
    assert chosen(MISSING, device=requested) == Device(requested, "cpu", reason=MISSING.missing)


def test_missing_gpu_falls_back_to_the_cpu_and_is_named() -> None:
    device = chosen(USABLE, gpu_device_index="0,2")
    assert (device.active, device.indices) == ("cpu", (0,))
    assert device.reason == "GPU_DEVICE_INDEX=0,2 includes GPU 2, visible GPUs: 2"


def test_missing_library_is_reported_before_a_missing_gpu() -> None:
    assert chosen(MISSING, gpu_device_index="7").reason == MISSING.missing


def test_requested_cpu_does_not_check_cuda() -> None:
    def fail_on_detection() -> CudaStatus:
        raise AssertionError

    device, cuda = choose_device(ServerSettings.model_validate({"device": "cpu"}), fail_on_detection)
    assert device == Device("cpu", "cpu")
    assert (cuda.count, cuda.missing) == (0, "not checked: DEVICE=cpu")


# Prints whether a library opens before and after the search in a package.
OPEN_SCRIPT = """
import ctypes, sys
from stt_service.models.devices import load_cublas
library, package = sys.argv[1:]
print(load_cublas(library, "no_such.package"), load_cublas(library, package), ctypes.CDLL(library)._name == library)
"""


def test_cublas_is_found_in_its_pip_package(tmp_path: Path) -> None:
    """The loader does not search pip's folders. A small library that depends only on libc stands in for cuBLAS."""
    [library] = next(path for path in map(Path, sys.path) if path.name == "site-packages").glob("pillow.libs/liblzma-*")
    package = tmp_path / "made" / "cublas"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").touch()
    copyfile(library, package / "lib" / library.name)
    completed = subprocess.run(
        [sys.executable, "-c", OPEN_SCRIPT, library.name, "made.cublas"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout.split() == ["False", "True", "True"]
