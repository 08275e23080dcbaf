"""The microphone as a source: what it records waits here, and none of it is lost in silence.

A device that goes away is waited for; another one may take its place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path

from stt_client.audio.decode import CHUNK_MS
from stt_client.audio.devices import Device, OpenDevice, choose
from stt_client.audio.file_device import FileDevice
from stt_client.audio.pcm import resampler
from stt_client.audio.portaudio import PortAudioDevice, exclusive, list_devices, load_sounddevice
from stt_client.audio.sources import Listener
from stt_client.concurrency import in_thread
from stt_client.errors import SourceError
from stt_client.events import AudioFormat

QUEUED_S = 60  # kept for a server that does not keep up, or a connection that takes its time
PLAYED = "file:"  # begins the name of a recording that plays the microphone


def open_device(name: str | None) -> Device:
    """Choose a microphone by part of its name, None being the default one; `file:PATH` plays a recording.

    Raises:
        SourceError: when there is none.
    """
    if name is not None and name.startswith(PLAYED):
        return FileDevice(Path(name.removeprefix(PLAYED)))
    with exclusive():
        library = load_sounddevice()
        return PortAudioDevice(library, choose(list_devices(library), name))


@dataclass(frozen=True, slots=True)
class MicrophoneTimeouts:
    grace_s: float = 0.25  # recorded after the stop
    patience_s: float = 30  # with a device that went away
    same_only_s: float = 3  # within it, none but the one asked for: a loose plug comes back by itself
    retry_s: float = 0.5  # PortAudio does not tell when a device comes


WAITS = MicrophoneTimeouts()


class _Mark(Enum):
    """What stands in the queue between the chunks."""

    END = auto()
    LOST = auto()


class Microphone:
    """A source that outlives a slow server and a loose plug: what is lost beyond `QUEUED_S` is said."""

    live = True
    duration_ms = None  # nobody knows

    def __init__(
        self,
        open_device: OpenDevice,
        name: str | None = None,
        waits: MicrophoneTimeouts = WAITS,
        closed: Callable[[], object] = lambda: None,
    ) -> None:
        """`closed` is called, once or more, when the device is free for others."""
        self.name = "microphone"
        self._open_device = open_device
        self._wanted = name
        self._waits = waits
        self._closed = closed
        self._device: Device | None = None
        self._format = AudioFormat()
        self._arrived: asyncio.Queue[bytes | _Mark] = asyncio.Queue()  # bounded in heard
        self._lost_chunks = 0
        self._stopped = asyncio.Event()

    async def open(self, listener: Listener) -> AudioFormat:
        self._listener = listener
        device = self._open_device(self._wanted)
        self._format = AudioFormat(device.sample_rate_hz)
        self._listen_to(device)
        return self._format

    async def chunks(self) -> AsyncIterator[bytes]:
        while (arrived := await self._arrived.get()) is not _Mark.END:
            if arrived is _Mark.LOST:
                await self._come_back()
            else:
                yield arrived

    def stop(self) -> None:
        """End in a moment: people press the key with the last word still on their lips."""
        self._stopped.set()
        asyncio.get_running_loop().call_later(self._waits.grace_s, self.close)

    def close(self) -> None:
        """End at once; what was recorded by now can still be had."""
        self._stopped.set()
        if self._device is not None:
            self._device.stop()
            self._device = None
        self._arrived.put_nowait(_Mark.END)
        self._closed()

    def heard(self, chunk: bytes) -> None:
        """Queue what was recorded, unless the queue is full."""
        self._listener.heard(chunk, self._format)
        if self._arrived.qsize() >= QUEUED_S * 1000 // CHUNK_MS:
            if not self._lost_chunks:
                self._listener.warn(f"{QUEUED_S} s of speech wait for the server: what is said now is lost.")
            self._lost_chunks += 1
            return
        if self._lost_chunks:
            self._listener.warn(f"{self._lost_chunks * CHUNK_MS / 1000:.1f} s of speech were lost.")
            self._lost_chunks = 0
        self._arrived.put_nowait(chunk)

    def warned(self, sentence: str) -> None:
        self._listener.warn(sentence)

    def ended(self) -> None:
        self._arrived.put_nowait(_Mark.END)

    def went_away(self, device: Device) -> None:
        if device is self._device:
            device.stop()
            self._device = None
            self._arrived.put_nowait(_Mark.LOST)

    def _listen_to(self, device: Device) -> None:
        device.start(_LoopAudioSink(self, device, self._format.sample_rate_hz))
        self._device, self.name = device, device.name

    async def _come_back(self) -> None:
        """Wait for the device, or for another, and go on with it.

        Raises:
            SourceError: when none came in time.
        """
        patience_s, began = self._waits.patience_s, time.monotonic()
        self._listener.warn(f"The microphone {self.name} went away: plug it in, or another, within {patience_s:.0f} s.")
        while not self._stopped.is_set():
            away_s = time.monotonic() - began
            if await self._reopen(any_will_do=away_s >= self._waits.same_only_s):
                away_s = time.monotonic() - began
                self._listener.warn(f"Listening to {self.name}; {away_s:.1f} s were not recorded.")
                return
            if away_s >= patience_s:
                raise SourceError(f"the microphone {self.name} went away, and none came in {patience_s:.0f} s.")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._waits.retry_s)

    async def _reopen(self, any_will_do: bool) -> bool:
        for name in [self._wanted, None] if any_will_do else [self._wanted]:
            with suppress(SourceError):
                device = await in_thread(partial(self._open_device, name))
                if not self._stopped.is_set():
                    self._listen_to(device)
                return True
        return False


class _LoopAudioSink:
    """Hands over from the device's thread to the loop, at the rate that the stream began with."""

    def __init__(self, microphone: Microphone, device: Device, rate_hz: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._microphone = microphone
        self._device = device
        self._convert = resampler(device.sample_rate_hz, rate_hz)

    def deliver(self, chunk: bytes) -> None:
        self._post(self._microphone.heard, self._convert(chunk))

    def warn(self, sentence: str) -> None:
        self._post(self._microphone.warned, sentence)

    def end(self) -> None:
        self._post(self._microphone.ended)

    def lose(self) -> None:
        self._post(self._microphone.went_away, self._device)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(callback, *arguments)
