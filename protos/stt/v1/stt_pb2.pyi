import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STABILITY_UNSPECIFIED: _ClassVar[Stability]
    STABILITY_VERY_LOW: _ClassVar[Stability]
    STABILITY_LOW: _ClassVar[Stability]
    STABILITY_MEDIUM: _ClassVar[Stability]
    STABILITY_HIGH: _ClassVar[Stability]
    STABILITY_VERY_HIGH: _ClassVar[Stability]

class Endpoint(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENDPOINT_UNSPECIFIED: _ClassVar[Endpoint]
    ENDPOINT_SILENCE: _ClassVar[Endpoint]
    ENDPOINT_MAX_LENGTH: _ClassVar[Endpoint]
    ENDPOINT_FINALIZE: _ClassVar[Endpoint]
    ENDPOINT_END_OF_AUDIO: _ClassVar[Endpoint]
    ENDPOINT_DRAIN: _ClassVar[Endpoint]
    ENDPOINT_STALLED: _ClassVar[Endpoint]
STABILITY_UNSPECIFIED: Stability
STABILITY_VERY_LOW: Stability
STABILITY_LOW: Stability
STABILITY_MEDIUM: Stability
STABILITY_HIGH: Stability
STABILITY_VERY_HIGH: Stability
ENDPOINT_UNSPECIFIED: Endpoint
ENDPOINT_SILENCE: Endpoint
ENDPOINT_MAX_LENGTH: Endpoint
ENDPOINT_FINALIZE: Endpoint
ENDPOINT_END_OF_AUDIO: Endpoint
ENDPOINT_DRAIN: Endpoint
ENDPOINT_STALLED: Endpoint

class StreamingRecognizeRequest(_message.Message):
    __slots__ = ("config", "audio", "silence", "finalize", "update")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    SILENCE_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    config: StreamingConfig
    audio: bytes
    silence: Silence
    finalize: Finalize
    update: Settings
    def __init__(self, config: _Optional[_Union[StreamingConfig, _Mapping]] = ..., audio: _Optional[bytes] = ..., silence: _Optional[_Union[Silence, _Mapping]] = ..., finalize: _Optional[_Union[Finalize, _Mapping]] = ..., update: _Optional[_Union[Settings, _Mapping]] = ...) -> None: ...

class StreamingConfig(_message.Message):
    __slots__ = ("format", "settings", "partials", "word_times", "client_id", "resume", "resumable", "stability", "speech_ended")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    format: AudioFormat
    settings: Settings
    partials: bool
    word_times: bool
    client_id: str
    resume: Resume
    resumable: bool
    stability: Stability
    speech_ended: bool
    def __init__(self, format: _Optional[_Union[AudioFormat, _Mapping]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., partials: _Optional[bool] = ..., word_times: _Optional[bool] = ..., client_id: _Optional[str] = ..., resume: _Optional[_Union[Resume, _Mapping]] = ..., resumable: _Optional[bool] = ..., stability: _Optional[_Union[Stability, str]] = ..., speech_ended: _Optional[bool] = ...) -> None: ...

class Resume(_message.Message):
    __slots__ = ("audio_offset_ms", "next_utterance", "continues_utterance", "left_context_ms", "previous_language")
    AUDIO_OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    LEFT_CONTEXT_MS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    audio_offset_ms: int
    next_utterance: int
    continues_utterance: bool
    left_context_ms: int
    previous_language: str
    def __init__(self, audio_offset_ms: _Optional[int] = ..., next_utterance: _Optional[int] = ..., continues_utterance: _Optional[bool] = ..., left_context_ms: _Optional[int] = ..., previous_language: _Optional[str] = ...) -> None: ...

class AudioFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "channels")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENCODING_UNSPECIFIED: _ClassVar[AudioFormat.Encoding]
        ENCODING_PCM_S16LE: _ClassVar[AudioFormat.Encoding]
        ENCODING_PCM_F32LE: _ClassVar[AudioFormat.Encoding]
        ENCODING_MULAW: _ClassVar[AudioFormat.Encoding]
        ENCODING_ALAW: _ClassVar[AudioFormat.Encoding]
    ENCODING_UNSPECIFIED: AudioFormat.Encoding
    ENCODING_PCM_S16LE: AudioFormat.Encoding
    ENCODING_PCM_F32LE: AudioFormat.Encoding
    ENCODING_MULAW: AudioFormat.Encoding
    ENCODING_ALAW: AudioFormat.Encoding
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioFormat.Encoding
    sample_rate_hz: int
    channels: int
    def __init__(self, encoding: _Optional[_Union[AudioFormat.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("language", "initial_prompt", "hotwords", "post_speech_silence", "min_utterance", "max_utterance", "silero_sensitivity", "webrtc_aggressiveness", "translate")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    INITIAL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    POST_SPEECH_SILENCE_FIELD_NUMBER: _ClassVar[int]
    MIN_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    MAX_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    SILERO_SENSITIVITY_FIELD_NUMBER: _ClassVar[int]
    WEBRTC_AGGRESSIVENESS_FIELD_NUMBER: _ClassVar[int]
    TRANSLATE_FIELD_NUMBER: _ClassVar[int]
    language: str
    initial_prompt: str
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    post_speech_silence: _duration_pb2.Duration
    min_utterance: _duration_pb2.Duration
    max_utterance: _duration_pb2.Duration
    silero_sensitivity: float
    webrtc_aggressiveness: int
    translate: bool
    def __init__(self, language: _Optional[str] = ..., initial_prompt: _Optional[str] = ..., hotwords: _Optional[_Iterable[str]] = ..., post_speech_silence: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., min_utterance: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_utterance: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., silero_sensitivity: _Optional[float] = ..., webrtc_aggressiveness: _Optional[int] = ..., translate: _Optional[bool] = ...) -> None: ...

class Silence(_message.Message):
    __slots__ = ("duration",)
    DURATION_FIELD_NUMBER: _ClassVar[int]
    duration: _duration_pb2.Duration
    def __init__(self, duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Finalize(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamingRecognizeResponse(_message.Message):
    __slots__ = ("received_ms", "committed_ms", "started", "speech_started", "partial", "final", "suppressed", "settings", "notice", "failure", "speech_ended")
    RECEIVED_MS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_MS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    received_ms: int
    committed_ms: int
    started: Started
    speech_started: SpeechStarted
    partial: Partial
    final: Final
    suppressed: Suppressed
    settings: Settings
    notice: Notice
    failure: Failure
    speech_ended: SpeechEnded
    def __init__(self, received_ms: _Optional[int] = ..., committed_ms: _Optional[int] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., partial: _Optional[_Union[Partial, _Mapping]] = ..., final: _Optional[_Union[Final, _Mapping]] = ..., suppressed: _Optional[_Union[Suppressed, _Mapping]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., notice: _Optional[_Union[Notice, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., speech_ended: _Optional[_Union[SpeechEnded, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("stream_id", "settings", "model", "partial_model")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_MODEL_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    settings: Settings
    model: str
    partial_model: str
    def __init__(self, stream_id: _Optional[str] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., model: _Optional[str] = ..., partial_model: _Optional[str] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("utterance", "start_ms")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    start_ms: int
    def __init__(self, utterance: _Optional[int] = ..., start_ms: _Optional[int] = ...) -> None: ...

class SpeechEnded(_message.Message):
    __slots__ = ("utterance", "end_ms", "endpoint_ms", "endpoint")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_MS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    end_ms: int
    endpoint_ms: int
    endpoint: Endpoint
    def __init__(self, utterance: _Optional[int] = ..., end_ms: _Optional[int] = ..., endpoint_ms: _Optional[int] = ..., endpoint: _Optional[_Union[Endpoint, str]] = ...) -> None: ...

class Partial(_message.Message):
    __slots__ = ("utterance", "revision", "stable", "unstable", "start_ms", "end_ms")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    UNSTABLE_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    revision: int
    stable: str
    unstable: str
    start_ms: int
    end_ms: int
    def __init__(self, utterance: _Optional[int] = ..., revision: _Optional[int] = ..., stable: _Optional[str] = ..., unstable: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class Final(_message.Message):
    __slots__ = ("utterance", "text", "start_ms", "end_ms", "language", "language_probability", "confidence", "words", "endpoint", "latency")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    text: str
    start_ms: int
    end_ms: int
    language: str
    language_probability: float
    confidence: float
    words: _containers.RepeatedCompositeFieldContainer[Word]
    endpoint: Endpoint
    latency: Latency
    def __init__(self, utterance: _Optional[int] = ..., text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., language: _Optional[str] = ..., language_probability: _Optional[float] = ..., confidence: _Optional[float] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., endpoint: _Optional[_Union[Endpoint, str]] = ..., latency: _Optional[_Union[Latency, _Mapping]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start_ms", "end_ms", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    def __init__(self, text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class Latency(_message.Message):
    __slots__ = ("endpoint", "queue", "inference", "speculative", "batch")
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_FIELD_NUMBER: _ClassVar[int]
    SPECULATIVE_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    endpoint: _duration_pb2.Duration
    queue: _duration_pb2.Duration
    inference: _duration_pb2.Duration
    speculative: bool
    batch: int
    def __init__(self, endpoint: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., inference: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., speculative: _Optional[bool] = ..., batch: _Optional[int] = ...) -> None: ...

class Suppressed(_message.Message):
    __slots__ = ("utterance", "start_ms", "end_ms", "reason", "text", "endpoint")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    start_ms: int
    end_ms: int
    reason: str
    text: str
    endpoint: Endpoint
    def __init__(self, utterance: _Optional[int] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., reason: _Optional[str] = ..., text: _Optional[str] = ..., endpoint: _Optional[_Union[Endpoint, str]] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("reason", "message", "remaining")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    remaining: _duration_pb2.Duration
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "reason", "message", "retry_after", "field")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    retry_after: _duration_pb2.Duration
    field: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., field: _Optional[str] = ...) -> None: ...

class RecognizeRequest(_message.Message):
    __slots__ = ("audio", "format", "settings", "word_times")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    format: AudioFormat
    settings: Settings
    word_times: bool
    def __init__(self, audio: _Optional[bytes] = ..., format: _Optional[_Union[AudioFormat, _Mapping]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., word_times: _Optional[bool] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("utterances", "audio_duration", "model", "suppressed", "warnings")
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DURATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    utterances: _containers.RepeatedCompositeFieldContainer[Final]
    audio_duration: _duration_pb2.Duration
    model: str
    suppressed: _containers.RepeatedCompositeFieldContainer[Suppressed]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, utterances: _Optional[_Iterable[_Union[Final, _Mapping]]] = ..., audio_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., model: _Optional[str] = ..., suppressed: _Optional[_Iterable[_Union[Suppressed, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
