"""The microphone: opened at its own rate, in 16-bit mono, in chunks of 100 ms.

The only file that knows `sounddevice`, which it loads when used: without PortAudio everything else works.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from stt_cli.decoding import CHUNK_MS
from stt_cli.errors import SourceError
from stt_cli.events import AudioFormat
from stt_cli.sources import Listener

QUEUED_S = 60  # kept for a server that does not keep up, or a connection that takes its time


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    index: int
    name: str
    sample_rate_hz: int
    channels: int
    is_default: bool


class Ears(Protocol):
    """Takes what a device records, on any thread."""

    def deliver(self, chunk: bytes) -> None:
        """16-bit mono."""

    def warn(self, sentence: str) -> None: ...

    def end(self) -> None:
        """No more will come, and nobody asked for that."""


class Device(Protocol):
    """A microphone, chosen and not yet recording."""

    @property
    def name(self) -> str: ...

    @property
    def sample_rate_hz(self) -> int: ...

    def start(self, ears: Ears) -> None:
        """Record from now on."""

    def stop(self) -> None: ...


OpenDevice = Callable[[str | None], Device]


class Microphone:
    """A source that outlives a slow server: `QUEUED_S` wait, what is lost beyond is said."""

    live = True

    def __init__(self, open_device: OpenDevice, name: str | None = None) -> None:
        self.name = "microphone"
        self._open_device = open_device
        self._wanted = name
        self._device: Device | None = None
        self._arrived: asyncio.Queue[bytes | SourceError | None] = asyncio.Queue()  # bounded in _arrive
        self._lost_chunks = 0

    async def open(self, listener: Listener) -> AudioFormat:
        device = self._open_device(self._wanted)
        audio_format = AudioFormat(device.sample_rate_hz)
        device.start(_LoopEars(self, listener, audio_format))
        self._device, self.name = device, device.name
        return audio_format

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._arrived.get()) is not None:
            if isinstance(chunk, SourceError):
                raise chunk
            yield chunk

    def stop(self) -> None:
        if self._device is not None:
            self._device.stop()
            self._device = None
            self._arrived.put_nowait(None)

    def arrive(self, chunk: bytes, listener: Listener) -> None:
        """Queue what was recorded, unless the queue is full."""
        if self._arrived.qsize() >= QUEUED_S * 1000 // CHUNK_MS:
            if not self._lost_chunks:
                listener.warn(f"{QUEUED_S} s of speech wait for the server: what is said now is lost.")
            self._lost_chunks += 1
            return
        if self._lost_chunks:
            listener.warn(f"{self._lost_chunks * CHUNK_MS / 1000:.1f} s of speech were lost.")
            self._lost_chunks = 0
        self._arrived.put_nowait(chunk)

    def end(self) -> None:
        self._arrived.put_nowait(SourceError(f"the microphone {self.name} went away."))


class _LoopEars:
    """Hands over from the device's thread to the loop."""

    def __init__(self, microphone: Microphone, listener: Listener, audio_format: AudioFormat) -> None:
        self._loop = asyncio.get_running_loop()
        self._microphone = microphone
        self._listener = listener
        self._format = audio_format

    def deliver(self, chunk: bytes) -> None:
        self._post(self._listener.heard, chunk, self._format)
        self._post(self._microphone.arrive, chunk, self._listener)

    def warn(self, sentence: str) -> None:
        self._post(self._listener.warn, sentence)

    def end(self) -> None:
        self._post(self._microphone.end)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(callback, *arguments)


def load_sounddevice(load: Callable[[str], ModuleType] = importlib.import_module) -> ModuleType:
    """Return the module.

    Raises:
        SourceError: saying what to install.
    """
    try:
        return load("sounddevice")
    except ImportError as error:
        raise SourceError("the microphone needs the Python package sounddevice: install it.") from error
    except OSError as error:
        raise SourceError(
            "the microphone needs the library PortAudio: install it (Debian, Ubuntu: libportaudio2)."
        ) from error


def list_devices(library: ModuleType) -> list[DeviceDescription]:
    """Return the devices that can record, in PortAudio's order."""
    default = library.default.device[0]
    return [
        DeviceDescription(
            index,
            device["name"],
            round(device["default_samplerate"]),
            device["max_input_channels"],
            index == default,
        )
        for index, device in enumerate(library.query_devices())
        if device["max_input_channels"] > 0
    ]


def choose(devices: list[DeviceDescription], name: str | None) -> DeviceDescription:
    """Return the default device, or the first whose name has the words in it, whatever their case.

    Raises:
        SourceError: when there is none.
    """
    if not devices:
        raise SourceError("there is no microphone on this machine.")
    if name is None:
        return next((device for device in devices if device.is_default), devices[0])
    for device in devices:
        if name.casefold() in device.name.casefold():
            return device
    names = ", ".join(device.name for device in devices)
    raise SourceError(f"no microphone has {name!r} in its name; there are: {names}.")


def open_device(name: str | None) -> Device:
    """Choose a microphone of this machine by part of its name; None is the default one."""
    library = load_sounddevice()
    return PortAudioDevice(library, choose(list_devices(library), name))


class CallbackStatus(Protocol):
    input_overflow: bool


class PortAudioDevice:
    def __init__(self, library: ModuleType, description: DeviceDescription) -> None:
        self.name = description.name
        self.sample_rate_hz = description.sample_rate_hz
        self._library = library
        self._index = description.index
        self._stopping = False

    def start(self, ears: Ears) -> None:
        def record(sound: bytes, _frames: int, _time: object, status: CallbackStatus) -> None:
            if status.input_overflow:
                ears.warn("this machine is too busy to record: a moment of speech was lost.")
            ears.deliver(bytes(sound))

        def finished() -> None:
            if not self._stopping:
                ears.end()

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
        except self._library.PortAudioError as error:
            raise SourceError(f"the microphone {self.name} cannot be opened: {error}.") from error

    def stop(self) -> None:
        self._stopping = True
        self._stream.close()
