"""The server as a whole: its ports, its lane, how it begins and ends."""

from __future__ import annotations

import asyncio
from functools import partial

from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry
from stt.v1 import control_pb2, control_pb2_grpc, stt_pb2, stt_pb2_grpc

from stt_service.access.credentials import ServerCredentials
from stt_service.control.servicer import Control
from stt_service.control.status import StatusReporter
from stt_service.models.devices import list_gpus
from stt_service.models.startup import LoadedServer
from stt_service.rpc.call_log import log_rejected
from stt_service.rpc.health import HEALTH_CHECK, ServingState, State
from stt_service.rpc.listener import GrpcListener, ListenAddress
from stt_service.rpc.metrics_http import MetricsPort
from stt_service.rpc.request_reader import Bounds, RequestReader
from stt_service.rpc.speech_servicer import SpeechToText
from stt_service.rpc.status_mapping import DISCARD_TIMEOUT_S
from stt_service.rpc.stream import GRACE_S
from stt_service.rpc.stream_registry import StreamRegistry
from stt_service.settings.runtime import ActiveSettings
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.collectors import CertificateCollector, GpuCollector, ModelCollector
from stt_service.telemetry.metrics import Metrics, watch_loop
from stt_service.telemetry.resources import Usage

SERVICE = stt_pb2.DESCRIPTOR.services_by_name["SpeechToText"].full_name
CONTROL = control_pb2.DESCRIPTOR.services_by_name["Control"].full_name
DATA_MESSAGE_BYTES = 32 * 2**20
CONTROL_MESSAGE_BYTES = 2**20
ADMITTED = frozenset(f"/{SERVICE}/{method}" for method in ("StreamingRecognize", "Recognize"))
REFLECTION = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
BOUNDS = {
    REFLECTION: Bounds(calls=4, lasts_s=30.0),  # its messages can be as large as a recording
    f"/{CONTROL}/WatchStatus": Bounds(calls=50),  # each may send five times a second
}
LINGER_TIMEOUT_S = 2 * DISCARD_TIMEOUT_S  # for the last statuses to go out before the server ends


class Server:
    """The ports: data for speech, control for operators. Each has health and reflection."""

    def __init__(self, parameters: ServerSettings, accesses: ServerCredentials) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self._gate = ServingState((SERVICE,), partial(log_rejected, self.metrics))
        self._config, self._streams, self._usage = ActiveSettings(parameters), StreamRegistry(), Usage()
        bind, refused_here = parameters.server_bind, self.metrics.count_rejected
        data, control = (
            ListenAddress("DATA_PORT", bind, parameters.data_port),
            ListenAddress("CONTROL_PORT", bind, parameters.control_port),
        )
        health = frozenset({HEALTH_CHECK})
        self.data = GrpcListener(
            data, accesses.data, RequestReader(DATA_MESSAGE_BYTES, health | ADMITTED, BOUNDS), refused_here
        )
        self.control = GrpcListener(
            control, accesses.control, RequestReader(CONTROL_MESSAGE_BYTES, health, BOUNDS), refused_here
        )
        self._speech = SpeechToText(self._config, self._gate.admission, self._streams, self.metrics)
        self._operated = Control(
            self._config, self._gate, self._streams, StatusReporter(self._gate, self._usage, self.metrics)
        )
        watch = ListenAddress("METRICS_PORT", bind, parameters.metrics_port)
        self.watch = MetricsPort(watch, self.metrics.registry, lambda: self._gate.admission.not_ready_reason)
        self.metrics.watch_admission(self._gate.admission)
        self.metrics.registry.register(GpuCollector(lambda: self._usage.gpus))
        if (pem := accesses.data.pem) is not None:
            self.metrics.registry.register(CertificateCollector(lambda: pem.value().ends))

    @property
    def state(self) -> State:
        return self._gate.state

    def settings(self) -> ServerSettings:
        """Return the current settings."""
        return self._config.settings

    async def start(self) -> None:
        """Listen; health says NOT_SERVING.

        Raises:
            StartFailed: a port is taken, or the address is not this machine's.
        """
        stt_pb2_grpc.add_SpeechToTextServicer_to_server(self._speech, self.data.server)
        control_pb2_grpc.add_ControlServicer_to_server(self._operated, self.control.server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self.data.server)
        reflection.enable_server_reflection((CONTROL, HEALTH, reflection.SERVICE_NAME), self.control.server)
        await self._gate.shut()
        for port in self._ports:
            health_pb2_grpc.add_HealthServicer_to_server(self._gate.health, port.server)
            port.bind()
        self.watch.start()
        for port in self._ports:  # not before all are bound: one that was started has to be stopped
            await port.server.start()

    async def serve(self, loaded: LoadedServer) -> None:
        """Run the executor and serve until cancelled."""
        self.metrics.watch_executor(loaded.executor)
        self.metrics.set_self_test(loaded.test.real_time_factor)
        self.metrics.registry.register(ModelCollector(loaded.registry))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(loaded.executor.run(self.metrics.on_batch))
            tasks.create_task(loaded.registry.run())
            tasks.create_task(self._usage.run(list_gpus if loaded.device.active == "cuda" else tuple))
            tasks.create_task(watch_loop(self.metrics.loop_lag.observe))
            self._speech.serve(loaded)
            self._operated.serve(loaded)
            await self._gate.open(loaded.max_streams(self._config.settings))

    async def drain(self) -> None:
        """Stop: what is owed is sent first, for at most GRACE_S."""
        await self._gate.end()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.data.server.stop(GRACE_S))
            await self._gate.admission.wait_until_idle()
            # Sooner than that, now: who watches our health never ends by himself.
            await self.data.server.stop(LINGER_TIMEOUT_S)
        await self.control.server.stop(LINGER_TIMEOUT_S)
        await asyncio.to_thread(self.watch.stop)

    @property
    def _ports(self) -> tuple[GrpcListener, ...]:
        return (self.control, self.data)
