"""Who may come in: so many streams at once, from the moment the models are tried, but not while the server drains."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stt_service.access.rate_limit import RateLimiter
from stt_service.errors import ResourceExhaustedError, UnavailableError

RETRY_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class ClientQuota:
    """What one peer may have; 0: no bound."""

    streams: int = 0
    calls_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Who wants a place, and when, in monotonic seconds."""

    name: str
    now_s: float
    share: ClientQuota = ClientQuota()


ANYBODY = ClientIdentity("", 0.0)


class AdmissionControl:
    """The places for streams. Closed until it is opened."""

    def __init__(self, refused: Callable[[str], None] = lambda _: None) -> None:
        """Take who is told why somebody was refused: loading, draining, full or share."""
        self._refused = refused
        self.max_streams = 0
        self.streams = 0
        self._of_peers = Counter[str]()  # bounded by the streams: who has none is not kept
        self._rates = RateLimiter()
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = asyncio.Event()  # who waits for it goes, whatever becomes of the drain

    def open(self, max_streams: int) -> None:
        """Let so many streams in at once, now or from the end of a drain on. Those that are in stay."""
        self.max_streams = max_streams

    def close(self) -> None:
        """Let nobody in any more, and tell those who are in to go."""
        self.draining.set()

    def reopen(self) -> None:
        """Let streams in again. Those that were told to go still do."""
        self.draining.clear()

    async def wait_until_idle(self) -> None:
        """Wait for the last one's end."""
        await self._empty.wait()

    @property
    def not_ready_reason(self) -> str:
        """Why nobody is let in, however many places are free; empty when that is not so."""
        if self.draining.is_set():
            return "The server is going away: use another one."
        if not self.max_streams:
            return "The server is still loading its models: try again in a few seconds."
        return ""

    @contextmanager
    def acquire_slot(self, caller: ClientIdentity = ANYBODY) -> Iterator[None]:
        """Hold a place among the streams.

        Raises:
            Unavailable: the server is loading or draining.
            Overloaded: all places are taken, or all that the caller may have.
        """
        self._check_share(caller)
        self._check()
        self.streams += 1
        self._of_peers[caller.name] += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._leave(caller.name)

    def _leave(self, name: str) -> None:
        self._of_peers[name] -= 1
        if not self._of_peers[name]:
            del self._of_peers[name]
        self.streams -= 1
        if not self.streams:
            self._empty.set()

    def _check_share(self, caller: ClientIdentity) -> None:
        """Refuse a peer that asks too often or has enough. Neither message names a peer."""
        most, often = caller.share.streams, caller.share.calls_per_minute
        if wait_s := self._rates.retry_after_s(caller.name, caller.now_s, often):
            self._refused("quota")
            raise ResourceExhaustedError(
                f"You began {often} calls in a minute, and none may begin more: go slower.", wait_s
            )
        if most and self._of_peers[caller.name] >= most:
            self._refused("quota")
            raise ResourceExhaustedError(
                f"You have {most} streams, and none may have more: end one first.", RETRY_AFTER_S
            )

    def _check(self) -> None:
        if self.not_ready_reason:
            self._refused("draining" if self.draining.is_set() else "loading")
            raise UnavailableError(self.not_ready_reason)
        if self.streams >= self.max_streams:
            self._refused("full")
            raise ResourceExhaustedError(
                f"All {self.max_streams} streams of this server are taken: try again later, or use another one.",
                RETRY_AFTER_S,
            )
