"""Whether streams are let in: admission and health, which never say different things."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs lack it

from stt_service.admission import Admission
from stt_service.errors import Unavailable


class State(Enum):
    """What the server is at."""

    LOADING = auto()
    SERVING = auto()
    DRAINING = auto()


class Gate:
    """The way in. It opens once, drains and opens again as operators want it, and ends once."""

    def __init__(self, services: tuple[str, ...], refused: Callable[[str], None] = lambda _: None) -> None:
        """Take the names that health answers for, and who is told why a stream was refused."""
        self.admission, self.health = Admission(refused), health.HealthServicer()
        self._services = services
        self._ending = False

    @property
    def state(self) -> State:
        if self.admission.draining.is_set():
            return State.DRAINING
        return State.SERVING if self.admission.max_streams else State.LOADING

    async def shut(self) -> None:
        """Say NOT_SERVING, as a server does that begins."""
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def open(self, max_streams: int) -> None:
        """Let streams in: so many at once."""
        self.admission.open(max_streams)
        if self.state is State.SERVING:
            await self._tell(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Let none in any more, and tell those who are in to go."""
        await self.shut()
        self.admission.close()

    async def cancel_drain(self) -> None:
        """Let streams in again.

        Raises:
            Unavailable: the server is going for good.
        """
        if self._ending:
            raise Unavailable("The server's process is ending: start it again.")
        self.admission.reopen()
        if self.state is State.SERVING:
            await self._tell(health_pb2.HealthCheckResponse.SERVING)

    async def end(self) -> None:
        """Drain, and never open again."""
        self._ending = True
        await self.drain()

    async def _tell(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._services):
            await self.health.set(name, status)
