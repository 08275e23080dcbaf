"""What a stream's client is told, kept in order until it is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from stt_service.session.events import Event, Final, Output, Partial, Suppressed
from stt_service.settings.schema import RuntimeSettings

MAX_UNSENT_EVENTS = 64  # events; then the stream's client has to wait


class NoticeReason(Enum):
    """Why a notice is told; the name is the wire's."""

    DRAIN = "The server is going away: what is owed comes first, then resume on another one."
    PARTIALS_SHED = "The server is busy: partials come less often, finals do not suffer."
    PARTIALS_RESTORED = "Partials come as often as before."


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the client should know while the stream goes on."""

    reason: NoticeReason
    remaining_s: float | None = None  # until the server goes


Payload = Event | Notice | RuntimeSettings | None  # None: only how far the stream is


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """What the client is told, and how far the stream was then."""

    received_ms: int
    committed_ms: int
    event: Payload
    live: bool = True  # the stream does not run ahead of the clock


class Observer(Protocol):
    """Is told what becomes of a stream. Must be quick, and fail at nothing."""

    def on_pending_finals(self, finals: int) -> None:
        """So many utterances have ended that are not told of."""

    def on_event(self, told: OutgoingEvent) -> None:
        """The client is told this, unless a newer partial replaces it."""

    def on_partial_superseded(self) -> None:
        """A partial's turn did not come before it was of no use."""

    def on_partial_dropped(self) -> None:
        """A partial was replaced by a newer one before it was taken."""


class NullObserver:
    """Nobody counts."""

    def on_pending_finals(self, finals: int) -> None:
        pass

    def on_event(self, told: OutgoingEvent) -> None:
        pass

    def on_partial_superseded(self) -> None:
        pass

    def on_partial_dropped(self) -> None:
        pass


class SendQueue:
    """Events that wait for the client to read: bounded, since a stream is not fed while MAX_UNSENT wait."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._waiting: deque[OutgoingEvent] = deque()
        self._closed = False
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= MAX_UNSENT_EVENTS

    def put(self, told: OutgoingEvent) -> None:
        """Add an event; a partial takes the place of one that was not taken yet."""
        if self._waiting and isinstance(told.event, Partial) and isinstance(self._waiting[-1].event, Partial):
            self._waiting.pop()
            self._observer.on_partial_dropped()
        self._waiting.append(told)
        self._observer.on_event(told)
        self._arrived.set()

    def close(self) -> None:
        """Let the taker end once it has taken what waits."""
        self._closed = True
        self._arrived.set()

    async def next_event(self) -> OutgoingEvent | None:
        """Wait for the next event; None at the end."""
        while not self._waiting:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        self._taken.set()
        return self._waiting.popleft()

    async def wait_for_space(self) -> None:
        """Wait until fewer than MAX_UNSENT wait."""
        while self.is_full:
            self._taken.clear()
            await self._taken.wait()


def committed_positions(outputs: Sequence[Output], before_ms: int, after_ms: int) -> list[int]:
    """Return how far the stream is settled once each output is told.

    A client that loses its connection after the first of two finals resumes between them.
    """
    last = max((i for i, output in enumerate(outputs) if isinstance(output, Final | Suppressed)), default=-1)
    positions: list[int] = []
    for place, output in enumerate(outputs):
        if isinstance(output, Final | Suppressed):
            before_ms = output.committed_ms
        positions.append(before_ms if place <= last else after_ms)
    return positions
