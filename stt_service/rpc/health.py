"""The gRPC health service: publishes the state of AdmissionControl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # missing in the stubs

from stt_service.errors import InvalidRequestError, SttError
from stt_service.rpc.status_mapping import abort

if TYPE_CHECKING:
    from stt_service.rpc.request_reader import Request
    from stt_service.rpc.status_mapping import AnyContext

HEALTH_CHECK = f"/{health_pb2.DESCRIPTOR.services_by_name['Health'].full_name}/Check"
MAX_PENDING_CHECKS = 2  # requests of Health/Check received at the same time; each can be as large as a recording
CHECK_TIMEOUT_S = 1.0  # for one to arrive
MAX_NAME = 256  # characters of a watched service: its name is stored


class Health(health.HealthServicer):  # type: ignore[misc]  # missing in the stubs
    """The health service of these services and of the whole server ("").

    `Check` needs no token, so it receives few requests at once and waits briefly for each.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__()
        self._names = ("", *services)
        self._receiving = 0

    async def publish(self, serving: bool) -> None:
        """Report SERVING or NOT_SERVING for all services from now on."""
        response = health_pb2.HealthCheckResponse
        for name in self._names:
            await self.set(name, response.SERVING if serving else response.NOT_SERVING)

    async def Check(  # noqa: N802
        self, request: Request[health_pb2.HealthCheckRequest], context: AnyContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the health of the named service, or of the whole server if too many requests arrive at once.

        Both are always the same, so a load balancer gets its answer whatever other clients send.
        """
        try:
            is_busy = self._receiving >= MAX_PENDING_CHECKS
            named = health_pb2.HealthCheckRequest() if is_busy else await self._read(request)
        except SttError as error:
            await abort(context, error)
        response: health_pb2.HealthCheckResponse = await super().Check(named, context)
        return response

    async def _read(self, request: Request[health_pb2.HealthCheckRequest]) -> health_pb2.HealthCheckRequest:
        self._receiving += 1
        try:
            return await request.read(CHECK_TIMEOUT_S)
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
            raise InvalidRequestError(
                f"Invalid service of {len(request.service)} characters: must have at most {MAX_NAME}."
            )
        await super().Watch(request, context)
