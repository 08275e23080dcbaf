"""Who may come in: so many streams at once, from the moment the models are tried, but not while the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stt_service.errors import Overloaded, Unavailable

RETRY_AFTER_S = 2.0


class Admission:
    """The places for streams. Closed until it is opened."""

    def __init__(self, refused: Callable[[str], None] = lambda _: None) -> None:
        """Take who is told why somebody was refused: loading, draining or full."""
        self._refused = refused
        self.max_streams = 0
        self.streams = 0
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

    async def emptied(self) -> None:
        """Wait for the last one's end."""
        await self._empty.wait()

    @property
    def unready(self) -> str:
        """Why nobody is let in, however many places are free; empty when that is not so."""
        if self.draining.is_set():
            return "The server is going away: use another one."
        if not self.max_streams:
            return "The server is still loading its models: try again in a few seconds."
        return ""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place among the streams.

        Raises:
            Unavailable: the server is loading or draining.
            Overloaded: all places are taken.
        """
        self._check()
        self.streams += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.streams -= 1
            if not self.streams:
                self._empty.set()

    def _check(self) -> None:
        if self.unready:
            self._refused("draining" if self.draining.is_set() else "loading")
            raise Unavailable(self.unready)
        if self.streams >= self.max_streams:
            self._refused("full")
            raise Overloaded(
                f"All {self.max_streams} streams of this server are taken: try again later, or use another one.",
                RETRY_AFTER_S,
            )
