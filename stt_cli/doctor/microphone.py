"""What `stt-cli doctor` finds about microphones: which there are, and whether one hears anything."""

from __future__ import annotations

import asyncio
import math
from array import array
from contextlib import suppress

from stt_cli.doctor.results import CheckResult, ok, warn
from stt_client.audio.devices import DeviceDescription, OpenDevice
from stt_client.audio.portaudio import list_devices, load_sounddevice
from stt_client.errors import SourceError

LISTEN_S = 1.0
MICROPHONE_TIMEOUT_S = 3.0  # for a microphone that takes its time to begin
QUIET_DB, LOUD_DB = -60.0, -0.5


def microphones_finding() -> CheckResult:
    try:
        devices = list_devices(load_sounddevice())
    except SourceError as error:
        return warn("microphones", str(error))
    if not devices:
        return warn("microphones", "there is none on this machine.", "Files and pipes do not need one.")
    return ok("microphones", "; ".join(map(_described, devices)) + ".")


def _described(device: DeviceDescription) -> str:
    return f"{device.name} ({device.sample_rate_hz} Hz{', the default' if device.is_default else ''})"


async def microphone_finding(open_device: OpenDevice, name: str | None) -> CheckResult:
    """Listen to a microphone for a second."""
    subject = "level"
    try:
        device = open_device(name)
        subject = f"level of {device.name}"
        ears = _Listening()
        device.start(ears)
        try:
            return _judged(subject, await _recorded(ears, device.sample_rate_hz))
        finally:
            device.stop()
    except SourceError as error:
        return warn(subject, str(error))
    except TimeoutError:
        return warn(subject, f"it gave no sound in {MICROPHONE_TIMEOUT_S:.0f} s.", "Is another program using it?")


async def _recorded(ears: _Listening, rate_hz: int) -> array[int]:
    """Return a second of samples, or what there was until the end."""
    samples = array("h")
    async with asyncio.timeout(MICROPHONE_TIMEOUT_S):
        while len(samples) < LISTEN_S * rate_hz and (chunk := await ears.chunks.get()):
            samples.frombytes(chunk)
    return samples


def _judged(subject: str, samples: array[int]) -> CheckResult:
    peak = max(map(abs, samples), default=0)
    if not peak:
        return warn(subject, "it hears nothing at all.", "Is it muted, or is this program not allowed to listen?")
    level_db = 20 * math.log10(peak / 32_768)
    told = f"{level_db:.0f} dB at its loudest in a second."
    if level_db < QUIET_DB:
        return warn(subject, told, "That is very quiet: raise its gain, or speak while it listens.")
    if level_db > LOUD_DB:
        return warn(subject, told, "That is overdriven: lower its gain.")
    return ok(subject, told)


class _Listening:
    """Hands over what is recorded, from the device's thread to the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()  # bounded by how long it is listened to

    def deliver(self, chunk: bytes) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self.chunks.put_nowait, chunk)

    def warn(self, sentence: str) -> None: ...

    def end(self) -> None:
        self.deliver(b"")

    def device_lost(self) -> None:
        self.deliver(b"")
