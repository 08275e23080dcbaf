"""The event-loop time of all streams that run faster than real time: together they take at most half of it.

What such a stream sends is worked on in short pieces, one at a time over all streams. After a piece that took t seconds
no other begins for t seconds. Clients share the budget equally, and the streams of one client what it gets
(fair_shares.py). Streams at real-time pace do not pass through here and are never delayed by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from stt_service.scheduling.fair_queueing import FairShares, OwnerPath

CREDIT_S = 0.1  # of loop time that an owner may be behind its share and catch up on: some pieces. Ours.

Later = Callable[[float, Callable[[], None]], object]  # calls the function after so many seconds


def _call_later(seconds: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, call)


class LoopBudget:
    """Admits one piece at a time. The waiting streams are bounded by admission: each waits with one piece."""

    def __init__(self, now: Callable[[], float] = time.monotonic, later: Later = _call_later) -> None:
        self._now, self._later = now, later
        self._shares = FairShares(CREDIT_S)
        self._waiting: dict[asyncio.Future[None], OwnerPath] = {}
        self._is_free = True

    @asynccontextmanager
    async def time_slice(self, owner: OwnerPath) -> AsyncIterator[None]:
        """Wait for the owner's turn; the body, which must not wait, is its piece."""
        await self._turn(owner)
        began = self._now()
        try:
            yield
        finally:
            self._leave(owner, self._now() - began)

    async def _turn(self, owner: OwnerPath) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = owner
        if self._is_free:
            self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(turn, None) is None:  # cancelled once the turn had come
                self._leave(owner, 0.0)
            raise

    def _admit(self) -> None:
        """Give the turn to who is due; what was cancelled just now is gone when its task runs."""
        turns = [turn for turn in self._waiting if not turn.done()]
        self._is_free = not turns
        if turns:
            turn = turns[self._shares.order([self._waiting[turn] for turn in turns])[0]]
            self._shares.begin(self._waiting.pop(turn))
            turn.set_result(None)

    def _leave(self, owner: OwnerPath, took_s: float) -> None:
        self._shares.end(owner, took_s)
        self._later(took_s, self._admit)
