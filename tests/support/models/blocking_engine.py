"""An engine that returns the names of windows after it is released."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np

from stt_service.session.events import Decode
from stt_service.whisper.types import DecodeOptions, Kind, Transcript, Window


class BlockingEngine:
    """Waits for `release`, then returns each window's name, or raises the exception in `failures` of the name."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failures: dict[str, Exception] = {}
        self._loop = asyncio.get_running_loop()
        self._entered, self._released = asyncio.Event(), threading.Event()

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        names = [window.options.initial_prompt for window in windows]
        self.batches.append(names)
        self._loop.call_soon_threadsafe(self._entered.set)
        self._released.wait()
        for name in names:
            if name in self.failures:
                raise self.failures[name]
        return [Transcript(name, "ru", 1, -0.2, 0, 1) for name in names]

    async def entered(self) -> None:
        """Wait for a batch to start since the previous call."""
        await self._entered.wait()
        self._entered.clear()

    def release(self) -> None:
        self._released.set()


def decode(kind: Kind, name: str, utterance: int = 0) -> Decode:
    """Return a decode whose window has this name."""
    options = DecodeOptions(initial_prompt=name, kind=kind)
    return Decode(utterance, kind, Window(np.zeros(0, np.float32), options), 0, 0)
