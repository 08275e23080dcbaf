import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    STATE_LOADING: _ClassVar[State]
    STATE_SERVING: _ClassVar[State]
    STATE_DRAINING: _ClassVar[State]

class ParameterType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARAMETER_TYPE_UNSPECIFIED: _ClassVar[ParameterType]
    PARAMETER_TYPE_TEXT: _ClassVar[ParameterType]
    PARAMETER_TYPE_BOOLEAN: _ClassVar[ParameterType]
    PARAMETER_TYPE_INTEGER: _ClassVar[ParameterType]
    PARAMETER_TYPE_NUMBER: _ClassVar[ParameterType]
    PARAMETER_TYPE_CHOICE: _ClassVar[ParameterType]

class Scope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCOPE_UNSPECIFIED: _ClassVar[Scope]
    SCOPE_STREAM: _ClassVar[Scope]
    SCOPE_NEW_STREAMS: _ClassVar[Scope]
    SCOPE_IMMEDIATE: _ClassVar[Scope]
    SCOPE_RESTART: _ClassVar[Scope]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_FINALS: _ClassVar[Role]
    ROLE_PARTIALS: _ClassVar[Role]

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATE_UNSPECIFIED: _ClassVar[ModelState]
    MODEL_STATE_LOADING: _ClassVar[ModelState]
    MODEL_STATE_LOADED: _ClassVar[ModelState]
    MODEL_STATE_UNLOADING: _ClassVar[ModelState]
    MODEL_STATE_FAILED: _ClassVar[ModelState]

class SessionPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_PHASE_UNSPECIFIED: _ClassVar[SessionPhase]
    SESSION_PHASE_LISTENING: _ClassVar[SessionPhase]
    SESSION_PHASE_SPEECH: _ClassVar[SessionPhase]
    SESSION_PHASE_FINALIZING: _ClassVar[SessionPhase]
    SESSION_PHASE_TERMINATING: _ClassVar[SessionPhase]
STATE_UNSPECIFIED: State
STATE_LOADING: State
STATE_SERVING: State
STATE_DRAINING: State
PARAMETER_TYPE_UNSPECIFIED: ParameterType
PARAMETER_TYPE_TEXT: ParameterType
PARAMETER_TYPE_BOOLEAN: ParameterType
PARAMETER_TYPE_INTEGER: ParameterType
PARAMETER_TYPE_NUMBER: ParameterType
PARAMETER_TYPE_CHOICE: ParameterType
SCOPE_UNSPECIFIED: Scope
SCOPE_STREAM: Scope
SCOPE_NEW_STREAMS: Scope
SCOPE_IMMEDIATE: Scope
SCOPE_RESTART: Scope
ROLE_UNSPECIFIED: Role
ROLE_FINALS: Role
ROLE_PARTIALS: Role
MODEL_STATE_UNSPECIFIED: ModelState
MODEL_STATE_LOADING: ModelState
MODEL_STATE_LOADED: ModelState
MODEL_STATE_UNLOADING: ModelState
MODEL_STATE_FAILED: ModelState
SESSION_PHASE_UNSPECIFIED: SessionPhase
SESSION_PHASE_LISTENING: SessionPhase
SESSION_PHASE_SPEECH: SessionPhase
SESSION_PHASE_FINALIZING: SessionPhase
SESSION_PHASE_TERMINATING: SessionPhase

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: Status
    def __init__(self, status: _Optional[_Union[Status, _Mapping]] = ...) -> None: ...

class WatchStatusRequest(_message.Message):
    __slots__ = ("interval",)
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: Status
    def __init__(self, status: _Optional[_Union[Status, _Mapping]] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("state", "version", "uptime", "device", "resources", "load", "counters", "self_test", "model", "partial_model", "apis")
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    SELF_TEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_MODEL_FIELD_NUMBER: _ClassVar[int]
    APIS_FIELD_NUMBER: _ClassVar[int]
    state: State
    version: str
    uptime: _duration_pb2.Duration
    device: Device
    resources: Resources
    load: Load
    counters: Counters
    self_test: SelfTest
    model: str
    partial_model: str
    apis: _containers.RepeatedCompositeFieldContainer[Api]
    def __init__(self, state: _Optional[_Union[State, str]] = ..., version: _Optional[str] = ..., uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., device: _Optional[_Union[Device, _Mapping]] = ..., resources: _Optional[_Union[Resources, _Mapping]] = ..., load: _Optional[_Union[Load, _Mapping]] = ..., counters: _Optional[_Union[Counters, _Mapping]] = ..., self_test: _Optional[_Union[SelfTest, _Mapping]] = ..., model: _Optional[str] = ..., partial_model: _Optional[str] = ..., apis: _Optional[_Iterable[_Union[Api, _Mapping]]] = ...) -> None: ...

class Api(_message.Message):
    __slots__ = ("name", "address", "open_calls", "ended_calls")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    OPEN_CALLS_FIELD_NUMBER: _ClassVar[int]
    ENDED_CALLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    open_calls: int
    ended_calls: int
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., open_calls: _Optional[int] = ..., ended_calls: _Optional[int] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("requested", "active", "reason", "indices")
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    requested: str
    active: str
    reason: str
    indices: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, requested: _Optional[str] = ..., active: _Optional[str] = ..., reason: _Optional[str] = ..., indices: _Optional[_Iterable[int]] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("memory_bytes", "machine_memory_bytes", "cpu_cores_used", "cores", "gpus")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MACHINE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_CORES_USED_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    machine_memory_bytes: int
    cpu_cores_used: float
    cores: int
    gpus: _containers.RepeatedCompositeFieldContainer[Gpu]
    def __init__(self, memory_bytes: _Optional[int] = ..., machine_memory_bytes: _Optional[int] = ..., cpu_cores_used: _Optional[float] = ..., cores: _Optional[int] = ..., gpus: _Optional[_Iterable[_Union[Gpu, _Mapping]]] = ...) -> None: ...

class Gpu(_message.Message):
    __slots__ = ("name", "memory_bytes", "memory_used_bytes", "utilization")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    memory_bytes: int
    memory_used_bytes: int
    utilization: float
    def __init__(self, name: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., memory_used_bytes: _Optional[int] = ..., utilization: _Optional[float] = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("streams", "max_streams", "finals_waiting", "speculative_finals_waiting", "partials_waiting", "batches_running", "max_batches", "oldest_final_wait", "oldest_partial_wait")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    FINALS_WAITING_FIELD_NUMBER: _ClassVar[int]
    SPECULATIVE_FINALS_WAITING_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_WAITING_FIELD_NUMBER: _ClassVar[int]
    BATCHES_RUNNING_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCHES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FINAL_WAIT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_PARTIAL_WAIT_FIELD_NUMBER: _ClassVar[int]
    streams: int
    max_streams: int
    finals_waiting: int
    speculative_finals_waiting: int
    partials_waiting: int
    batches_running: int
    max_batches: int
    oldest_final_wait: _duration_pb2.Duration
    oldest_partial_wait: _duration_pb2.Duration
    def __init__(self, streams: _Optional[int] = ..., max_streams: _Optional[int] = ..., finals_waiting: _Optional[int] = ..., speculative_finals_waiting: _Optional[int] = ..., partials_waiting: _Optional[int] = ..., batches_running: _Optional[int] = ..., max_batches: _Optional[int] = ..., oldest_final_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., oldest_partial_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Counters(_message.Message):
    __slots__ = ("streams", "rejected_streams", "utterances", "words", "suppressed", "audio")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    streams: int
    rejected_streams: int
    utterances: int
    words: int
    suppressed: int
    audio: _duration_pb2.Duration
    def __init__(self, streams: _Optional[int] = ..., rejected_streams: _Optional[int] = ..., utterances: _Optional[int] = ..., words: _Optional[int] = ..., suppressed: _Optional[int] = ..., audio: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SelfTest(_message.Message):
    __slots__ = ("final", "partial", "real_time_factor", "estimated_streams")
    FINAL_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    REAL_TIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    final: _duration_pb2.Duration
    partial: _duration_pb2.Duration
    real_time_factor: float
    estimated_streams: int
    def __init__(self, final: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., partial: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., real_time_factor: _Optional[float] = ..., estimated_streams: _Optional[int] = ...) -> None: ...

class GetHistoryRequest(_message.Message):
    __slots__ = ("after_s",)
    AFTER_S_FIELD_NUMBER: _ClassVar[int]
    after_s: float
    def __init__(self, after_s: _Optional[float] = ...) -> None: ...

class GetHistoryResponse(_message.Message):
    __slots__ = ("history",)
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    history: History
    def __init__(self, history: _Optional[_Union[History, _Mapping]] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ("interval", "time_s", "streams", "max_streams", "decodes_waiting", "rejected", "partial_latency_p50_s", "partial_latency_p95_s", "final_latency_p50_s", "final_latency_p95_s", "decode_load", "real_time_factor", "cpu_cores_used", "memory_bytes", "gpu_utilization", "gpu_memory_used_bytes", "loop_lag_s")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    DECODES_WAITING_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_LATENCY_P50_S_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_LATENCY_P95_S_FIELD_NUMBER: _ClassVar[int]
    FINAL_LATENCY_P50_S_FIELD_NUMBER: _ClassVar[int]
    FINAL_LATENCY_P95_S_FIELD_NUMBER: _ClassVar[int]
    DECODE_LOAD_FIELD_NUMBER: _ClassVar[int]
    REAL_TIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    CPU_CORES_USED_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPU_UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOOP_LAG_S_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    time_s: _containers.RepeatedScalarFieldContainer[float]
    streams: _containers.RepeatedScalarFieldContainer[int]
    max_streams: _containers.RepeatedScalarFieldContainer[int]
    decodes_waiting: _containers.RepeatedScalarFieldContainer[int]
    rejected: _containers.RepeatedScalarFieldContainer[int]
    partial_latency_p50_s: _containers.RepeatedScalarFieldContainer[float]
    partial_latency_p95_s: _containers.RepeatedScalarFieldContainer[float]
    final_latency_p50_s: _containers.RepeatedScalarFieldContainer[float]
    final_latency_p95_s: _containers.RepeatedScalarFieldContainer[float]
    decode_load: _containers.RepeatedScalarFieldContainer[float]
    real_time_factor: _containers.RepeatedScalarFieldContainer[float]
    cpu_cores_used: _containers.RepeatedScalarFieldContainer[float]
    memory_bytes: _containers.RepeatedScalarFieldContainer[int]
    gpu_utilization: _containers.RepeatedScalarFieldContainer[float]
    gpu_memory_used_bytes: _containers.RepeatedScalarFieldContainer[int]
    loop_lag_s: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., time_s: _Optional[_Iterable[float]] = ..., streams: _Optional[_Iterable[int]] = ..., max_streams: _Optional[_Iterable[int]] = ..., decodes_waiting: _Optional[_Iterable[int]] = ..., rejected: _Optional[_Iterable[int]] = ..., partial_latency_p50_s: _Optional[_Iterable[float]] = ..., partial_latency_p95_s: _Optional[_Iterable[float]] = ..., final_latency_p50_s: _Optional[_Iterable[float]] = ..., final_latency_p95_s: _Optional[_Iterable[float]] = ..., decode_load: _Optional[_Iterable[float]] = ..., real_time_factor: _Optional[_Iterable[float]] = ..., cpu_cores_used: _Optional[_Iterable[float]] = ..., memory_bytes: _Optional[_Iterable[int]] = ..., gpu_utilization: _Optional[_Iterable[float]] = ..., gpu_memory_used_bytes: _Optional[_Iterable[int]] = ..., loop_lag_s: _Optional[_Iterable[float]] = ...) -> None: ...

class GetConfigRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetConfigResponse(_message.Message):
    __slots__ = ("parameters",)
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    def __init__(self, parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "value", "default_value", "allowed_values", "minimum", "maximum", "unit", "description", "scope", "type", "choices", "max_length")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_VALUES_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    default_value: str
    allowed_values: str
    minimum: float
    maximum: float
    unit: str
    description: str
    scope: Scope
    type: ParameterType
    choices: _containers.RepeatedScalarFieldContainer[str]
    max_length: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., default_value: _Optional[str] = ..., allowed_values: _Optional[str] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., unit: _Optional[str] = ..., description: _Optional[str] = ..., scope: _Optional[_Union[Scope, str]] = ..., type: _Optional[_Union[ParameterType, str]] = ..., choices: _Optional[_Iterable[str]] = ..., max_length: _Optional[int] = ...) -> None: ...

class UpdateConfigRequest(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.ScalarMap[str, str]
    def __init__(self, values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UpdateConfigResponse(_message.Message):
    __slots__ = ("parameters",)
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    def __init__(self, parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "state", "roles", "streams", "reason", "compute_type", "multilingual")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_TYPE_FIELD_NUMBER: _ClassVar[int]
    MULTILINGUAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: ModelState
    roles: _containers.RepeatedScalarFieldContainer[Role]
    streams: int
    reason: str
    compute_type: str
    multilingual: bool
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[ModelState, str]] = ..., roles: _Optional[_Iterable[_Union[Role, str]]] = ..., streams: _Optional[int] = ..., reason: _Optional[str] = ..., compute_type: _Optional[str] = ..., multilingual: _Optional[bool] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("name", "roles")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    roles: _containers.RepeatedScalarFieldContainer[Role]
    def __init__(self, name: _Optional[str] = ..., roles: _Optional[_Iterable[_Union[Role, str]]] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class UnloadModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UnloadModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("id", "client_id", "peer", "start_time", "age", "audio_received", "audio_pending", "phase", "oldest_decode_wait", "utterances", "words", "suppressed", "language", "model", "partial_model", "api")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_PENDING_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_DECODE_WAIT_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_MODEL_FIELD_NUMBER: _ClassVar[int]
    API_FIELD_NUMBER: _ClassVar[int]
    id: str
    client_id: str
    peer: str
    start_time: _timestamp_pb2.Timestamp
    age: _duration_pb2.Duration
    audio_received: _duration_pb2.Duration
    audio_pending: _duration_pb2.Duration
    phase: SessionPhase
    oldest_decode_wait: _duration_pb2.Duration
    utterances: int
    words: int
    suppressed: int
    language: str
    model: str
    partial_model: str
    api: str
    def __init__(self, id: _Optional[str] = ..., client_id: _Optional[str] = ..., peer: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., audio_received: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., audio_pending: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., phase: _Optional[_Union[SessionPhase, str]] = ..., oldest_decode_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., utterances: _Optional[int] = ..., words: _Optional[int] = ..., suppressed: _Optional[int] = ..., language: _Optional[str] = ..., model: _Optional[str] = ..., partial_model: _Optional[str] = ..., api: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ...) -> None: ...

class FinalizeSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class FinalizeSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class TerminateSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class TerminateSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("state", "streams")
    STATE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    state: State
    streams: int
    def __init__(self, state: _Optional[_Union[State, str]] = ..., streams: _Optional[int] = ...) -> None: ...

class CancelDrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CancelDrainResponse(_message.Message):
    __slots__ = ("state", "streams")
    STATE_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    state: State
    streams: int
    def __init__(self, state: _Optional[_Union[State, str]] = ..., streams: _Optional[int] = ...) -> None: ...
