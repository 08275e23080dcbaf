"""The interface of microphones: description, selection, start and stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stt_client.errors import SourceError


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    index: int
    name: str
    sample_rate_hz: int
    channels: int
    is_default: bool


class AudioSink(Protocol):
    """Receives the audio of a device, on any thread."""

    def deliver(self, chunk: bytes) -> None:
        """Receive a chunk of 16-bit mono."""

    def warn(self, sentence: str) -> None: ...

    def end(self) -> None:
        """Receive the end of the recording."""

    def device_lost(self) -> None:
        """Receive the disconnection of the device, without a stop."""


class Device(Protocol):
    """A selected microphone, not recording yet."""

    @property
    def name(self) -> str: ...

    @property
    def sample_rate_hz(self) -> int: ...

    def start(self, sink: AudioSink) -> None:
        """Record from now on."""

    def stop(self) -> None: ...


OpenDevice = Callable[[str | None], Device]


def choose_device(devices: list[DeviceDescription], name: str | None) -> DeviceDescription:
    """Return the default device, or the first whose name contains `name`, ignoring case.

    Raises:
        SourceError: There is none.
    """
    if not devices:
        raise SourceError("there is no microphone on this machine.")
    if name is None:
        return next((device for device in devices if device.is_default), devices[0])
    for device in devices:
        if name.casefold() in device.name.casefold():
            return device
    names = ", ".join(device.name for device in devices)
    raise SourceError(f"no microphone matches {name!r}; found: {names}.")
