"""Every setting once: name, type, unit, range, default, meaning, and when a change takes effect.

The environment, `--help`, CONFIGURATION.md and the Control service are made from these declarations.
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
MAX_PROMPT_CHARACTERS = 2000
MAX_HOTWORDS = 100
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
FRAME_MS = round(1000 * FRAME_S)


def frames(seconds: float) -> int:
    """Return the duration in frames of 32 ms, to the nearest."""
    return round(seconds / FRAME_S)


def is_language(code: str) -> bool:
    """Tell whether Whisper has the language, or it is `auto`."""
    return code == AUTO or code in LANGUAGES


Seconds = Annotated[float, Field(allow_inf_nan=False)]
EncoderContext = Literal["short", "full"]
UNIT_S: JsonDict = {"unit": "s"}


class Scope(Enum):
    """From when on a change holds that is made while the server runs."""

    STREAM = "new streams; an open one by `update`"
    NEW_STREAMS = "new streams"
    IMMEDIATE = "at once"
    RESTART = "a restart"


NEW_STREAMS: JsonDict = {"scope": Scope.NEW_STREAMS.value}
NEW_STREAMS_S: JsonDict = {**UNIT_S, **NEW_STREAMS}
AT_ONCE: JsonDict = {"scope": Scope.IMMEDIATE.value}


class RuntimeSettings(BaseModel):
    """The settings of a stream: all of scope STREAM. A stream's own change holds from its next utterance on."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    language: str = Field("ru", description="Whisper code, or auto to detect it for each utterance.")
    translate: bool = Field(False, description="English whatever the language spoken.")
    initial_prompt: str = Field(
        "", max_length=MAX_PROMPT_CHARACTERS, description="Text that steers spelling and style."
    )
    hotwords: str = Field("", max_length=MAX_PROMPT_CHARACTERS, description="Words to favour, separated by commas.")
    post_speech_silence_duration: Seconds = Field(
        1.5, ge=0.1, le=10, description="Silence that ends an utterance.", json_schema_extra=UNIT_S
    )
    min_length_of_recording: Seconds = Field(
        2.0,
        ge=0,
        le=20,
        description="Silence does not end an utterance shorter than this.",
        json_schema_extra=UNIT_S,
    )
    max_length_of_recording: Seconds = Field(
        28.0,
        ge=5,
        le=28,
        description="Then it is cut at the quietest recent point.",
        json_schema_extra=UNIT_S,
    )
    silero_sensitivity: float = Field(
        0.05,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Speech when Silero's probability is above 1 - this.",
    )
    webrtc_sensitivity: int = Field(3, ge=0, le=3, description="Aggressiveness of the WebRTC gate.")

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        if not is_language(language):
            raise ValueError("must be one of Whisper's codes, such as ru or en, or auto")
        return language

    def updated(self, changes: Mapping[str, object]) -> RuntimeSettings:
        """Return these settings with the changes.

        Raises:
            InvalidRequest: naming the field, the value and what would do.
        """
        try:
            return RuntimeSettings.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise InvalidRequestError(explain(error)) from error


class ServerSettings(NetworkSettings, RuntimeSettings):
    """The settings of a server: WHISPER_MODEL in the environment sets `whisper_model`.

    Those that are not a stream's are of scope RESTART unless they say otherwise.
    """

    whisper_model: str = Field(
        "auto",
        min_length=1,
        description="Model of finals: a size, a hub name or a folder; auto = medium on CUDA, base on a CPU.",
    )
    realtime_model: str = Field(
        "auto",
        min_length=1,
        description="Model of partials; auto = tiny on CUDA; on a CPU tiny.en for LANGUAGE=en, else the finals' model. "
        "Equal to WHISPER_MODEL it shares one copy.",
    )
    models_dir: str = Field("", description="Folder of the weights; empty = the platform's cache folder.")
    enable_realtime_transcription: bool = Field(True, description="Make partials.", json_schema_extra=NEW_STREAMS)
    device: Literal["cuda", "cpu", "auto"] = Field(
        "cuda", description="cuda, cpu or auto; cuda falls back to cpu with a warning, auto without."
    )
    gpu_device_index: str = Field(
        "0", pattern=r"^\d+(,\d+)*$", description="GPU to use; several, as 0,1, spread the load."
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
    ] = Field("default", description="Of CTranslate2; default = float16 on cuda, int8 on cpu.")
    beam_size: int = Field(5, ge=1, le=10, description="Beams of finals.", json_schema_extra=NEW_STREAMS)
    realtime_beam_size: int = Field(1, ge=1, le=10, description="Beams of partials.", json_schema_extra=NEW_STREAMS)
    pre_recording_buffer_duration: Seconds = Field(
        1.0, ge=0, le=3, description="Sound kept from before the onset.", json_schema_extra=NEW_STREAMS_S
    )
    min_gap_between_recordings: Seconds = Field(
        0.0,
        ge=0,
        le=10,
        description="Least time from an endpoint to the next onset.",
        json_schema_extra=NEW_STREAMS_S,
    )
    realtime_processing_pause: Seconds = Field(
        0.2, ge=0.05, le=10, description="Least time between two partials.", json_schema_extra=NEW_STREAMS_S
    )
    init_realtime_after_seconds: Seconds = Field(
        0.2, ge=0, le=10, description="Speech before the first partial.", json_schema_extra=NEW_STREAMS_S
    )
    early_transcription_on_silence: Seconds = Field(
        0.2,
        ge=0,
        le=5,
        description="Silence after which the final is decoded ahead; 0 turns it off.",
        json_schema_extra=NEW_STREAMS_S,
    )
    encoder_context: EncoderContext = Field(
        "short",
        description="Finals: short = short window with a tail of silence; full = 30 s window.",
        json_schema_extra=NEW_STREAMS,
    )
    realtime_encoder_context: EncoderContext = Field(
        "short", description="The same for partials.", json_schema_extra=NEW_STREAMS
    )
    max_streams: Literal["auto"] | Annotated[int, Field(ge=1, le=10_000)] = Field(
        "auto",
        description="Streams admitted at once; auto = what the self-test showed the machine can carry.",
        json_schema_extra=AT_ONCE,
    )
    max_streams_per_peer: int = Field(
        0, ge=0, le=10_000, description="Streams of one peer at once; 0 = any number.", json_schema_extra=AT_ONCE
    )
    rate_limit_per_minute: int = Field(
        3000, ge=0, le=10**6, description="Calls one peer may begin; 0 = any number.", json_schema_extra=AT_ONCE
    )
    max_batch: int = Field(16, ge=1, le=256, description="Decodes that run together.")
    idle_timeout: Seconds = Field(
        300.0,
        ge=1,
        le=86_400,
        description="A stream without audio for so long is ended.",
        json_schema_extra=NEW_STREAMS_S,
    )
    max_stream_duration: Seconds = Field(
        0.0,
        ge=0,
        le=604_800,
        description="A stream is ended after so much audio, a resumable one at the end of its utterance; 0 = never.",
        json_schema_extra=NEW_STREAMS_S,
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level logged.", json_schema_extra=AT_ONCE
    )
    log_format: Literal["text", "json"] = Field("text", description="text, or json: an object in each line.")

    def runtime(self) -> RuntimeSettings:
        """Return what a stream starts from."""
        return RuntimeSettings.model_validate(self.model_dump(include=set(RuntimeSettings.model_fields)))


def scope(name: str) -> Scope:
    """Return from when on a change of the setting holds."""
    if name in RuntimeSettings.model_fields:
        return Scope.STREAM
    declared = ServerSettings.model_fields[name].json_schema_extra
    return Scope(declared["scope"]) if isinstance(declared, dict) and "scope" in declared else Scope.RESTART


# What would do, by pydantic's type of error; its own words serve for the rest.
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
    """Return one sentence for the first thing that is wrong: its name, its value, what would do."""
    first, *others = error.errors(include_url=False)
    if not first["loc"]:
        return f"{first['msg'].removeprefix('Value error, ')}."
    name, value = str(first["loc"][0]).upper(), repr(first["input"])
    shown = value if len(value) <= 60 else f"{value[:59]}…"
    if first["type"] == "extra_forbidden":
        return f"Invalid {name}={shown}: there is no such setting."
    if first["type"] not in _REQUIREMENTS:
        return f"Invalid {name}={shown}: {first['msg'].removeprefix('Value error, ')}."
    # A union has an error for each of its members.
    wanted = [e for e in (first, *others) if e["loc"][:1] == first["loc"][:1] and e["type"] in _REQUIREMENTS]
    choices = dict.fromkeys(_REQUIREMENTS[e["type"]].format(**e.get("ctx", {})) for e in wanted)
    return f"Invalid {name}={shown}: must be {' or '.join(choices)}."
