"""Implements `stt-cli devices`, `doctor` and `status`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from rich.console import Console

from stt_cli.doctor import run as doctor
from stt_client.audio.devices import DeviceDescription, OpenDevice
from stt_client.audio.microphone import open_device
from stt_client.audio.portaudio import list_devices, load_sounddevice
from stt_client.events import ServerStatus
from stt_client.sanitize import sanitize_text, to_json
from stt_client.status import status
from stt_client.target import Target


def list_microphones(as_json: bool) -> str:
    """Return the microphones of this machine: one line each, or a JSON array."""
    devices = list_devices(load_sounddevice())
    if as_json:
        return to_json([asdict(device) for device in devices], indent=2)
    if not devices:
        return "No microphone found. `--device file:PATH` uses a recording instead."
    return "\n".join(map(_device_line, devices))


def _device_line(device: DeviceDescription) -> str:
    default, channels = "*" if device.is_default else " ", f"{device.channels} ch"
    return f"{default} {device.index:>3}  {device.sample_rate_hz:>6} Hz  {channels:>6}  {sanitize_text(device.name)}"


def run_doctor(target: Target, device: str | None, microphone: OpenDevice | None = None) -> bool:
    """Print each check result to stdout when it is known; return whether no check failed."""
    return doctor.run(target, device, microphone or open_device, Console())


def get_status(target: Target) -> ServerStatus:
    return asyncio.run(status(target))


def status_as_json(server_status: ServerStatus) -> str:
    return to_json(asdict(server_status))


def status_as_text(server_status: ServerStatus, target: Target) -> str:
    services = ", ".join(map(sanitize_text, server_status.services))
    return "\n".join(
        (
            f"{target.addresses[0]}: {server_status.health.lower().replace('_', ' ')}",
            f"services: {services or 'not listed by the server'}",
            f"round trip: {server_status.round_trip_ms:.1f} ms",
        )
    )
