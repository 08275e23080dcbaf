"""Dictations as the editor sees them: opens the microphone, asks for recognition, tells what comes of it.

What is slow to load, gRPC above all, loads in a thread once the microphone listens: nothing said is lost meanwhile.
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

OPEN_S = 30.0  # waited for a microphone; a driver that hangs leaves its thread behind
MAX_PENDING_DICTATIONS = 8  # dictations that wait for a server; then no other begins

Recognize = Callable[[AsyncIterator[bytes], StreamOptions], AsyncGenerator[Event, None]]


class Listener(Protocol):
    """Hears of dictations, on the loop. They are counted from 1 on."""

    def warn(self, sentence: str) -> None: ...

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def opening(self) -> None: ...

    def recording(self) -> None:
        """From now on nothing that is said is lost."""

    def silent(self) -> None:
        """The microphone does not record any more."""

    def recognised(self, dictation: int, event: Event) -> None: ...

    def ended(self, dictation: int) -> None:
        """Nothing more will come of it."""


@dataclass(frozen=True, slots=True)
class Backends:
    """What a dictation needs; both block, and run in a thread."""

    open_device: OpenDevice
    load_recognize: Callable[[], Recognize]


class Keeper(Protocol):
    """Keeps what is said until it is text."""

    def keep(self, dictation: int, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def forget(self, dictation: int) -> None: ...


class DictationController:
    """At most one dictation records; those before it may still be owed words."""

    def __init__(
        self, means: Backends, options: StreamOptions, device: str | None, listener: Listener, keeper: Keeper
    ) -> None:
        self._means = means
        self._keeper = keeper
        self._options = replace(options, partials=True)
        self._device = device
        self._listener = listener
        self._recorded = 0  # the dictation that is opening the microphone or records; 0: none
        self._microphone: Microphone | None = None
        self._begun = 0
        self._owed = set[int]()
        self._idle = asyncio.Event()
        self._idle.set()
        self._device_use = asyncio.Lock()  # one microphone at a time, from before it opens until it is closed
        self._imports = Lock()  # two threads that import modules of one another may get half of them

    @property
    def is_on(self) -> bool:
        return self._recorded > 0

    @property
    def is_owed(self) -> bool:
        """Whether words may still come."""
        return bool(self._owed)

    async def settled(self) -> None:
        """Wait until no word is owed."""
        await self._idle.wait()

    def stop(self) -> None:
        """Record no more; what was said is still recognised."""
        self._recorded = 0
        if self._microphone is not None:
            self._microphone.stop()
            self._microphone = None
        self._listener.silent()

    async def dictate(self) -> None:
        """Record until stopped, and tell what is recognised until all of it is."""
        if len(self._owed) >= MAX_PENDING_DICTATIONS:
            self._listener.warn(f"{MAX_PENDING_DICTATIONS} dictations wait for the server: no other can begin.")
            return
        self._begun += 1
        self._recorded = dictation = self._begun
        self._owed.add(dictation)
        self._idle.clear()
        try:
            await self._dictate(dictation)
            self._keeper.forget(dictation)
        except ClientError as error:
            self._listener.warn(f"{error}")
        finally:
            self._end(dictation)
            self._owed.discard(dictation)
            if not self._owed:
                self._idle.set()
            self._listener.ended(dictation)

    async def _dictate(self, dictation: int) -> None:
        self._listener.opening()
        await self._device_use.acquire()
        with ExitStack() as held:  # the device, until its microphone is closed
            held.callback(self._device_use.release)
            microphone = await self._opened(dictation, held.close)
            if microphone is None:
                return  # stopped meanwhile
            held.callback(microphone.close)
            audio_format = await microphone.open(self._listener)
            self._microphone = microphone
            self._listener.recording()
            await self._recognize(dictation, microphone, audio_format)

    async def _opened(self, dictation: int, closed: Callable[[], object]) -> Microphone | None:
        """Return the microphone, unless the dictation is stopped before it is open."""
        if self._recorded != dictation:
            return None
        try:
            async with asyncio.timeout(OPEN_S):
                device = await run_in_thread(self._open)
        except TimeoutError as error:
            raise SourceError(f"the microphone did not open in {OPEN_S:.0f} s.") from error
        return self._prepared(device, closed) if self._recorded == dictation else None

    async def _recognize(self, dictation: int, microphone: Microphone, audio_format: AudioFormat) -> None:
        recognize = await run_in_thread(self._load_recognize)
        options = replace(self._options, format=audio_format)
        async with aclosing(recognize(self._chunks(dictation, microphone, audio_format), options)) as events:
            async for event in events:
                self._listener.recognised(dictation, event)

    def _open(self) -> Device:
        with self._imports:
            importlib.import_module("stt_client.audio.microphone")
        return self._means.open_device(self._device)

    def _load_recognize(self) -> Recognize:
        with self._imports:
            return self._means.load_recognize()

    def _prepared(self, device: Device, closed: Callable[[], object]) -> Microphone:
        """Return a microphone that begins with this device, and finds another if it goes away."""
        from stt_client.audio.microphone import Microphone

        first = [device]
        return Microphone(
            lambda name: first.pop() if first else self._means.open_device(name), self._device, on_close=closed
        )

    async def _chunks(self, dictation: int, microphone: Microphone, audio_format: AudioFormat) -> AsyncIterator[bytes]:
        async for chunk in microphone.chunks():
            self._keeper.keep(dictation, chunk, audio_format)
            yield chunk
        self._end(dictation)  # it has ended by itself

    def _end(self, dictation: int) -> None:
        if self._recorded == dictation:
            self.stop()
