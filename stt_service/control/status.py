"""What a server says of itself in one look: Control's GetStatus."""

from __future__ import annotations

from importlib.metadata import version
from time import monotonic

from stt.v1 import control_pb2 as pb

from stt_service.access.admission import AdmissionControl
from stt_service.control import convert
from stt_service.models.startup import LoadedServer
from stt_service.rpc.convert import duration
from stt_service.rpc.health import ServingState, State
from stt_service.scheduling.executor import BatchExecutor
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.resources import Usage
from stt_service.whisper.types import Kind

VERSION = version("realtime-stt-grpc")
STATES = {
    State.LOADING: pb.STATE_LOADING,
    State.SERVING: pb.STATE_SERVING,
    State.DRAINING: pb.STATE_DRAINING,
}


class StatusReporter:
    """Looks at a server that may still be loading."""

    def __init__(self, gate: ServingState, usage: Usage, metrics: Metrics) -> None:
        self._gate, self._usage, self._metrics = gate, usage, metrics
        self._began = monotonic()

    def loading(self) -> pb.Status:
        """Return what there is to tell before the models are there."""
        return pb.Status(
            state=STATES[self._gate.state],
            version=VERSION,
            uptime=duration(monotonic() - self._began),
            resources=convert.resources(self._usage),
            counters=counters(self._metrics),
        )

    def serving(self, loaded: LoadedServer) -> pb.Status:
        """Return all there is to tell."""
        status = self.loading()
        status.device.CopyFrom(convert.device(loaded.device))
        status.self_test.CopyFrom(convert.self_test(loaded.test, loaded.estimated_capacity))
        status.load.CopyFrom(load(self._gate.admission, loaded.executor))
        status.model, status.partial_model = loaded.registry.names.finals, loaded.registry.names.partials
        return status


def counters(metrics: Metrics) -> pb.Counters:
    """Return what Prometheus counts, in one look."""
    names = ("streams_opened", "rejected", "finals", "words", "suppressed", "audio_seconds")
    totals = metrics.totals(*(f"stt_{name}_total" for name in names))
    opened, refused, finals, words, suppressed, audio_s = totals.values()
    return pb.Counters(
        streams=int(opened),
        rejected_streams=int(refused),
        utterances=int(finals),
        words=int(words),
        suppressed=int(suppressed),
        audio=duration(audio_s),
    )


def load(admission: AdmissionControl, lane: BatchExecutor) -> pb.Load:
    waiting = lane.queue_snapshot()
    return pb.Load(
        streams=admission.streams,
        max_streams=admission.max_streams,
        finals_waiting=waiting.count[Kind.FINAL],
        speculative_finals_waiting=waiting.count[Kind.SPECULATIVE],
        partials_waiting=waiting.count[Kind.PARTIAL],
        batches_running=lane.running_batches,
        max_batches=lane.workers,
        oldest_final_wait=duration(waiting.longest_s[Kind.FINAL]),
        oldest_partial_wait=duration(waiting.longest_s[Kind.PARTIAL]),
    )
