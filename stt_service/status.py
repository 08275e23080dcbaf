"""What a server says of itself in one look: Control's GetStatus."""

from __future__ import annotations

from importlib.metadata import version
from time import monotonic

from stt.v1 import control_pb2 as pb

from stt_service import control_wire
from stt_service.admission import Admission
from stt_service.batcher import Lane
from stt_service.gate import Gate, State
from stt_service.prepared import Prepared
from stt_service.shelf import Shelf
from stt_service.transcript import Kind
from stt_service.usage import Usage
from stt_service.wire import duration

VERSION = version("realtime-stt-grpc")
STATES = {
    State.LOADING: pb.STATE_LOADING,
    State.SERVING: pb.STATE_SERVING,
    State.DRAINING: pb.STATE_DRAINING,
}


class Looks:
    """Looks at a server that may still be loading."""

    def __init__(self, gate: Gate, usage: Usage) -> None:
        self._gate, self._usage = gate, usage
        self._began = monotonic()

    def loading(self) -> pb.Status:
        """Return what there is to tell before the models are there."""
        return pb.Status(
            state=STATES[self._gate.state],
            version=VERSION,
            uptime=duration(monotonic() - self._began),
            resources=control_wire.resources(self._usage),
        )

    def serving(self, prepared: Prepared, lane: Lane, shelf: Shelf) -> pb.Status:
        """Return all there is to tell."""
        status = self.loading()
        status.device.CopyFrom(control_wire.device(prepared.device))
        status.self_test.CopyFrom(control_wire.self_test(prepared.test, prepared.carried))
        status.load.CopyFrom(load(self._gate.admission, lane))
        status.model, status.partial_model = shelf.names.finals, shelf.names.partials
        return status


def load(admission: Admission, lane: Lane) -> pb.Load:
    waiting = lane.waiting()
    return pb.Load(
        streams=admission.streams,
        max_streams=admission.max_streams,
        finals_waiting=waiting.count[Kind.FINAL],
        early_finals_waiting=waiting.count[Kind.EARLY],
        partials_waiting=waiting.count[Kind.PARTIAL],
        batches_running=lane.running,
        max_batches=lane.workers,
        final_lag=duration(waiting.longest_s[Kind.FINAL]),
        partial_lag=duration(waiting.longest_s[Kind.PARTIAL]),
    )
