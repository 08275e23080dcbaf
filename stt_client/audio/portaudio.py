"""The microphones of this machine, through PortAudio: each at its own rate, 16-bit mono, in chunks of 100 ms.

The only file that knows `sounddevice`, which it loads when used: without PortAudio everything else works.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Protocol

from stt_client.audio.decode import CHUNK_MS
from stt_client.audio.devices import AudioSink, DeviceDescription
from stt_client.errors import SourceError

TIMEOUT_S = 10.0  # for another thread to release PortAudio
_lock = threading.Lock()


@contextmanager
def exclusive(timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Hold the lock of PortAudio: two threads must not import, initialize, terminate or query it concurrently.

    Raises:
        SourceError: Another thread holds the lock for longer than the timeout.
    """
    if not _lock.acquire(timeout=timeout_s):
        raise SourceError("PortAudio does not respond: it is still searching for microphones.")
    try:
        yield
    finally:
        _lock.release()


def load_sounddevice(
    load: Callable[[str], ModuleType] = importlib.import_module, loaded: Mapping[str, ModuleType] = sys.modules
) -> ModuleType:
    """Return the module, with the current list of devices. None of its streams may be open.

    Raises:
        SourceError: The module cannot be loaded; the message names what to install.
    """
    try:
        if library := loaded.get("sounddevice"):
            _refresh_devices(library)
            return library
        return load("sounddevice")
    except ImportError as error:
        raise SourceError("the microphone requires the Python package sounddevice: install it.") from error
    except OSError as error:
        raise SourceError(
            "the microphone requires the library PortAudio: install it (Debian, Ubuntu: libportaudio2)."
        ) from error
    except Exception as error:  # PortAudioError, which cannot be named before the module is loaded
        raise SourceError(f"PortAudio cannot be used: {error}.") from error


def _refresh_devices(library: ModuleType) -> None:
    """Refresh the list of devices: PortAudio reads it only at initialization; sounddevice has no API for that."""
    library._terminate()
    library._initialize()


def list_devices(library: ModuleType) -> list[DeviceDescription]:
    """Return the devices that can record, in PortAudio's order.

    Raises:
        SourceError: PortAudio cannot list them.
    """
    try:
        default, devices = library.default.device[0], library.query_devices()
    except library.PortAudioError as error:
        raise SourceError(f"the microphones cannot be listed: {error}.") from error
    return [
        DeviceDescription(
            index,
            device["name"],
            round(device["default_samplerate"]),
            device["max_input_channels"],
            index == default,
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]


class CallbackStatus(Protocol):
    input_overflow: bool


class PortAudioDevice:
    def __init__(self, library: ModuleType, description: DeviceDescription) -> None:
        self.name = description.name
        self.sample_rate_hz = description.sample_rate_hz
        self._library = library
        self._index = description.index
        self._stopping = False

    def start(self, sink: AudioSink) -> None:
        def record(data: bytes, _frames: int, _time: object, status: CallbackStatus) -> None:
            if status.input_overflow:
                sink.warn("input overflow: this machine is too busy to record, and some audio was lost.")
            sink.deliver(bytes(data))

        def finished() -> None:
            if not self._stopping:
                sink.device_lost()

        try:
            self._stream = self._library.RawInputStream(
                samplerate=self.sample_rate_hz,
                blocksize=self.sample_rate_hz * CHUNK_MS // 1000,
                device=self._index,
                channels=1,
                dtype="int16",
                callback=record,
                finished_callback=finished,
            )
            self._stream.start()
        except (self._library.PortAudioError, ValueError, OSError) as error:
            self._stopping = True
            raise SourceError(f"the microphone {self.name} cannot be opened: {error}.") from error

    def stop(self) -> None:
        self._stopping = True
        with suppress(self._library.PortAudioError):  # of a disconnected device
            self._stream.close()
