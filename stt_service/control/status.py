"""The status of the server: Control's GetStatus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from time import monotonic

from stt.v1 import control_pb2 as pb

from stt_service.access.admission import AdmissionControl, LoadedT, ServingState
from stt_service.control import convert
from stt_service.models.startup import LoadedServer
from stt_service.recognition.convert import duration
from stt_service.scheduling.executor import BatchExecutor
from stt_service.telemetry.metrics import Api, Metrics
from stt_service.telemetry.resources import ResourceUsage
from stt_service.whisper.types import Kind

VERSION = version("realtime-stt-grpc")
STATES = {
    ServingState.LOADING: pb.STATE_LOADING,
    ServingState.SERVING: pb.STATE_SERVING,
    ServingState.DRAINING: pb.STATE_DRAINING,
}


class StatusReporter:
    """Reports the status of a server that may still be loading."""

    def __init__(
        self,
        admission: AdmissionControl[LoadedServer],
        usage: ResourceUsage,
        metrics: Metrics,
        addresses: Callable[[], Mapping[Api, str]],
    ) -> None:
        """Create a reporter; `addresses` returns the addresses of the APIs that are served."""
        self._admission, self._usage, self._metrics, self._addresses = admission, usage, metrics, addresses
        self._start_s = monotonic()

    def status(self) -> pb.Status:
        """Return the status; before the models are loaded, only the parts that do not depend on them."""
        status = pb.Status(
            state=STATES[self._admission.state],
            version=VERSION,
            uptime=duration(monotonic() - self._start_s),
            resources=convert.resources(self._usage),
            counters=counters(self._metrics),
            apis=list(apis(self._metrics, self._addresses())),
        )
        if (loaded := self._admission.loaded) is not None:
            self._add_loaded(status, loaded)
        return status

    def _add_loaded(self, status: pb.Status, loaded: LoadedServer) -> None:
        status.device.CopyFrom(convert.device(loaded.device))
        status.self_test.CopyFrom(convert.self_test(loaded.test, loaded.estimated_capacity))
        status.load.CopyFrom(load(self._admission, loaded.executor))
        status.model, status.partial_model = loaded.registry.names.finals, loaded.registry.names.partials


def counters(metrics: Metrics) -> pb.Counters:
    """Return the totals of the Prometheus counters."""
    names = ("streams_opened", "rejected", "finals", "words", "suppressed", "audio_seconds")
    totals = metrics.totals(*(f"stt_{name}_total" for name in names))
    opened, rejected, finals, words, suppressed, audio_s = totals.values()
    return pb.Counters(
        streams=int(opened),
        rejected_streams=int(rejected),
        utterances=int(finals),
        words=int(words),
        suppressed=int(suppressed),
        audio=duration(audio_s),
    )


def apis(metrics: Metrics, addresses: Mapping[Api, str]) -> Iterator[pb.Api]:
    """Yield the APIs that are served, with their calls."""
    opened, ended = (metrics.totals_by("api", name) for name in ("stt_calls_open", "stt_calls_total"))
    for api, address in addresses.items():
        yield pb.Api(
            name=api.value,
            address=address,
            open_calls=int(opened[api.value]),
            ended_calls=int(ended[api.value]),
        )


def load(admission: AdmissionControl[LoadedT], executor: BatchExecutor) -> pb.Load:
    waiting = executor.queue_snapshot()
    return pb.Load(
        streams=admission.streams,
        max_streams=admission.max_streams,
        finals_waiting=waiting.count[Kind.FINAL],
        speculative_finals_waiting=waiting.count[Kind.SPECULATIVE],
        partials_waiting=waiting.count[Kind.PARTIAL],
        batches_running=executor.running_batches,
        max_batches=executor.workers,
        oldest_final_wait=duration(waiting.longest_s[Kind.FINAL]),
        oldest_partial_wait=duration(waiting.longest_s[Kind.PARTIAL]),
    )
