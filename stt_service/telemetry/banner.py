"""The startup banner, line by line. Prints nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psutil

from stt_service.models.devices import CudaStatus, Device, Gpu
from stt_service.models.loader import TEST_S, ComputePlan, LoadedModels, ModelNames, SelfTest
from stt_service.settings.schema import ServerSettings

RULE = "=" * 50
GB = 2**30
MAX_REALTIME_FACTOR = 0.5  # a higher real-time factor leaves no compute for partials


def configuration(
    settings: ServerSettings,
    device: Device,
    cuda: CudaStatus,
    names: ModelNames,
    plan: ComputePlan,
    warnings: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the banner up to the loading of the models."""
    yield "STT SERVER CONFIGURATION"
    yield RULE
    yield from _gpu_status(cuda, device)
    yield "MODEL SETTINGS:"
    yield f"  Whisper Model: {names.finals}"
    yield f"  Realtime Model: {names.partials if settings.enable_realtime_transcription else 'none'}"
    yield f"  Compute Type: {settings.compute_type}"
    yield f"  Language: {settings.language}"
    yield f"  Configured Device: {device.requested}"
    yield f"  Actual Device: {device.active}"
    yield f"  Workers: {workers(plan)}"
    yield "VAD SETTINGS:"
    yield f"  Silero Sensitivity: {settings.silero_sensitivity}"
    yield f"  WebRTC Sensitivity: {settings.webrtc_sensitivity}"
    yield f"  Post Speech Silence: {settings.post_speech_silence_duration} s"
    yield f"  Utterance Length: {settings.min_length_of_recording} to {settings.max_length_of_recording} s"
    yield f"  Pre Recording Buffer: {settings.pre_recording_buffer_duration} s"
    yield "QUALITY SETTINGS:"
    yield f"  Beam Size: {settings.beam_size}, partials {settings.realtime_beam_size}"
    yield f"  Encoder Context: {settings.encoder_context}, partials {settings.realtime_encoder_context}"
    yield "NETWORK SETTINGS:"
    yield f"  Address: {settings.server_bind}"
    yield f"  Control Port: {settings.control_port or 'any'}"
    yield f"  Data Port: {settings.data_port or 'any'}"
    yield f"  HTTP Port: {settings.http_port or 'any'}"
    if settings.wyoming_port:
        yield f"  Wyoming Port: {settings.wyoming_port}"
    yield from _protection(settings)
    for warning in warnings:
        yield f"  WARNING: {warning}"
    yield from memory(cuda)


def memory(cuda: CudaStatus) -> Iterator[str]:
    """Yield the memory in use. Printed before and after the models are loaded."""
    yield "MEMORY:"
    yield f"  Process: {psutil.Process().memory_info().rss / GB:.1f} GB of {psutil.virtual_memory().total / GB:.1f} GB"
    for gpu in cuda.gpus:
        yield from _gpu_memory(gpu)


def fallback(device: Device) -> Iterator[str]:
    """Yield two warnings if the device is not the requested one."""
    if device.requested == "cuda" and device.active != "cuda":
        yield f"WARNING: Device fallback from {device.requested} to {device.active}"
        yield f"DEVICE FALLBACK: {device.requested} -> {device.active} ({device.reason})"


def workers(plan: ComputePlan) -> str:
    """Return the number of concurrent batches, with their threads if we set that number."""
    return f"{plan.workers} x {plan.threads} threads" if plan.threads else str(plan.workers)


def loaded(device: Device, models: LoadedModels) -> Iterator[str]:
    """Yield the device of the models and the compute type of each."""
    where = "GPU" if device.active == "cuda" else "CPU"
    yield f"Model successfully loaded on {where}!"
    engines = {models.names.finals: models.finals, models.names.partials: models.partials}
    for name, engine in engines.items():
        yield f"  {name} computes in {engine.compute_type}"


def self_test_result(test: SelfTest, names: ModelNames, capacity: int, max_streams: int) -> Iterator[str]:
    """Yield the results of the self-test."""
    yield "SELF-TEST:"
    yield f"  Real-time factor: {test.real_time_factor:.2f} (final of {TEST_S} s in {test.final_s:.2f} s)"
    yield f"  Partial: {test.partial_s:.2f} s"
    yield f"  Estimated capacity: {capacity} streams (MAX_STREAMS: {max_streams})"
    if test.real_time_factor > MAX_REALTIME_FACTOR and smaller(names.finals) != names.finals:
        yield f"  WARNING: {names.finals} cannot keep up on this machine: set WHISPER_MODEL={smaller(names.finals)}"
    yield RULE


def smaller(name: str) -> str:
    """Return a model that needs about a third of the compute."""
    sizes = ["tiny", "base", "small", "medium", "large"]
    suffix = ".en" if name.endswith(".en") else ""
    size = next((i for i, size in enumerate(sizes) if name.startswith(size)), 2)
    return sizes[max(0, size - 1)] + ("" if size == 0 else suffix)


def _protection(settings: ServerSettings) -> Iterator[str]:
    """Yield the protection of the ports, and warnings about missing protection."""
    clients = ", client certificates required" if settings.tls_client_ca else ""
    yield f"  TLS: {'on' + clients if settings.tls_cert else 'off'}"
    files = (("Data", settings.auth_tokens_file), ("Control", settings.control_tokens_file))
    yield f"  Tokens: {', '.join(name for name, file in files if file) or 'none'}"
    if settings.missing_protection:
        missing = ", ".join(settings.missing_protection)
        yield f"  WARNING: ALLOW_INSECURE=true: the network can use or intercept the server: {missing}"
    if settings.wyoming_exposure:
        yield f"  WARNING: ALLOW_INSECURE=true: {settings.wyoming_exposure}"
    if not settings.is_on_loopback:
        yield "  WARNING: every host that reaches HTTP_PORT can read its metrics: restrict it with a firewall"


def _gpu_status(cuda: CudaStatus, device: Device) -> Iterator[str]:
    yield "GPU STATUS:"
    yield f"  CUDA Available: {not cuda.missing}"
    yield f"  GPU Devices Count: {cuda.count}"
    if cuda.missing:
        yield f"  Reason: {cuda.missing}"
    for index, gpu in enumerate(cuda.gpus):
        yield f"  GPU {index}: {gpu.name} ({gpu.total_bytes / GB:.1f} GB)"
    if device.active == "cuda":
        yield f"  Current GPU Device: {', '.join(map(str, device.indices))}"


def _gpu_memory(gpu: Gpu) -> Iterator[str]:
    yield f"  GPU Memory - Total: {gpu.total_bytes / GB:.1f} GB"
    yield f"  GPU Memory - Used: {gpu.used_bytes / GB:.1f} GB"
    yield f"  GPU Memory - Free: {(gpu.total_bytes - gpu.used_bytes) / GB:.1f} GB"
