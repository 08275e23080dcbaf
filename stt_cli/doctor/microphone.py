"""Checks of microphones by `stt-cli doctor`: available devices and input level."""

from __future__ import annotations

import asyncio
import math
from array import array
from contextlib import suppress

from stt_cli.doctor.results import CheckResult, ok, warn
from stt_client.audio.devices import DeviceDescription, OpenDevice
from stt_client.audio.portaudio import list_devices, load_sounddevice
from stt_client.errors import SourceError

RECORD_S = 1.0
MICROPHONE_TIMEOUT_S = 3.0  # some microphones start slowly
QUIET_DB, LOUD_DB = -60.0, -0.5


def check_microphones() -> CheckResult:
    try:
        devices = list_devices(load_sounddevice())
    except SourceError as error:
        return warn("microphones", str(error))
    if not devices:
        return warn("microphones", "none found.", "Files and pipes do not need one.")
    return ok("microphones", "; ".join(map(_described, devices)) + ".")


def _described(device: DeviceDescription) -> str:
    return f"{device.name} ({device.sample_rate_hz} Hz{', the default' if device.is_default else ''})"


async def check_level(open_device: OpenDevice, name: str | None) -> CheckResult:
    """Record from a microphone for a second and return its level."""
    subject = "level"
    try:
        device = open_device(name)
        subject = f"level of {device.name}"
        recorder = _Recorder()
        device.start(recorder)
        try:
            return _assess_level(subject, await _record(recorder, device.sample_rate_hz))
        finally:
            device.stop()
    except SourceError as error:
        return warn(subject, str(error))
    except TimeoutError:
        return warn(subject, f"no audio within {MICROPHONE_TIMEOUT_S:.0f} s.", "Is another program using it?")


async def _record(recorder: _Recorder, rate_hz: int) -> array[int]:
    """Return a second of samples, or fewer if the device ends before."""
    samples = array("h")
    async with asyncio.timeout(MICROPHONE_TIMEOUT_S):
        while len(samples) < RECORD_S * rate_hz and (chunk := await recorder.chunks.get()):
            samples.frombytes(chunk)
    return samples


def _assess_level(subject: str, samples: array[int]) -> CheckResult:
    peak = max(map(abs, samples), default=0)
    if not peak:
        return warn(subject, "only zeros.", "Is it muted, or does this program lack the permission to record?")
    level_db = 20 * math.log10(peak / 32_768)
    message = f"peak {level_db:.0f} dB in one second."
    if level_db < QUIET_DB:
        return warn(subject, message, "Very quiet: raise the gain, or speak during the check.")
    if level_db > LOUD_DB:
        return warn(subject, message, "Overdriven: lower the gain.")
    return ok(subject, message)


class _Recorder:
    """Passes audio from the device's thread to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()  # bounded by the duration of the recording

    def deliver(self, chunk: bytes) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.chunks.put_nowait, chunk)

    def warn(self, sentence: str) -> None: ...

    def end(self) -> None:
        self.deliver(b"")

    def device_lost(self) -> None:
        self.deliver(b"")
