"""Who may come in: so many streams at once, from the moment the models are tried until the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from stt_service.errors import Overloaded, Unavailable

RETRY_AFTER_S = 2.0


class Admission:
    """The places for streams. Closed until it is opened; drained, it does not open again."""

    def __init__(self) -> None:
        self._max_streams = 0
        self._streams = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = asyncio.Event()

    def open(self, max_streams: int) -> None:
        """Let so many streams in at once."""
        self._max_streams = max_streams

    async def drain(self) -> None:
        """Let nobody in any more, and wait for the last one's end."""
        self.draining.set()
        await self._empty.wait()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place among the streams.

        Raises:
            Unavailable: the server is loading or draining.
            Overloaded: all places are taken.
        """
        self._check()
        self._streams += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._streams -= 1
            if not self._streams:
                self._empty.set()

    def _check(self) -> None:
        if self.draining.is_set():
            raise Unavailable("The server is going away: use another one.")
        if not self._max_streams:
            raise Unavailable("The server is still loading its models: try again in a few seconds.")
        if self._streams >= self._max_streams:
            raise Overloaded(
                f"All {self._max_streams} streams of this server are taken: try again later, or use another one.",
                RETRY_AFTER_S,
            )
