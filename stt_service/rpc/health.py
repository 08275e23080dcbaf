"""Whether streams are let in: admission and health, which never say different things."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs lack it

from stt_service.access.admission import AdmissionControl
from stt_service.errors import InvalidRequestError, SttError, UnavailableError
from stt_service.rpc.status_mapping import abort

if TYPE_CHECKING:
    from stt_service.rpc.request_reader import Request
    from stt_service.rpc.status_mapping import AnyContext

HEALTH_CHECK = f"/{health_pb2.DESCRIPTOR.services_by_name['Health'].full_name}/Check"
CHECKS = 2  # requests of Health/Check that are received at the same time; each can be as large as a recording
CHECK_S = 1.0  # for one to arrive
MAX_NAME = 256  # characters of a service that is watched: its name is kept


class State(Enum):
    """What the server is at."""

    LOADING = auto()
    SERVING = auto()
    DRAINING = auto()


class Health(health.HealthServicer):  # type: ignore[misc]  # the stubs lack it
    """The health service. `Check` is open to everybody, so it receives few requests at once and waits for none long."""

    def __init__(self) -> None:
        super().__init__()
        self._receiving = 0

    async def Check(  # noqa: N802
        self, request: Request[health_pb2.HealthCheckRequest], context: AnyContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the health of the service that is named; of the whole server where too many requests arrive at once.

        Both are always the same, so a balancer gets its answer whoever else asks.
        """
        try:
            named = await self._read(request) if self._receiving < CHECKS else health_pb2.HealthCheckRequest()
        except SttError as error:
            await abort(context, error)
        response: health_pb2.HealthCheckResponse = await super().Check(named, context)
        return response

    async def _read(self, request: Request[health_pb2.HealthCheckRequest]) -> health_pb2.HealthCheckRequest:
        self._receiving += 1
        try:
            return await request.read(CHECK_S)
        finally:
            self._receiving -= 1

    async def List(  # noqa: N802
        self, _request: health_pb2.HealthListRequest, _context: AnyContext
    ) -> health_pb2.HealthListResponse:
        """Return the health of every service."""
        statuses = {name: health_pb2.HealthCheckResponse(status=now) for name, now in self._server_status.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: AnyContext) -> None:  # noqa: N802
        """Send the health of the service whenever it changes."""
        if len(request.service) > MAX_NAME:
            raise InvalidRequestError(f"service has {len(request.service)} characters: it may have {MAX_NAME}.")
        await super().Watch(request, context)


class ServingState:
    """The way in. It opens once, drains and opens again as operators want it, and ends once."""

    def __init__(self, services: tuple[str, ...], refused: Callable[[str], None] = lambda _: None) -> None:
        """Take the names that health answers for, and who is told why a stream was refused."""
        self.admission, self.health = AdmissionControl(refused), Health()
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
            raise UnavailableError("The server's process is ending: start it again.")
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
