"""Conversion between the messages of control.proto and the service's own types."""

from __future__ import annotations

from collections.abc import Iterable, Set
from time import monotonic, time

from google.protobuf.timestamp_pb2 import Timestamp
from stt.v1 import control_pb2 as pb

from stt_service.errors import InvalidRequestError
from stt_service.models.devices import Device
from stt_service.models.loader import SelfTest
from stt_service.models.registry import ModelEntry, ModelState, Role
from stt_service.recognition.convert import duration, seconds
from stt_service.recognition.stream_registry import ActiveStream, Phase
from stt_service.settings.reference import SettingType, settings, to_env_value
from stt_service.settings.schema import Scope, ServerSettings
from stt_service.telemetry.resources import ResourceUsage

DEFAULT_INTERVAL_S = 1.0
MIN_INTERVAL_S, MAX_INTERVAL_S = 0.2, 60.0
SCOPES = {
    Scope.STREAM: pb.SCOPE_STREAM,
    Scope.NEW_STREAMS: pb.SCOPE_NEW_STREAMS,
    Scope.IMMEDIATE: pb.SCOPE_IMMEDIATE,
    Scope.RESTART: pb.SCOPE_RESTART,
}
TYPES = {
    SettingType.TEXT: pb.PARAMETER_TYPE_TEXT,
    SettingType.BOOLEAN: pb.PARAMETER_TYPE_BOOLEAN,
    SettingType.INTEGER: pb.PARAMETER_TYPE_INTEGER,
    SettingType.NUMBER: pb.PARAMETER_TYPE_NUMBER,
    SettingType.CHOICE: pb.PARAMETER_TYPE_CHOICE,
}
PHASES = {
    Phase.LISTENING: pb.SESSION_PHASE_LISTENING,
    Phase.SPEECH: pb.SESSION_PHASE_SPEECH,
    Phase.FINALIZING: pb.SESSION_PHASE_FINALIZING,
    Phase.TERMINATING: pb.SESSION_PHASE_TERMINATING,
}
STATES = {
    ModelState.LOADING: pb.MODEL_STATE_LOADING,
    ModelState.LOADED: pb.MODEL_STATE_LOADED,
    ModelState.UNLOADING: pb.MODEL_STATE_UNLOADING,
    ModelState.FAILED: pb.MODEL_STATE_FAILED,
}
ROLES = {Role.FINALS: pb.ROLE_FINALS, Role.PARTIALS: pb.ROLE_PARTIALS}


def parameters(current: ServerSettings) -> list[pb.Parameter]:
    """Return all settings with their values."""
    return [
        pb.Parameter(
            name=setting.name,
            value=to_env_value(getattr(current, setting.name.lower())),
            default_value=setting.default,
            allowed_values=setting.allowed_values,
            minimum=setting.minimum,
            maximum=setting.maximum,
            unit=setting.unit,
            description=setting.description,
            scope=SCOPES[setting.scope],
            type=TYPES[setting.type],
            choices=setting.choices,
            max_length=setting.max_length,
        )
        for setting in settings()
    ]


def session(stream: ActiveStream, oldest_wait_s: float) -> pb.Session:
    """Return a stream as an operator sees it."""
    age_s = monotonic() - stream.opened_s
    opened = Timestamp()
    opened.FromMilliseconds(round((time() - age_s) * 1000))
    return pb.Session(
        id=stream.id,
        client_id=stream.client_id,
        peer=stream.client,
        start_time=opened,
        age=duration(age_s),
        audio_received=duration(stream.recognizer.audio_received_ms / 1000),
        audio_pending=duration((stream.session.received_ms - stream.session.committed_ms) / 1000),
        phase=PHASES[stream.phase],
        oldest_decode_wait=duration(oldest_wait_s),
        utterances=stream.stats.finals,
        words=stream.stats.words,
        suppressed=stream.stats.suppressed,
        language=stream.session.runtime.language,
        model=stream.models.finals,
        partial_model=stream.models.partials if stream.session.makes_partials else "",
        api=stream.api.value,
    )


def model(entry: ModelEntry) -> pb.Model:
    return pb.Model(
        name=entry.name,
        state=STATES[entry.state],
        roles=[ROLES[role] for role in Role if role in entry.roles],
        streams=entry.leases,
        reason=entry.reason,
        compute_type=entry.compute_type,
        multilingual=entry.model is not None and entry.model.multilingual,
    )


def roles(requested: Iterable[pb.Role]) -> Set[Role]:
    """Return the requested roles of a model.

    Raises:
        InvalidRequestError: there is none, or an unknown one.
    """
    known = {message: role for role, message in ROLES.items()}
    named = list(requested)
    if not named or any(role not in known for role in named):
        raise InvalidRequestError(f"Invalid roles={named}: must name ROLE_FINALS, ROLE_PARTIALS or both.")
    return frozenset(known[role] for role in named)


def device(chosen: Device) -> pb.Device:
    return pb.Device(requested=chosen.requested, active=chosen.active, reason=chosen.reason, indices=chosen.indices)


def resources(usage: ResourceUsage) -> pb.Resources:
    return pb.Resources(
        memory_bytes=usage.memory_bytes,
        machine_memory_bytes=usage.machine_memory_bytes,
        cpu_cores_used=usage.cores_used,
        cores=usage.cores,
        gpus=[
            pb.Gpu(
                name=gpu.name,
                memory_bytes=gpu.total_bytes,
                memory_used_bytes=gpu.used_bytes,
                utilization=gpu.utilization,
            )
            for gpu in usage.gpus
        ],
    )


def self_test(test: SelfTest, capacity: int) -> pb.SelfTest:
    return pb.SelfTest(
        final=duration(test.final_s),
        partial=duration(test.partial_s),
        real_time_factor=test.real_time_factor,
        estimated_streams=capacity,
    )


def interval_s(request: pb.WatchStatusRequest) -> float:
    """Return the time between two responses.

    Raises:
        InvalidRequestError: it is too short or too long.
    """
    requested_s = seconds(request.interval) or DEFAULT_INTERVAL_S
    if not MIN_INTERVAL_S <= requested_s <= MAX_INTERVAL_S:
        raise InvalidRequestError(f"Invalid interval={requested_s:g} s: must be 0.2 to 60 s.")
    return requested_s
