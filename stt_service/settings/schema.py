"""The declarations of all settings: name, type, unit, range, default, meaning, and when a change takes effect.

The environment, `--help`, CONFIGURATION.md and the Control service are generated from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.config import JsonDict

from stt_service.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ
from stt_service.errors import InvalidRequestError
from stt_service.settings.network import NetworkSettings

# The codes of Whisper's tokenizer (openai/whisper, tokenizer.py).
LANGUAGES = frozenset(
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu "
    "hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro "
    "ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh".split()
)
AUTO = "auto"
# Codes of Home Assistant and of other standards where Whisper has another one.
FORMER_CODES = {"nb": "no", "iw": "he", "jv": "jw", "fil": "tl", "in": "id"}
MAX_PROMPT_CHARACTERS = 2000
MAX_HOTWORDS = 100
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
FRAME_MS = round(1000 * FRAME_S)


def frames(seconds: float) -> int:
    """Return the duration in frames of 32 ms, to the nearest."""
    return round(seconds / FRAME_S)


def is_language(code: str) -> bool:
    """Return whether the code is a language of Whisper or `auto`."""
    return code == AUTO or code in LANGUAGES


def language_of_tag(tag: str) -> str:
    """Return Whisper's code of a tag: `en` of `en-US` or `en_US`, `no` of `nb`. It may be `auto`, or unknown."""
    code = tag.strip().lower().replace("_", "-").partition("-")[0]
    return FORMER_CODES.get(code, code)


Seconds = Annotated[float, Field(allow_inf_nan=False)]
EncoderContext = Literal["short", "full"]
UNIT_S: JsonDict = {"unit": "s"}


class Scope(Enum):
    """When a change that is made while the server runs takes effect."""

    STREAM = "for new streams; for open ones by `update`"
    NEW_STREAMS = "for new streams"
    IMMEDIATE = "immediately"
    RESTART = "after a restart"


NEW_STREAMS: JsonDict = {"scope": Scope.NEW_STREAMS.value}
NEW_STREAMS_S: JsonDict = {**UNIT_S, **NEW_STREAMS}
IMMEDIATE: JsonDict = {"scope": Scope.IMMEDIATE.value}


class RuntimeSettings(BaseModel):
    """The settings of a stream, all of scope STREAM. A stream's own change takes effect at its next utterance."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    language: str = Field("ru", description="Whisper language code, or auto to detect the language of each utterance.")
    translate: bool = Field(False, description="Translate speech into English.")
    initial_prompt: str = Field(
        "", max_length=MAX_PROMPT_CHARACTERS, description="Text that guides spelling and style."
    )
    hotwords: str = Field("", max_length=MAX_PROMPT_CHARACTERS, description="Words to favor, separated by commas.")
    post_speech_silence_duration: Seconds = Field(
        1.5, ge=0.1, le=10, description="Silence that ends an utterance.", json_schema_extra=UNIT_S
    )
    min_length_of_recording: Seconds = Field(
        2.0,
        ge=0,
        le=20,
        description="Silence does not end an utterance that is shorter than this.",
        json_schema_extra=UNIT_S,
    )
    max_length_of_recording: Seconds = Field(
        28.0,
        ge=5,
        le=28,
        description="An utterance of this length is cut at its quietest recent point.",
        json_schema_extra=UNIT_S,
    )
    silero_sensitivity: float = Field(
        0.05,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="A frame is speech when Silero's probability is above 1 minus this value.",
    )
    webrtc_sensitivity: int = Field(3, ge=0, le=3, description="Aggressiveness of the WebRTC gate.")

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        if not is_language(language):
            raise ValueError("must be a Whisper language code, such as ru or en, or auto")
        return language

    def updated(self, changes: Mapping[str, object]) -> RuntimeSettings:
        """Return these settings with the changes.

        Raises:
            InvalidRequestError: a value is invalid; the message has the field, the value and the valid values.
        """
        try:
            return RuntimeSettings.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise InvalidRequestError(explain(error)) from error


class ServerSettings(NetworkSettings, RuntimeSettings):
    """The settings of a server: WHISPER_MODEL in the environment sets `whisper_model`.

    Settings that are not a stream's have the scope RESTART unless declared otherwise.
    """

    whisper_model: str = Field(
        "auto",
        min_length=1,
        description="Model for finals: a size, a hub name or a folder; auto = medium on CUDA, base on a CPU.",
    )
    realtime_model: str = Field(
        "auto",
        min_length=1,
        description="Model for partials; auto = tiny on CUDA; on a CPU tiny.en for LANGUAGE=en, else WHISPER_MODEL. "
        "If it equals WHISPER_MODEL, one copy is shared.",
    )
    models_dir: str = Field("", description="Folder for the weights; empty = the platform's cache folder.")
    enable_realtime_transcription: bool = Field(True, description="Send partials.", json_schema_extra=NEW_STREAMS)
    device: Literal["cuda", "cpu", "auto"] = Field(
        "cuda", description="Device for inference; cuda falls back to cpu with a warning, auto without one."
    )
    gpu_device_index: str = Field(
        "0", pattern=r"^\d+(,\d+)*$", description="GPU to use; the load is spread over several, such as 0,1."
    )
    compute_type: Literal[
        "default",
        "auto",
        "int8",
        "int8_float16",
        "int8_float32",
        "int8_bfloat16",
        "float16",
        "bfloat16",
        "float32",
    ] = Field("default", description="Compute type of CTranslate2; default = float16 on cuda, int8 on cpu.")
    beam_size: int = Field(5, ge=1, le=10, description="Beam size for finals.", json_schema_extra=NEW_STREAMS)
    realtime_beam_size: int = Field(
        1, ge=1, le=10, description="Beam size for partials.", json_schema_extra=NEW_STREAMS
    )
    pre_recording_buffer_duration: Seconds = Field(
        1.0,
        ge=0,
        le=3,
        description="Audio before the onset that belongs to the utterance.",
        json_schema_extra=NEW_STREAMS_S,
    )
    min_gap_between_recordings: Seconds = Field(
        0.0,
        ge=0,
        le=10,
        description="Minimum time from an endpoint to the next onset.",
        json_schema_extra=NEW_STREAMS_S,
    )
    realtime_processing_pause: Seconds = Field(
        0.2, ge=0.05, le=10, description="Minimum time between two partials.", json_schema_extra=NEW_STREAMS_S
    )
    init_realtime_after_seconds: Seconds = Field(
        0.2, ge=0, le=10, description="Speech before the first partial.", json_schema_extra=NEW_STREAMS_S
    )
    early_transcription_on_silence: Seconds = Field(
        0.2,
        ge=0,
        le=5,
        description="Silence after which the final is decoded speculatively; 0 = never.",
        json_schema_extra=NEW_STREAMS_S,
    )
    encoder_context: EncoderContext = Field(
        "short",
        description="Encoder window for finals: short = the audio with a tail of silence; full = 30 s.",
        json_schema_extra=NEW_STREAMS,
    )
    realtime_encoder_context: EncoderContext = Field(
        "short", description="Encoder window for partials, like ENCODER_CONTEXT.", json_schema_extra=NEW_STREAMS
    )
    max_streams: Literal["auto"] | Annotated[int, Field(ge=1, le=10_000)] = Field(
        "auto",
        description="Maximum number of concurrent streams; auto = the capacity that the self-test measured.",
        json_schema_extra=IMMEDIATE,
    )
    max_streams_per_peer: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Maximum number of concurrent streams of one peer; 0 = unlimited.",
        json_schema_extra=IMMEDIATE,
    )
    rate_limit_per_minute: int = Field(
        3000,
        ge=0,
        le=10**6,
        description="Maximum number of calls that one peer may start in a minute; 0 = unlimited.",
        json_schema_extra=IMMEDIATE,
    )
    max_batch: int = Field(16, ge=1, le=256, description="Maximum number of decodes in a batch.")
    idle_timeout: Seconds = Field(
        300.0,
        ge=1,
        le=86_400,
        description="A stream that receives no audio for this long is ended.",
        json_schema_extra=NEW_STREAMS_S,
    )
    max_stream_duration: Seconds = Field(
        0.0,
        ge=0,
        le=604_800,
        description="A stream is ended after this much audio, a resumable one at the end of its utterance; 0 = never.",
        json_schema_extra=NEW_STREAMS_S,
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Minimum level that is logged.", json_schema_extra=IMMEDIATE
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Format of log lines: text, or json with one object per line."
    )

    def runtime(self) -> RuntimeSettings:
        """Return the settings with which a stream starts."""
        return RuntimeSettings.model_validate(self.model_dump(include=set(RuntimeSettings.model_fields)))


def scope(name: str) -> Scope:
    """Return when a change of the setting takes effect."""
    if name in RuntimeSettings.model_fields:
        return Scope.STREAM
    declared = ServerSettings.model_fields[name].json_schema_extra
    return Scope(declared["scope"]) if isinstance(declared, dict) and "scope" in declared else Scope.RESTART


# Valid values by pydantic's error type; other types keep pydantic's own message.
_REQUIREMENTS = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than_equal": "at least {ge:.12g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than_equal": "at most {le:.12g}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "of the form {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} character(s)",
    "string_type": "text",
}


def explain(error: ValidationError) -> str:
    """Return a message for the first error: the setting, its value and the valid values."""
    return next(iter(explain_each(error).values()))


def explain_each(error: ValidationError) -> dict[str, str]:
    """Return a message for each invalid setting by its name; under an empty name, for a combination of settings."""
    details, messages = error.errors(include_url=False), dict[str, str]()
    for first in details:
        name, reason = _name(first["loc"]), first["msg"].removeprefix("Value error, ")
        if name in messages:  # a union has an error for each of its members
            continue
        same = [each for each in details if _name(each["loc"]) == name and each["type"] in _REQUIREMENTS]
        if first["type"] == "extra_forbidden":
            reason = "there is no such setting"
        elif first["type"] in _REQUIREMENTS:
            choices = dict.fromkeys(_REQUIREMENTS[each["type"]].format(**each.get("ctx", {})) for each in same)
            reason = f"must be {' or '.join(choices)}"
        messages[name] = f"Invalid {name}={_shown(first['input'])}: {reason}." if name else f"{reason}."
    return messages


def _name(location: tuple[int | str, ...]) -> str:
    """Return the name of the setting of an error; an empty string for a combination of settings."""
    return str(location[0]).upper() if location else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
