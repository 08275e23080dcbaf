"""What Ctrl-C, SIGTERM and SIGHUP do: the first ends the sources, or all if none is open; the second ends all.

A terminal that closes may send SIGHUP twice, by itself and by its shell. So SIGHUP never counts as the second signal.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Stoppable(Protocol):
    def stop(self) -> None: ...


class SignalHandler:
    def __init__(self, stopping: Callable[[], None] = lambda: None) -> None:
        """Take what to call when the sources are being ended."""
        self.signal: signal.Signals | None = None
        self._sources = list[Stoppable]()
        self._stopping = stopping
        self._task = asyncio.current_task()

    @contextmanager
    def watching(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            signals.append(signal.SIGHUP)
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
        if self.signal is not None and number is signal.SIGHUP:
            return
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
