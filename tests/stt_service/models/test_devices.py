"""The device that is asked for is used, or the reason is told."""

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
    device, seen = choose_device(ServerSettings.model_validate(settings), lambda: cuda)
    assert seen == cuda
    return device


@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_where_cuda_is_usable_it_is_used(asked: str) -> None:
    assert chosen(USABLE, device=asked) == Device(asked, "cuda")


def test_cuda_is_the_default() -> None:
    assert chosen(USABLE) == Device("cuda", "cuda", (0,))


@pytest.mark.parametrize(("index", "indices"), [("1", (1,)), ("0,1", (0, 1))])
def test_the_gpus_asked_for_are_used(index: str, indices: tuple[int, ...]) -> None:
    assert chosen(USABLE, gpu_device_index=index) == Device("cuda", "cuda", indices)


@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_where_cuda_is_not_usable_the_cpu_is_used_and_the_reason_told(asked: str) -> None:
    assert chosen(MISSING, device=asked) == Device(asked, "cpu", reason=MISSING.missing)


def test_a_gpu_that_is_not_there_is_named() -> None:
    device = chosen(USABLE, gpu_device_index="0,2")
    assert (device.active, device.indices) == ("cpu", (0,))
    assert device.reason == "GPU_DEVICE_INDEX=0,2 names GPU 2, there are 2"


def test_what_is_missing_goes_before_a_gpu_that_is_not_there() -> None:
    assert chosen(MISSING, gpu_device_index="7").reason == MISSING.missing


def test_on_request_of_the_cpu_nobody_looks_for_cuda() -> None:
    def look() -> CudaStatus:
        raise AssertionError

    device, cuda = choose_device(ServerSettings.model_validate({"device": "cpu"}), look)
    assert device == Device("cpu", "cpu")
    assert (cuda.count, cuda.missing) == (0, "not looked for: DEVICE=cpu")


# Prints whether a library opens before and after it was looked for in a package.
OPENED = """
import ctypes, sys
from stt_service.models.devices import load_cublas
library, package = sys.argv[1:]
print(load_cublas(library, "no_such.package"), load_cublas(library, package), ctypes.CDLL(library)._name == library)
"""


def test_cublas_is_found_in_the_package_that_pip_installed(tmp_path: Path) -> None:
    """The loader knows no folder of pip's. In the place of cuBLAS is a small library that needs none but C's."""
    [library] = next(path for path in map(Path, sys.path) if path.name == "site-packages").glob("pillow.libs/liblzma-*")
    package = tmp_path / "made" / "cublas"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").touch()
    copyfile(library, package / "lib" / library.name)
    done = subprocess.run(
        [sys.executable, "-c", OPENED, library.name, "made.cublas"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True", "True"]
