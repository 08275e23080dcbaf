"""The microphone as a source: queues recorded audio, and reconnects to a device that was disconnected.

A device delivers chunks on its own thread; `_LoopAudioSink` resamples them to the rate of the first device, since the
format of a stream is fixed, and posts them to the event loop. The queue holds MAX_QUEUED_S; chunks beyond that are
dropped with a warning. A disconnected device leaves a LOST mark in the queue, so all audio before it is yielded first;
then `chunks` waits for the same device, after `same_device_s` for any, and fails after `reconnect_s`. After `stop`,
recording continues for `stop_delay_s`.
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
from stt_client.audio.devices import Device, OpenDevice, choose_device
from stt_client.audio.file_device import FileDevice
from stt_client.audio.pcm import resampler
from stt_client.audio.portaudio import PortAudioDevice, exclusive, list_devices, load_sounddevice
from stt_client.audio.sources import SourceListener
from stt_client.concurrency import run_in_thread
from stt_client.errors import SourceError
from stt_client.events import AudioFormat

MAX_QUEUED_S = 60  # for a slow server or connection
FILE_PREFIX = "file:"  # prefix of a device name that is a recording


def open_device(name: str | None) -> Device:
    """Return the microphone whose name contains `name`, or the default one; `file:PATH` plays a recording.

    Raises:
        SourceError: There is none, or the recording cannot be read.
    """
    if name is not None and name.startswith(FILE_PREFIX):
        return FileDevice(Path(name.removeprefix(FILE_PREFIX)))
    with exclusive():
        library = load_sounddevice()
        return PortAudioDevice(library, choose_device(list_devices(library), name))


@dataclass(frozen=True, slots=True)
class MicrophoneTimeouts:
    stop_delay_s: float = 0.25  # of recording after the stop
    reconnect_s: float = 30  # to wait for a disconnected device
    same_device_s: float = 3  # at first only for the requested device: a loose plug usually reconnects
    retry_interval_s: float = 0.5  # PortAudio does not report new devices


DEFAULT_TIMEOUTS = MicrophoneTimeouts()


class _Mark(Enum):
    """A mark between the chunks of the queue."""

    END = auto()
    LOST = auto()


class Microphone:
    """A source that tolerates a slow server and a loose plug; audio beyond `MAX_QUEUED_S` is lost with a warning."""

    is_real_time = True
    duration_ms = None  # unknown

    def __init__(
        self,
        open_device: OpenDevice,
        name: str | None = None,
        timeouts: MicrophoneTimeouts = DEFAULT_TIMEOUTS,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_close` is called, once or more, when the device is free for others."""
        self.name = "microphone"
        self._open_device = open_device
        self._requested_name = name
        self._timeouts = timeouts
        self._on_close = on_close
        self._device: Device | None = None
        self._format = AudioFormat()
        self._arrived: asyncio.Queue[bytes | _Mark] = asyncio.Queue()  # bounded in enqueue
        self._lost_chunks = 0
        self._stopped = asyncio.Event()

    async def open(self, listener: SourceListener) -> AudioFormat:
        self._listener = listener
        device = self._open_device(self._requested_name)
        self._format = AudioFormat(device.sample_rate_hz)
        self._start_device(device)
        return self._format

    async def chunks(self) -> AsyncIterator[bytes]:
        while (arrived := await self._arrived.get()) is not _Mark.END:
            if arrived is _Mark.LOST:
                await self._reconnect()
            else:
                yield arrived

    def stop(self) -> None:
        """End after `stop_delay_s`: users often press the key before they finish the last word."""
        self._stopped.set()
        asyncio.get_running_loop().call_later(self._timeouts.stop_delay_s, self.close)

    def close(self) -> None:
        """End at once; the audio queued so far can still be read."""
        self._stopped.set()
        if self._device is not None:
            self._device.stop()
            self._device = None
        self._arrived.put_nowait(_Mark.END)
        self._on_close()

    def enqueue(self, chunk: bytes) -> None:
        """Queue a chunk, unless the queue is full."""
        self._listener.on_audio(chunk, self._format)
        if self._arrived.qsize() >= MAX_QUEUED_S * 1000 // CHUNK_MS:
            if not self._lost_chunks:
                self._listener.warn(f"{MAX_QUEUED_S} s of audio are waiting for the server: new audio is lost.")
            self._lost_chunks += 1
            return
        if self._lost_chunks:
            self._listener.warn(f"{self._lost_chunks * CHUNK_MS / 1000:.1f} s of audio were lost.")
            self._lost_chunks = 0
        self._arrived.put_nowait(chunk)

    def warn(self, sentence: str) -> None:
        self._listener.warn(sentence)

    def end(self) -> None:
        self._arrived.put_nowait(_Mark.END)

    def device_lost(self, device: Device) -> None:
        if device is self._device:
            device.stop()
            self._device = None
            self._arrived.put_nowait(_Mark.LOST)

    def _start_device(self, device: Device) -> None:
        device.start(_LoopAudioSink(self, device, self._format.sample_rate_hz))
        self._device, self.name = device, device.name

    async def _reconnect(self) -> None:
        """Wait for the device, or for another one, and continue with it.

        Raises:
            SourceError: No microphone was connected in time.
        """
        timeout_s, start_s = self._timeouts.reconnect_s, time.monotonic()
        self._listener.warn(
            f"The microphone {self.name} was disconnected: reconnect it, or another one, within {timeout_s:.0f} s."
        )
        while not self._stopped.is_set():
            disconnected_s = time.monotonic() - start_s
            if await self._reopen(any_device=disconnected_s >= self._timeouts.same_device_s):
                disconnected_s = time.monotonic() - start_s
                self._listener.warn(f"Listening to {self.name}; {disconnected_s:.1f} s were not recorded.")
                return
            if disconnected_s >= timeout_s:
                raise SourceError(
                    f"the microphone {self.name} was disconnected, and none was connected within {timeout_s:.0f} s."
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), self._timeouts.retry_interval_s)

    async def _reopen(self, any_device: bool) -> bool:
        for name in [self._requested_name, None] if any_device else [self._requested_name]:
            with suppress(SourceError):
                device = await run_in_thread(partial(self._open_device, name))
                if not self._stopped.is_set():
                    self._start_device(device)
                return True
        return False


class _LoopAudioSink:
    """Posts chunks from the device's thread to the event loop, at the rate of the first device."""

    def __init__(self, microphone: Microphone, device: Device, rate_hz: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._microphone = microphone
        self._device = device
        self._convert = resampler(device.sample_rate_hz, rate_hz)

    def deliver(self, chunk: bytes) -> None:
        self._post(self._microphone.enqueue, self._convert(chunk))

    def warn(self, sentence: str) -> None:
        self._post(self._microphone.warn, sentence)

    def end(self) -> None:
        self._post(self._microphone.end)

    def device_lost(self) -> None:
        self._post(self._microphone.device_lost, self._device)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback, *arguments)
