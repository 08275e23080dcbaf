"""What Ctrl-C and SIGTERM do: the first ends the sources, or all if none is open; the second ends all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Stoppable(Protocol):
    def stop(self) -> None: ...


class Interruption:
    def __init__(self, stopping: Callable[[], None] = lambda: None) -> None:
        """Take what to call when the sources are being ended."""
        self.signal: signal.Signals | None = None
        self._sources = list[Stoppable]()
        self._stopping = stopping
        self._task = asyncio.current_task()

    @contextmanager
    def watching(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.interrupt, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    @contextmanager
    def ending(self, source: Stoppable) -> Iterator[None]:
        """Have the source ended by the first signal."""
        self._sources.append(source)
        try:
            yield
        finally:
            self._sources.remove(source)

    def interrupt(self, number: signal.Signals) -> None:
        first, self.signal = self.signal is None, number
        if first and self._sources:
            self._stopping()
            for source in self._sources:
                source.stop()
        elif self._task is not None:
            self._task.cancel()

    @property
    def exit_code(self) -> int:
        return 128 + (self.signal or signal.SIGINT)
