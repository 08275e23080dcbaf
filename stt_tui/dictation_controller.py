"""Dictations of the editor: each opens the microphone, streams its audio to the server and forwards the events.

States of a dictation, with the listener's callbacks:
    opening      `on_opening`: waits for the device lock, then opens the device in a thread
    recording    `on_recording`: the microphone delivers audio; the client library is imported only now, in a thread,
                 because gRPC is slow to load, and the audio recorded meanwhile is buffered
    finalizing   `on_stopped`: the microphone is off, finals are pending
    ended        `on_ended`: no more events follow

Invariants:
- At most one dictation is opening or recording (`_current`); up to `MAX_PENDING_DICTATIONS` are in any state but
  ended, because a server that is down does not prevent further dictations.
- One microphone is open at a time: the device lock is held from before it opens until it is closed, so a new
  dictation waits for the device of the last one, but not for its finals.
- A stop during opening prevents the recording; a stop during recording ends the audio and keeps the events coming.
- Audio goes to the audio store before it goes to the server. It is discarded only if the dictation ended without an
  error; otherwise the store keeps it for a later recognition.
- A client error becomes one warning and ends this dictation only.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from stt_client.concurrency import run_in_thread
from stt_client.errors import ClientError, SourceError
from stt_client.events import AudioFormat, Event, StreamOptions

if TYPE_CHECKING:
    from stt_client.audio.devices import Device, OpenDevice
    from stt_client.audio.microphone import Microphone

OPEN_TIMEOUT_S = 30.0  # for opening a microphone; the thread of a stalled driver is abandoned
MAX_PENDING_DICTATIONS = 8  # dictations that are not ended, mostly because no server is reachable

Recognize = Callable[[AsyncIterator[bytes], StreamOptions], AsyncGenerator[Event, None]]


class DictationListener(Protocol):
    """Receives the events of dictations, on the event loop. Dictations are numbered from 1."""

    def warn(self, sentence: str) -> None: ...

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def on_opening(self) -> None: ...

    def on_recording(self) -> None:
        """The microphone is open: no audio is lost from now on."""

    def on_stopped(self) -> None:
        """The microphone no longer records."""

    def on_event(self, dictation: int, event: Event) -> None: ...

    def on_ended(self, dictation: int) -> None:
        """No more events follow."""


@dataclass(frozen=True, slots=True)
class Backends:
    """Factories that a dictation calls; both block and run in a thread."""

    open_device: OpenDevice
    load_recognize: Callable[[], Recognize]


class AudioStore(Protocol):
    """Stores audio until it is text."""

    def append(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def discard(self, dictation: int) -> None: ...


class DictationController:
    """Starts and stops dictations: one records at a time, earlier ones may have pending finals."""

    def __init__(
        self,
        backends: Backends,
        options: StreamOptions,
        device: str | None,
        listener: DictationListener,
        audio_store: AudioStore,
    ) -> None:
        self._backends = backends
        self._audio_store = audio_store
        self._options = replace(options, partials=True)
        self._device = device
        self._listener = listener
        self._current = 0  # the dictation that is opening or recording; 0: none
        self._microphone: Microphone | None = None
        self._last_number = 0
        self._pending = set[int]()
        self._idle = asyncio.Event()
        self._idle.set()
        self._device_use = asyncio.Lock()  # held from before a microphone opens until it is closed
        self._imports = Lock()  # concurrent imports of modules that import each other can yield partial modules

    @property
    def is_recording(self) -> bool:
        return self._current > 0

    @property
    def has_pending(self) -> bool:
        """Whether finals are pending."""
        return bool(self._pending)

    async def wait_until_idle(self) -> None:
        """Wait until no final is pending."""
        await self._idle.wait()

    def stop(self) -> None:
        """Stop recording; the recorded audio is still recognized."""
        self._current = 0
        if self._microphone is not None:
            self._microphone.stop()
            self._microphone = None
        self._listener.on_stopped()

    async def dictate(self) -> None:
        """Record until stopped, and forward events until all of the audio is recognized."""
        if len(self._pending) >= MAX_PENDING_DICTATIONS:
            self._listener.warn(f"Not recording: {MAX_PENDING_DICTATIONS} dictations wait for the server.")
            return
        self._last_number += 1
        self._current = dictation = self._last_number
        self._pending.add(dictation)
        self._idle.clear()
        try:
            await self._dictate(dictation)
            self._audio_store.discard(dictation)
        except ClientError as error:
            self._listener.warn(f"{error}")
        finally:
            self._stop_if_current(dictation)
            self._pending.discard(dictation)
            if not self._pending:
                self._idle.set()
            self._listener.on_ended(dictation)

    async def _dictate(self, dictation: int) -> None:
        self._listener.on_opening()
        await self._device_use.acquire()
        with ExitStack() as device_use:
            device_use.callback(self._device_use.release)
            microphone = await self._open_microphone(dictation, device_use.close)
            if microphone is None:
                return  # stopped while opening
            device_use.callback(microphone.close)
            audio_format = await microphone.open(self._listener)
            self._microphone = microphone
            self._listener.on_recording()
            await self._recognize(dictation, microphone, audio_format)

    async def _open_microphone(self, dictation: int, closed: Callable[[], object]) -> Microphone | None:
        """Return the microphone, or None if the dictation is stopped before the microphone is open."""
        if self._current != dictation:
            return None
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                device = await run_in_thread(self._open_device)
        except TimeoutError as error:
            raise SourceError(f"the microphone did not open in {OPEN_TIMEOUT_S:.0f} s.") from error
        return self._new_microphone(device, closed) if self._current == dictation else None

    async def _recognize(self, dictation: int, microphone: Microphone, audio_format: AudioFormat) -> None:
        recognize = await run_in_thread(self._load_recognize)
        options = replace(self._options, format=audio_format)
        async with aclosing(recognize(self._chunks(dictation, microphone, audio_format), options)) as events:
            async for event in events:
                self._listener.on_event(dictation, event)

    def _open_device(self) -> Device:
        with self._imports:
            importlib.import_module("stt_client.audio.microphone")
        return self._backends.open_device(self._device)

    def _load_recognize(self) -> Recognize:
        with self._imports:
            return self._backends.load_recognize()

    def _new_microphone(self, device: Device, closed: Callable[[], object]) -> Microphone:
        """Return a microphone that starts with this device and opens another if the device disappears."""
        from stt_client.audio.microphone import Microphone

        first = [device]
        return Microphone(
            lambda name: first.pop() if first else self._backends.open_device(name), self._device, on_close=closed
        )

    async def _chunks(self, dictation: int, microphone: Microphone, audio_format: AudioFormat) -> AsyncIterator[bytes]:
        async for chunk in microphone.chunks():
            self._audio_store.append(dictation, chunk, audio_format)
            yield chunk
        self._stop_if_current(dictation)  # the microphone ended, as a played file does

    def _stop_if_current(self, dictation: int) -> None:
        if self._current == dictation:
            self.stop()
