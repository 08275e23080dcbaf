"""What the server says of itself at the start: the banner, line by line. Prints nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psutil

from stt_service.models.devices import CudaStatus, Device, Gpu
from stt_service.models.loader import TEST_S, ComputePlan, LoadedModels, ModelNames, SelfTest
from stt_service.settings.schema import ServerSettings

RULE = "=" * 50
GB = 2**30
SLOW = 0.5  # a real-time factor above this leaves no room for partials


def configuration(
    parameters: ServerSettings,
    device: Device,
    cuda: CudaStatus,
    names: ModelNames,
    plan: ComputePlan,
    warnings: Sequence[str] = (),
) -> Iterator[str]:
    """Return the banner up to the loading of the models."""
    yield "STT SERVER CONFIGURATION"
    yield RULE
    yield from _gpu_status(cuda, device)
    yield "MODEL SETTINGS:"
    yield f"  Whisper Model: {names.finals}"
    yield f"  Realtime Model: {names.partials if parameters.enable_realtime_transcription else 'none'}"
    yield f"  Compute Type: {parameters.compute_type}"
    yield f"  Language: {parameters.language}"
    yield f"  Configured Device: {device.requested}"
    yield f"  Actual Device: {device.active}"
    yield f"  Workers: {workers(plan)}"
    yield "VAD SETTINGS:"
    yield f"  Silero Sensitivity: {parameters.silero_sensitivity}"
    yield f"  WebRTC Sensitivity: {parameters.webrtc_sensitivity}"
    yield f"  Post Speech Silence: {parameters.post_speech_silence_duration} s"
    yield f"  Utterance Length: {parameters.min_length_of_recording} to {parameters.max_length_of_recording} s"
    yield f"  Pre Recording Buffer: {parameters.pre_recording_buffer_duration} s"
    yield "QUALITY SETTINGS:"
    yield f"  Beam Size: {parameters.beam_size}, partials {parameters.realtime_beam_size}"
    yield f"  Encoder Context: {parameters.encoder_context}, partials {parameters.realtime_encoder_context}"
    yield "NETWORK SETTINGS:"
    yield f"  Address: {parameters.server_bind}"
    yield f"  Control Port: {parameters.control_port or 'any'}"
    yield f"  Data Port: {parameters.data_port or 'any'}"
    yield f"  Metrics Port: {parameters.metrics_port or 'any'}"
    yield from _protection(parameters)
    for warning in warnings:
        yield f"  WARNING: {warning}"
    yield from memory(cuda)


def memory(cuda: CudaStatus) -> Iterator[str]:
    """Return what memory is in use: told before and after a model is loaded."""
    yield "MEMORY:"
    yield f"  Process: {psutil.Process().memory_info().rss / GB:.1f} GB of {psutil.virtual_memory().total / GB:.1f} GB"
    for gpu in cuda.gpus:
        yield from _gpu_memory(gpu)


def fallback(device: Device) -> Iterator[str]:
    """Return the two warnings of a device that is not the one asked for."""
    if device.requested == "cuda" and device.active != "cuda":
        yield f"WARNING: Device fallback from {device.requested} to {device.active}"
        yield f"DEVICE FALLBACK: {device.requested} -> {device.active} ({device.reason})"


def workers(plan: ComputePlan) -> str:
    """Return how many batches run at once, and in how many threads each where that is ours to say."""
    return f"{plan.workers} x {plan.threads} threads" if plan.threads else str(plan.workers)


def loaded(device: Device, models: LoadedModels) -> Iterator[str]:
    """Return where the models are, and what they really compute in."""
    where = "GPU" if device.active == "cuda" else "CPU"
    yield f"Model successfully loaded on {where}!"
    engines = {models.names.finals: models.finals, models.names.partials: models.partials}
    for name, engine in engines.items():
        yield f"  {name} computes in {engine.compute_type}"


def self_tested(test: SelfTest, names: ModelNames, carried: int, admitted: int) -> Iterator[str]:
    """Return what the self-test showed."""
    yield "SELF-TEST:"
    yield f"  Real-time factor: {test.real_time_factor:.2f} (final of {TEST_S} s in {test.final_s:.2f} s)"
    yield f"  Partial: {test.partial_s:.2f} s"
    yield f"  Streams this machine can carry: {carried} (admitted at once: {admitted})"
    if test.real_time_factor > SLOW and smaller(names.finals) != names.finals:
        yield f"  WARNING: {names.finals} cannot keep up here: set WHISPER_MODEL={smaller(names.finals)}"
    yield RULE


def smaller(name: str) -> str:
    """Return a model that needs about a third of the compute."""
    sizes = ["tiny", "base", "small", "medium", "large"]
    suffix = ".en" if name.endswith(".en") else ""
    size = next((i for i, size in enumerate(sizes) if name.startswith(size)), 2)
    return sizes[max(0, size - 1)] + ("" if size == 0 else suffix)


def _protection(parameters: ServerSettings) -> Iterator[str]:
    """Return what protects the ports, and what does not."""
    clients = ", clients show certificates" if parameters.tls_client_ca else ""
    yield f"  TLS: {'on' + clients if parameters.tls_cert else 'off'}"
    asked = (("Data", parameters.auth_tokens_file), ("Control", parameters.control_tokens_file))
    yield f"  Tokens: {', '.join(name for name, file in asked if file) or 'none'}"
    if parameters.missing_protection:
        missing = ", ".join(parameters.missing_protection)
        yield f"  WARNING: ALLOW_INSECURE=true: strangers can use it or listen in: {missing}"
    if not parameters.is_on_loopback:
        yield "  WARNING: METRICS_PORT tells its figures to whoever reaches it: keep strangers off with a firewall"


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
