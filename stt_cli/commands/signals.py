"""Handles Ctrl-C, SIGTERM and SIGHUP during recognition.

The first signal stops the open sources, so that pending text is still printed; if no source is open, it cancels the
recognition. The second signal cancels the recognition. A closing terminal may send SIGHUP twice, itself and through
its shell, so SIGHUP never counts as the second signal.
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
    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        """Args: `on_stop` is called when a signal stops the sources."""
        self.signal: signal.Signals | None = None
        self._sources = list[Stoppable]()
        self._on_stop = on_stop
        self._task = asyncio.current_task()

    @contextmanager
    def installed(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            signals.append(signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, self.handle_signal, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    @contextmanager
    def stopping(self, source: Stoppable) -> Iterator[None]:
        """Stop the source on the first signal."""
        self._sources.append(source)
        try:
            yield
        finally:
            self._sources.remove(source)

    def handle_signal(self, number: signal.Signals) -> None:
        if self.signal is not None and number is signal.SIGHUP:
            return
        is_first, self.signal = self.signal is None, number
        if is_first and self._sources:
            self._on_stop()
            for source in self._sources:
                source.stop()
        elif self._task is not None:
            self._task.cancel()

    @property
    def exit_code(self) -> int:
        return 128 + (self.signal or signal.SIGINT)
