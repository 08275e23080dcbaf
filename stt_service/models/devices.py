"""Which device the models run on, and why not the one that was asked for."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from stt_service.settings.schema import ServerSettings
from stt_service.whisper.engine import count_cuda_devices

# What CTranslate2 opens at run time; found missing here, it is named before a decode fails for it.
DRIVER, CUBLAS = "libcuda.so.1", "libcublas.so.12"
CUBLAS_PACKAGE = "nvidia.cublas"  # of nvidia-cublas-cu12, and of a torch for CUDA 12


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU's name and memory."""

    name: str
    total_bytes: int
    used_bytes: int
    utilization: float | None = None  # the share of the last moment in which it computed; None: it does not tell


@dataclass(frozen=True, slots=True)
class CudaStatus:
    """What there is of CUDA on this machine."""

    count: int
    missing: str = ""  # the library or driver that is missing; empty when CUDA is usable
    gpus: Sequence[Gpu] = field(default=())


@dataclass(frozen=True, slots=True)
class Device:
    """The device asked for and the one in use."""

    requested: str
    active: str
    indices: tuple[int, ...] = (0,)
    reason: str = ""  # why they differ


def detect_cuda() -> CudaStatus:
    """Look for CUDA by the libraries that are needed, and for the GPUs by the driver."""
    count = count_cuda_devices()
    if not _opens(DRIVER):
        return CudaStatus(count, f"{DRIVER} is missing: install the NVIDIA driver, and start a container with --gpus")
    if count == 0:
        return CudaStatus(count, "no CUDA device is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES")
    if not load_cublas():
        return CudaStatus(count, f"{CUBLAS} is missing: install the extra 'gpu' (nvidia-cublas-cu12)", list_gpus())
    return CudaStatus(count, gpus=list_gpus())


def choose_device(
    settings: ServerSettings, detect: Callable[[], CudaStatus] = detect_cuda
) -> tuple[Device, CudaStatus]:
    """Return the device to use, and what there is of CUDA."""
    asked = settings.device
    if asked == "cpu":
        return Device(asked, "cpu"), CudaStatus(0, "not looked for: DEVICE=cpu")
    cuda = detect()
    indices = tuple(int(index) for index in settings.gpu_device_index.split(","))
    beyond = [index for index in indices if index >= cuda.count]
    if cuda.missing:
        return Device(asked, "cpu", reason=cuda.missing), cuda
    if beyond:
        reason = f"GPU_DEVICE_INDEX={settings.gpu_device_index} names GPU {beyond[0]}, there are {cuda.count}"
        return Device(asked, "cpu", reason=reason), cuda
    return Device(asked, "cuda", indices), cuda


def list_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs as the driver tells them; none when nvidia-ml-py is not installed."""
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        memory = [pynvml.nvmlDeviceGetMemoryInfo(handle) for handle in handles]
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        busy = [_busy(handle) for handle in handles]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ()
    return tuple(Gpu(n, int(m.total), int(m.used), b) for n, m, b in zip(names, memory, busy, strict=True))


def _busy(handle: object) -> float | None:
    import pynvml

    try:
        return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except pynvml.NVMLError:  # a part of a GPU (MIG) does not know
        return None


def load_cublas(library: str = CUBLAS, package: str = CUBLAS_PACKAGE) -> bool:
    """Open cuBLAS by its name, as CTranslate2 will; if the loader knows none, from the package that pip installed.

    A library that is open is found by its name from then on, whatever folder it came from.
    """
    if _opens(library):
        return True
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        return False
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return any(_opens(str(Path(folder, "lib", library))) for folder in folders) and _opens(library)


def _opens(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
