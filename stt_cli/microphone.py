"""The microphone as a source: what it records waits here, and none of it is lost in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from stt_cli.decoding import CHUNK_MS
from stt_cli.devices import Device, OpenDevice, choose
from stt_cli.errors import SourceError
from stt_cli.events import AudioFormat
from stt_cli.played import PlayedDevice
from stt_cli.portaudio import PortAudioDevice, list_devices, load_sounddevice
from stt_cli.sources import Listener

QUEUED_S = 60  # kept for a server that does not keep up, or a connection that takes its time
PLAYED = "file:"  # begins the name of a recording that plays the microphone


def open_device(name: str | None) -> Device:
    """Choose a microphone by part of its name, None being the default one; `file:PATH` plays a recording.

    Raises:
        SourceError: when there is none.
    """
    if name is not None and name.startswith(PLAYED):
        return PlayedDevice(Path(name.removeprefix(PLAYED)))
    library = load_sounddevice()
    return PortAudioDevice(library, choose(list_devices(library), name))


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
        self._arrived.put_nowait(None)

    def lose(self) -> None:
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

    def lose(self) -> None:
        self._post(self._microphone.lose)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(callback, *arguments)
