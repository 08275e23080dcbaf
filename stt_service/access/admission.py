"""Admission of streams: a limited number at once, from the time the models are loaded until the server drains."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

from stt_service.access.rate_limit import RateLimiter
from stt_service.errors import ResourceExhaustedError, UnavailableError

RETRY_AFTER_S = 2.0
LOADING = "The server is still loading its models: try again in a few seconds."
DRAINING = "The server is draining: use another server."

LoadedT = TypeVar("LoadedT")


class ServingState(Enum):
    """The state of the server, as health and Control report it."""

    LOADING = auto()
    SERVING = auto()
    DRAINING = auto()


@dataclass(frozen=True, slots=True)
class ClientQuota:
    """The limits of one client; 0: no limit."""

    streams: int = 0
    calls_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """The client of a call, and the time of the call in monotonic seconds."""

    name: str
    now_s: float
    quota: ClientQuota = ClientQuota()


ANONYMOUS = ClientIdentity("", 0.0)


async def _no_health(_: bool) -> None:
    pass


class AdmissionControl(Generic[LoadedT]):
    """The slots for streams, and the state that health reports: the same object, so they never disagree.

    It starts in LOADING and serves from `open` on. Operators can drain it and cancel the drain; `shut_down` is final.
    """

    def __init__(
        self,
        on_rejected: Callable[[str], None] = lambda _: None,
        publish_health: Callable[[bool], Awaitable[None]] = _no_health,
    ) -> None:
        """Start closed.

        Args:
            on_rejected: receives the reason of each rejection: loading, draining, full or quota.
            publish_health: receives whether the server serves, at each change.
        """
        self._on_rejected, self._publish_health = on_rejected, publish_health
        self.loaded: LoadedT | None = None
        self.max_streams = 0
        self.streams = 0
        self.draining = asyncio.Event()  # streams that wait for it end, even if the drain is canceled
        self._streams_by_client = Counter[str]()  # clients with streams only, so it is bounded by them
        self._rate_limiter = RateLimiter()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_shutting_down = False

    @property
    def state(self) -> ServingState:
        if self.draining.is_set():
            return ServingState.DRAINING
        return ServingState.LOADING if self.loaded is None else ServingState.SERVING

    @property
    def not_ready_reason(self) -> str:
        """Why no stream is admitted, even with free slots; empty if streams are admitted."""
        return {ServingState.DRAINING: DRAINING, ServingState.LOADING: LOADING}.get(self.state, "")

    def require_loaded(self) -> LoadedT:
        """Return the loaded server.

        Raises:
            UnavailableError: the server is still loading.
        """
        if self.loaded is None:
            raise UnavailableError(LOADING)
        return self.loaded

    async def open(self, loaded: LoadedT, max_streams: int) -> None:
        """Admit up to `max_streams` streams at once, which use the loaded server."""
        self.loaded = loaded
        await self.resize(max_streams)

    async def resize(self, max_streams: int) -> None:
        """Change the number of slots, now or from the end of a drain on. Open streams continue."""
        self.max_streams = max_streams
        await self._publish_if_serving()

    async def drain(self) -> None:
        """Admit no more streams, and ask the open ones to end."""
        await self._publish_health(False)
        self.draining.set()

    async def cancel_drain(self) -> None:
        """Admit streams again. Streams that were asked to end still do.

        Raises:
            UnavailableError: the server is shutting down.
        """
        if self._is_shutting_down:
            raise UnavailableError("The server is shutting down: start it again.")
        self.draining.clear()
        await self._publish_if_serving()

    async def shut_down(self) -> None:
        """Drain without return."""
        self._is_shutting_down = True
        await self.drain()

    async def wait_until_idle(self) -> None:
        """Wait until no slot is used."""
        await self._idle.wait()

    @contextmanager
    def acquire_slot(self, client: ClientIdentity = ANONYMOUS) -> Iterator[LoadedT]:
        """Hold a slot; yield the loaded server.

        Raises:
            UnavailableError: the server is loading or draining.
            ResourceExhaustedError: all slots are used, or the client's quota is.
        """
        self._check_rate(
            client,
            self._rate_limiter.retry_after_s(client.name, client.now_s, client.quota.calls_per_minute),
        )
        loaded = self._check_free(client)
        self.streams += 1
        self._streams_by_client[client.name] += 1
        self._idle.clear()
        try:
            yield loaded
        finally:
            self._release_slot(client.name)

    def check(self, client: ClientIdentity) -> None:
        """Check whether `acquire_slot` would hold a slot now, without counting a call.

        Raises:
            UnavailableError: the server is loading or draining.
            ResourceExhaustedError: all slots are used, or the client's quota is.
        """
        self._check_rate(client, self._rate_limiter.wait_s(client.name, client.now_s, client.quota.calls_per_minute))
        self._check_free(client)

    def _release_slot(self, name: str) -> None:
        self._streams_by_client[name] -= 1
        if not self._streams_by_client[name]:
            del self._streams_by_client[name]
        self.streams -= 1
        if not self.streams:
            self._idle.set()

    def _check_rate(self, client: ClientIdentity, wait_s: float) -> None:
        """Reject a client that must wait before its next call."""
        if wait_s:
            self._on_rejected("quota")
            raise ResourceExhaustedError(
                f"Rate limit exceeded: at most {client.quota.calls_per_minute} calls per minute.", wait_s
            )

    def _check_free(self, client: ClientIdentity) -> LoadedT:
        """Reject a client with too many streams, and all if no slot is free. The messages do not name the client."""
        max_streams = client.quota.streams
        if max_streams and self._streams_by_client[client.name] >= max_streams:
            self._on_rejected("quota")
            raise ResourceExhaustedError(
                f"Stream limit exceeded: at most {max_streams} streams per client; close one first.", RETRY_AFTER_S
            )
        if self.loaded is None or self.draining.is_set():
            self._on_rejected("draining" if self.draining.is_set() else "loading")
            raise UnavailableError(self.not_ready_reason)
        if self.streams >= self.max_streams:
            self._on_rejected("full")
            raise ResourceExhaustedError(
                f"All {self.max_streams} slots of this server are in use: try again later, or use another server.",
                RETRY_AFTER_S,
            )
        return self.loaded

    async def _publish_if_serving(self) -> None:
        if self.state is ServingState.SERVING:
            await self._publish_health(True)
