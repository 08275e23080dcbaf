"""An event loop whose clock jumps to the next timer when no other work is left: hours pass immediately.

For coroutines that wait for each other and for timers only: time would run ahead of threads and sockets.
"""

from __future__ import annotations

import asyncio
import selectors


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 0 s."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now_s


class _Skipping(selectors.DefaultSelector):
    """Advances the clock by the loop's sleep time instead of sleeping."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self.now_s += timeout
            timeout = 0
        return super().select(timeout)
