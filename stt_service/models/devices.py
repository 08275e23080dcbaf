"""Chooses the device of the models, with the reason if it is not the requested one."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from stt_service.settings.schema import ServerSettings
from stt_service.whisper.engine import count_cuda_devices

# Libraries that CTranslate2 opens at run time. A check at startup names a missing one before a decode fails.
DRIVER, CUBLAS = "libcuda.so.1", "libcublas.so.12"
CUBLAS_PACKAGE = "nvidia.cublas"  # in nvidia-cublas-cu12, which PyTorch for CUDA 12 installs too


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU's name and memory."""

    name: str
    total_bytes: int
    used_bytes: int
    utilization: float | None = (
        None  # share of the driver's last sample period with work on the GPU; None: not reported
    )


@dataclass(frozen=True, slots=True)
class CudaStatus:
    """CUDA on this machine: the GPUs, and the missing library, if any."""

    count: int
    missing: str = ""  # the library or driver that is missing; empty when CUDA is usable
    gpus: Sequence[Gpu] = field(default=())


@dataclass(frozen=True, slots=True)
class Device:
    """The requested device and the one in use."""

    requested: str
    active: str
    indices: tuple[int, ...] = (0,)
    reason: str = ""  # why they differ


def detect_cuda() -> CudaStatus:
    """Return the state of CUDA: whether its libraries open, and the GPUs that the driver reports."""
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
    """Return the device to use and the state of CUDA."""
    requested = settings.device
    if requested == "cpu":
        return Device(requested, "cpu"), CudaStatus(0, "not checked: DEVICE=cpu")
    cuda = detect()
    indices = tuple(int(index) for index in settings.gpu_device_index.split(","))
    missing_indices = [index for index in indices if index >= cuda.count]
    if cuda.missing:
        return Device(requested, "cpu", reason=cuda.missing), cuda
    if missing_indices:
        named = f"GPU_DEVICE_INDEX={settings.gpu_device_index}"
        reason = f"{named} includes GPU {missing_indices[0]}, visible GPUs: {cuda.count}"
        return Device(requested, "cpu", reason=reason), cuda
    return Device(requested, "cuda", indices), cuda


def list_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that the driver reports; none if nvidia-ml-py is not installed."""
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        memory = [pynvml.nvmlDeviceGetMemoryInfo(handle) for handle in handles]
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        utilization = [_utilization(handle) for handle in handles]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ()
    return tuple(Gpu(n, int(m.total), int(m.used), b) for n, m, b in zip(names, memory, utilization, strict=True))


def _utilization(handle: object) -> float | None:
    import pynvml

    try:
        return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except pynvml.NVMLError:  # not available for a partition of a GPU (MIG)
        return None


def load_cublas(library: str = CUBLAS, package: str = CUBLAS_PACKAGE) -> bool:
    """Open cuBLAS by name, as CTranslate2 does, or else from its pip package; return whether it is open.

    Once a library is open, the loader finds it by name, whatever its folder.
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
