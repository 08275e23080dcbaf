from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_PCM_S16LE: _ClassVar[Encoding]
    ENCODING_FLAC: _ClassVar[Encoding]
    ENCODING_MULAW: _ClassVar[Encoding]
    ENCODING_OGG_OPUS: _ClassVar[Encoding]
    ENCODING_ALAW: _ClassVar[Encoding]
ENCODING_UNSPECIFIED: Encoding
ENCODING_PCM_S16LE: Encoding
ENCODING_FLAC: Encoding
ENCODING_MULAW: Encoding
ENCODING_OGG_OPUS: Encoding
ENCODING_ALAW: Encoding

class CallId(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Vocabulary(_message.Message):
    __slots__ = ("terms", "weight")
    TERMS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    terms: _containers.RepeatedScalarFieldContainer[str]
    weight: float
    def __init__(self, terms: _Optional[_Iterable[str]] = ..., weight: _Optional[float] = ...) -> None: ...

class Speakers(_message.Message):
    __slots__ = ("enabled",)
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    def __init__(self, enabled: _Optional[bool] = ...) -> None: ...

class Endpointing(_message.Message):
    __slots__ = ("silence_ms",)
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    silence_ms: int
    def __init__(self, silence_ms: _Optional[int] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "language", "masks_profanity", "vocabularies", "channels", "word_times", "separates_channels", "model", "speakers", "endpointing")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MASKS_PROFANITY_FIELD_NUMBER: _ClassVar[int]
    VOCABULARIES_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    SEPARATES_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SPEAKERS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    encoding: Encoding
    sample_rate_hz: int
    language: str
    masks_profanity: bool
    vocabularies: _containers.RepeatedCompositeFieldContainer[Vocabulary]
    channels: int
    word_times: bool
    separates_channels: bool
    model: str
    speakers: Speakers
    endpointing: Endpointing
    def __init__(self, encoding: _Optional[_Union[Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., language: _Optional[str] = ..., masks_profanity: _Optional[bool] = ..., vocabularies: _Optional[_Iterable[_Union[Vocabulary, _Mapping]]] = ..., channels: _Optional[int] = ..., word_times: _Optional[bool] = ..., separates_channels: _Optional[bool] = ..., model: _Optional[str] = ..., speakers: _Optional[_Union[Speakers, _Mapping]] = ..., endpointing: _Optional[_Union[Endpointing, _Mapping]] = ...) -> None: ...

class StreamOptions(_message.Message):
    __slots__ = ("options", "partials")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    options: Options
    partials: bool
    def __init__(self, options: _Optional[_Union[Options, _Mapping]] = ..., partials: _Optional[bool] = ...) -> None: ...

class StreamRequest(_message.Message):
    __slots__ = ("start", "audio", "id")
    START_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    start: StreamOptions
    audio: bytes
    id: CallId
    def __init__(self, start: _Optional[_Union[StreamOptions, _Mapping]] = ..., audio: _Optional[bytes] = ..., id: _Optional[_Union[CallId, _Mapping]] = ...) -> None: ...

class RecordingRequest(_message.Message):
    __slots__ = ("options", "audio", "id")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    options: Options
    audio: bytes
    id: CallId
    def __init__(self, options: _Optional[_Union[Options, _Mapping]] = ..., audio: _Optional[bytes] = ..., id: _Optional[_Union[CallId, _Mapping]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("start_ms", "end_ms", "text", "confidence", "language")
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    start_ms: int
    end_ms: int
    text: str
    confidence: float
    language: str
    def __init__(self, start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., text: _Optional[str] = ..., confidence: _Optional[float] = ..., language: _Optional[str] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("text", "confidence", "words", "languages")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    text: str
    confidence: float
    words: _containers.RepeatedCompositeFieldContainer[Word]
    languages: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., confidence: _Optional[float] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., languages: _Optional[_Iterable[str]] = ...) -> None: ...

class StreamResult(_message.Message):
    __slots__ = ("hypotheses", "final", "stability", "channel", "received_s")
    HYPOTHESES_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_S_FIELD_NUMBER: _ClassVar[int]
    hypotheses: _containers.RepeatedCompositeFieldContainer[Hypothesis]
    final: bool
    stability: float
    channel: int
    received_s: float
    def __init__(self, hypotheses: _Optional[_Iterable[_Union[Hypothesis, _Mapping]]] = ..., final: _Optional[bool] = ..., stability: _Optional[float] = ..., channel: _Optional[int] = ..., received_s: _Optional[float] = ...) -> None: ...

class StreamResponse(_message.Message):
    __slots__ = ("results", "id")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[StreamResult]
    id: CallId
    def __init__(self, results: _Optional[_Iterable[_Union[StreamResult, _Mapping]]] = ..., id: _Optional[_Union[CallId, _Mapping]] = ...) -> None: ...

class RecordingResult(_message.Message):
    __slots__ = ("hypotheses", "channel", "received_s")
    HYPOTHESES_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_S_FIELD_NUMBER: _ClassVar[int]
    hypotheses: _containers.RepeatedCompositeFieldContainer[Hypothesis]
    channel: int
    received_s: float
    def __init__(self, hypotheses: _Optional[_Iterable[_Union[Hypothesis, _Mapping]]] = ..., channel: _Optional[int] = ..., received_s: _Optional[float] = ...) -> None: ...

class RecordingResponse(_message.Message):
    __slots__ = ("results", "id")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecordingResult]
    id: CallId
    def __init__(self, results: _Optional[_Iterable[_Union[RecordingResult, _Mapping]]] = ..., id: _Optional[_Union[CallId, _Mapping]] = ...) -> None: ...

class ModelsRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ModelsResponse(_message.Message):
    __slots__ = ("models",)
    class Model(_message.Message):
        __slots__ = ("name", "properties")
        class PropertiesEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        NAME_FIELD_NUMBER: _ClassVar[int]
        PROPERTIES_FIELD_NUMBER: _ClassVar[int]
        name: str
        properties: _containers.ScalarMap[str, str]
        def __init__(self, name: _Optional[str] = ..., properties: _Optional[_Mapping[str, str]] = ...) -> None: ...
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelsResponse.Model]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelsResponse.Model, _Mapping]]] = ...) -> None: ...
