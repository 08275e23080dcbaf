"""Limits the event-loop time of streams that run faster than real time: together they use at most half of it.

The audio of such a stream is processed in short time slices, one at a time over all streams. After a slice of t seconds
no other starts for t seconds. Clients share the budget equally, and the streams of a client share its part equally
(`fair_queueing.py`). Real-time streams bypass the budget and are never delayed by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from stt_service.scheduling.fair_queueing import FairShares, OwnerPath

CREDIT_S = 0.1  # loop time that an owner may be behind its share and catch up on: some time slices. Our choice.

CallLater = Callable[[float, Callable[[], None]], object]  # calls the function after this many seconds


def _call_later(seconds: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, call)


class LoopBudget:
    """Grants one time slice at a time. Admission bounds the waiting streams, and each waits for one slice."""

    def __init__(self, now: Callable[[], float] = time.monotonic, call_later: CallLater = _call_later) -> None:
        self._now, self._later = now, call_later
        self._shares = FairShares(CREDIT_S)
        self._waiting: dict[asyncio.Future[None], OwnerPath] = {}
        self._is_free = True

    @asynccontextmanager
    async def time_slice(self, owner: OwnerPath) -> AsyncIterator[None]:
        """Wait until the owner may run; the body is its time slice and must not await."""
        await self._acquire(owner)
        started = self._now()
        try:
            yield
        finally:
            self._release(owner, self._now() - started)

    async def _acquire(self, owner: OwnerPath) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = owner
        if self._is_free:
            self._grant_next()
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(turn, None) is None:  # canceled after it was granted
                self._release(owner, 0.0)
            raise

    def _grant_next(self) -> None:
        """Grant the slice to the owner that is due. A future that was just canceled is removed by its task."""
        pending = [turn for turn in self._waiting if not turn.done()]
        self._is_free = not pending
        if pending:
            turn = pending[self._shares.order([self._waiting[turn] for turn in pending])[0]]
            self._shares.begin(self._waiting.pop(turn))
            turn.set_result(None)

    def _release(self, owner: OwnerPath, took_s: float) -> None:
        self._shares.end(owner, took_s)
        self._later(took_s, self._grant_next)
