"""The server: its ports, how it starts, serves and shuts down."""

from __future__ import annotations

import asyncio
from functools import partial

from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry
from stt.v1 import control_pb2, control_pb2_grpc, stt_pb2, stt_pb2_grpc

from stt_service.access.admission import AdmissionControl, ServingState
from stt_service.access.credentials import ServerCredentials
from stt_service.access.listen_address import ListenAddress
from stt_service.control.history import HistorySampler
from stt_service.control.service import ControlService
from stt_service.control.servicer import Control
from stt_service.control.status import StatusReporter
from stt_service.http.application import OPENAI, PAGE, access_rules, application, operator_rules
from stt_service.http.control.routes import control_routes
from stt_service.http.listener import HttpListener
from stt_service.http.monitoring import Monitoring
from stt_service.http.openai.realtime import Realtime
from stt_service.http.openai.transcriptions import Transcriptions
from stt_service.http.page.page import Page
from stt_service.models.devices import list_gpus
from stt_service.models.startup import LoadedServer
from stt_service.recognition.call_log import log_rejected
from stt_service.recognition.recording_decoder import RecordingDecoders
from stt_service.recognition.speech_service import SpeechService
from stt_service.recognition.stream import GRACE_S
from stt_service.recognition.stream_registry import StreamRegistry
from stt_service.riva import servicer as riva
from stt_service.rpc.health import HEALTH_CHECK, Health
from stt_service.rpc.listener import GrpcListener
from stt_service.rpc.request_reader import CallLimits, RequestReader
from stt_service.rpc.speech_servicer import SpeechToText
from stt_service.rpc.status_mapping import DISCARD_TIMEOUT_S
from stt_service.settings.runtime import ActiveSettings
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.collectors import CertificateCollector, GpuCollector, ModelCollector
from stt_service.telemetry.metrics import Api, Metrics, watch_loop
from stt_service.telemetry.resources import ResourceUsage
from stt_service.wyoming.listener import WyomingListener

SERVICE = stt_pb2.DESCRIPTOR.services_by_name["SpeechToText"].full_name
CONTROL = control_pb2.DESCRIPTOR.services_by_name["Control"].full_name
DATA_MESSAGE_BYTES = 32 * 2**20
CONTROL_MESSAGE_BYTES = 2**20
SELF_BOUNDED = frozenset(f"/{SERVICE}/{method}" for method in ("StreamingRecognize", "Recognize"))
REFLECTION = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
CALL_LIMITS = {
    REFLECTION: CallLimits(calls=4, duration_s=30.0),  # its messages can be as large as a recording
    f"/{CONTROL}/WatchStatus": CallLimits(calls=50),  # each may send five times a second
}
LINGER_TIMEOUT_S = 2 * DISCARD_TIMEOUT_S  # for the last statuses to be sent before the server stops


class Server:
    """The ports: data for clients, control for operators, HTTP, Wyoming. The gRPC ports have health and reflection."""

    def __init__(self, settings: ServerSettings, credentials: ServerCredentials) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self._credentials = credentials
        self._health = Health((SERVICE, riva.SERVICE) if settings.riva else (SERVICE,))
        on_rejected = partial(log_rejected, self.metrics)
        self._admission: AdmissionControl[LoadedServer] = AdmissionControl(on_rejected, self._health.publish)
        self._config, self._streams, self._usage = ActiveSettings(settings), StreamRegistry(), ResourceUsage()
        checks = frozenset({HEALTH_CHECK})
        self._surfaces = frozenset(settings.http_surfaces.split(","))
        self.data = GrpcListener(
            ListenAddress("DATA_PORT", settings.server_bind, settings.data_port),
            credentials.data,
            RequestReader(DATA_MESSAGE_BYTES, checks | SELF_BOUNDED | riva.SELF_BOUNDED, CALL_LIMITS),
            self.metrics.count_rejected,
        )
        self.control = GrpcListener(
            ListenAddress("CONTROL_PORT", settings.server_bind, settings.control_port),
            credentials.control,
            RequestReader(CONTROL_MESSAGE_BYTES, checks, CALL_LIMITS),
            self.metrics.count_rejected,
        )
        self.service = service = SpeechService(self._config, self._admission, self._streams, self.metrics)
        decoders = RecordingDecoders()
        self._speech = SpeechToText(service, decoders)
        self._riva = riva.RivaSpeechRecognition(service, decoders) if settings.riva else None
        reporter = StatusReporter(self._admission, self._usage, self.metrics, self._addresses)
        self._control = ControlService(self._config, self._admission, self._streams, reporter)
        self._page = Page(service)
        rules, count = access_rules(settings, credentials.data.tokens), self.metrics.count_rejected
        self.http = HttpListener(
            ListenAddress("HTTP_PORT", settings.server_bind, settings.http_port),
            application(
                self._surfaces,
                Monitoring(self.metrics.registry, lambda: self._admission.not_ready_reason),
                [
                    *self._page.routes(rules, count),
                    *control_routes(self._control, operator_rules(settings, credentials.control.tokens), count),
                ],
                [*Transcriptions(service, decoders).routes, *Realtime(service).routes],
                rules,
                count,
            ),
            credentials.data.pem,
        )
        self.wyoming = _wyoming(settings, service)
        self._register_collectors(credentials)

    def _register_collectors(self, credentials: ServerCredentials) -> None:
        self.metrics.watch_admission(self._admission)
        self.metrics.registry.register(GpuCollector(lambda: self._usage.gpus))
        if (pem := credentials.data.pem) is not None:
            self.metrics.registry.register(CertificateCollector(lambda: pem.value().valid_until))

    def _addresses(self) -> dict[Api, str]:
        """Return the addresses of the APIs that are served."""
        addresses = {Api.GRPC: self.data.address}
        if self._riva is not None:
            addresses[Api.RIVA] = self.data.address
        if OPENAI in self._surfaces:
            addresses |= dict.fromkeys((Api.OPENAI, Api.REALTIME), self.http.address)
        if self.wyoming is not None:
            addresses[Api.WYOMING] = self.wyoming.address
        if PAGE in self._surfaces:
            addresses[Api.PAGE] = self.http.address
        return addresses

    @property
    def page_url(self) -> str:
        """Address of the dictation page; empty if it is not served."""
        scheme = "http" if self._credentials.data.pem is None else "https"
        return f"{scheme}://{self.http.address}/" if PAGE in self._surfaces else ""

    @property
    def state(self) -> ServingState:
        return self._admission.state

    def settings(self) -> ServerSettings:
        """Return the current settings."""
        return self._config.settings

    async def start(self) -> None:
        """Listen; health reports NOT_SERVING.

        Raises:
            StartupError: a port cannot be bound.
        """
        stt_pb2_grpc.add_SpeechToTextServicer_to_server(self._speech, self.data.server)
        if self._riva is not None:
            self._riva.add_to(self.data.server)
        control_pb2_grpc.add_ControlServicer_to_server(Control(self._control), self.control.server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self.data.server)
        reflection.enable_server_reflection((CONTROL, HEALTH, reflection.SERVICE_NAME), self.control.server)
        await self._health.publish(False)
        for port in self._ports:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, port.server)
            port.bind()
        if self.wyoming is not None:
            await self.wyoming.start()
        self.http.start()
        for port in self._ports:  # after all are bound, because a started one must be stopped
            await port.server.start()

    async def serve(self, loaded: LoadedServer) -> None:
        """Run the executor and serve until canceled."""
        self.metrics.watch_executor(loaded.executor)
        self.metrics.set_self_test(loaded.test.real_time_factor)
        self.metrics.registry.register(ModelCollector(loaded.registry))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(loaded.executor.run(self.metrics.on_batch))
            tasks.create_task(loaded.registry.run())
            tasks.create_task(self._usage.run(list_gpus if loaded.device.active == "cuda" else tuple))
            tasks.create_task(watch_loop(self.metrics.observe_loop_lag))
            sampler = HistorySampler(self._admission, loaded.executor, self._usage, self.metrics)
            tasks.create_task(sampler.run(self._control.history))
            await self._admission.open(loaded, loaded.max_streams(self._config.settings))

    async def drain(self) -> None:
        """Stop, after pending results have been sent, for at most GRACE_S."""
        await self._admission.shut_down()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.data.server.stop(GRACE_S))
            await self._admission.wait_until_idle()
            # Health/Watch streams never close on their own, so stop them once all recognition streams have ended.
            await self.data.server.stop(LINGER_TIMEOUT_S)
        await self.control.server.stop(LINGER_TIMEOUT_S)
        if self.wyoming is not None:
            await self.wyoming.stop()
        self._control.end_watches()
        self._page.close()
        await self.http.stop()

    @property
    def _ports(self) -> tuple[GrpcListener, ...]:
        return (self.control, self.data)


def _wyoming(settings: ServerSettings, service: SpeechService) -> WyomingListener | None:
    """Return the port of Wyoming if it is on."""
    if not settings.wyoming_port:
        return None
    return WyomingListener(ListenAddress("WYOMING_PORT", settings.server_bind, settings.wyoming_port), service)
