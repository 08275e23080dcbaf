"""A stream's outgoing events, queued in order until the client reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from stt_service.session.events import Final, Observer, OutgoingEvent, Output, Partial, Suppressed

MAX_UNSENT_EVENTS = 64  # then no more of the client's audio is processed


class SendQueue:
    """Events that the client has not read yet. Bounded: a stream is not fed while MAX_UNSENT_EVENTS are queued."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._queue: deque[OutgoingEvent] = deque()
        self._closed = False
        self._arrived, self._removed = asyncio.Event(), asyncio.Event()

    @property
    def is_full(self) -> bool:
        return len(self._queue) >= MAX_UNSENT_EVENTS

    def put(self, event: OutgoingEvent) -> None:
        """Append an event; a partial replaces an unsent partial at the end of the queue."""
        if self._queue and isinstance(event.payload, Partial) and isinstance(self._queue[-1].payload, Partial):
            self._queue.pop()
            self._observer.on_partial_dropped()
        self._queue.append(event)
        self._observer.on_event(event)
        self._arrived.set()

    def close(self) -> None:
        """Make `next_event` return None once the queue is empty."""
        self._closed = True
        self._arrived.set()

    async def next_event(self) -> OutgoingEvent | None:
        """Wait for the next event; return None once the queue is closed and empty."""
        while not self._queue:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        self._removed.set()
        return self._queue.popleft()

    async def wait_for_space(self) -> None:
        """Wait until fewer than MAX_UNSENT_EVENTS are queued."""
        while self.is_full:
            self._removed.clear()
            await self._removed.wait()


def committed_positions(outputs: Sequence[Output], before_ms: int, after_ms: int) -> list[int]:
    """Return the committed position to send with each output.

    It advances with each final, so a client that loses its connection after the first of two finals resumes between
    them.
    """
    last = max((i for i, output in enumerate(outputs) if isinstance(output, Final | Suppressed)), default=-1)
    positions: list[int] = []
    for index, output in enumerate(outputs):
        if isinstance(output, Final | Suppressed):
            before_ms = output.committed_ms
        positions.append(before_ms if index <= last else after_ms)
    return positions
