"""The server as a whole: its ports, its lane, health, drain."""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]  # the stubs lack it
from grpc_reflection.v1alpha import reflection
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from stt_service.admission import Admission
from stt_service.answers import DISCARD_S
from stt_service.batcher import Lane, Model
from stt_service.decoding import Decoding
from stt_service.live_streams import LiveStreams
from stt_service.models import Models
from stt_service.parameters import Parameters
from stt_service.port import Port
from stt_service.speech import Ready, SpeechToText
from stt_service.streams import GRACE_S
from stt_service.vad import Silero, silero_path

SERVICE = pb.DESCRIPTOR.services_by_name["SpeechToText"].full_name
DATA_MESSAGE_BYTES = 32 * 2**20
CONTROL_MESSAGE_BYTES = 2**20
LINGER_S = 2 * DISCARD_S  # for the last statuses to go out before the server ends


class Server:
    """The ports: data for speech, control for operators. Each has health and reflection."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.data = Port("DATA_PORT", parameters.server_bind, parameters.data_port, DATA_MESSAGE_BYTES)
        self.control = Port("CONTROL_PORT", parameters.server_bind, parameters.control_port, CONTROL_MESSAGE_BYTES)
        self._admission, self._streams = Admission(), LiveStreams()
        self._speech = SpeechToText(parameters, self._admission, self._streams)
        self._health = health.HealthServicer()

    async def start(self) -> None:
        """Listen; health says NOT_SERVING.

        Raises:
            StartFailed: a port is taken, or the address is not this machine's.
        """
        stt_pb2_grpc.add_SpeechToTextServicer_to_server(self._speech, self.data.server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self.data.server)
        reflection.enable_server_reflection((HEALTH, reflection.SERVICE_NAME), self.control.server)
        await self._tell_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        for port in self._ports:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, port.server)
            port.bind()
        for port in self._ports:  # not before all are bound: one that was started has to be stopped
            await port.server.start()

    async def serve(self, models: Models, max_streams: int) -> None:
        """Run the lane and serve until cancelled."""
        plan = models.plan
        lane = Lane(self._parameters.max_batch, plan.workers)
        finals = Model(models.finals.transcribe, plan.places, models.finals.multilingual)
        partials = finals
        if models.partials is not models.finals:
            partials = Model(models.partials.transcribe, plan.places, models.partials.multilingual)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lane.run())
            ready = Ready(models, Decoding(lane, finals, partials), Silero(silero_path()))
            self._speech.serve(ready)
            self._admission.open(max_streams)
            await self._tell_health(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Stop: what is owed is sent first, for at most GRACE_S."""
        await self._tell_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.data.server.stop(GRACE_S))
            self._admission.close()
            await self._admission.emptied()
            # Sooner than that, now: who watches our health never ends by himself.
            await self.data.server.stop(LINGER_S)
        await self.control.server.stop(LINGER_S)

    @property
    def _ports(self) -> tuple[Port, ...]:
        return (self.control, self.data)

    async def _tell_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)
