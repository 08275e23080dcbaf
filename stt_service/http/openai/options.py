"""Options of a transcription request: form fields in, checked values out.

Field names are OpenAI's; a repeated field comes with or without `[]`. Source: the parameter types of the package
`openai`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.formats import ResponseFormat, parse_format
from stt_service.http.openai.json_input import parse_object, shown
from stt_service.http.openai.languages import LANGUAGE_CODES, LANGUAGE_NAMES
from stt_service.settings.schema import language_of_tag

Fields = Mapping[str, Sequence[str]]  # all values of each form field, names without []
TRUE, FALSE = frozenset({"true", "1"}), frozenset({"false", "0", ""})
GRANULARITIES = frozenset({"segment", "word"})
MAX_TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What a client requests for a recording."""

    settings: pb.Settings
    response_format: ResponseFormat
    words: bool
    segments: bool
    logprobs: bool
    stream: bool

    @property
    def needs_words(self) -> bool:
        """Whether the times or probabilities of words are part of the response."""
        return self.words or self.logprobs or self.response_format in (ResponseFormat.SRT, ResponseFormat.VTT)


def parse_options(fields: Fields, *, translate: bool) -> TranscriptionOptions:
    """Return the options of a request.

    Raises:
        InvalidRequestError: a field has an invalid value.
    """
    response_format = parse_format(_one(fields, "response_format") or ResponseFormat.JSON.value)
    granularities = _granularities(fields, response_format)
    include = set(fields.get("include", ()))
    if unknown := include - {"logprobs"}:
        raise InvalidRequestError(f"Invalid include={shown(sorted(unknown)[0])}: must be logprobs.")
    if fields.get("known_speaker_names") or fields.get("known_speaker_references"):
        raise InvalidRequestError("Invalid known_speaker_names: speakers are not distinguished; omit the field.")
    _check_temperature(_one(fields, "temperature"))
    return TranscriptionOptions(
        settings=_settings(fields, translate=translate),
        response_format=response_format,
        words="word" in granularities,
        segments="segment" in granularities or not granularities,
        logprobs="logprobs" in include,
        stream=_flag(fields, "stream"),
    )


def parse_language(value: str) -> str:
    """Return the code of a language, given as a code (`en`, `en-US`) or an English name.

    Raises:
        InvalidRequestError: Whisper does not know the language.
    """
    name = value.strip().lower()
    code = LANGUAGE_CODES.get(name, language_of_tag(name))
    if code not in LANGUAGE_NAMES:
        raise InvalidRequestError(f"Invalid language={shown(value)}: must be one of Whisper's codes, such as ru or en.")
    return code


def _settings(fields: Fields, *, translate: bool) -> pb.Settings:
    settings = pb.Settings(translate=translate)
    languages = [
        parse_language(value) for value in (*fields.get("language", ()), *fields.get("languages", ())) if value
    ]
    settings.language = languages[0] if len(set(languages)) == 1 else "auto"
    if prompt := _one(fields, "prompt"):
        settings.initial_prompt = prompt
    settings.hotwords.extend(keyword for keyword in fields.get("keywords", ()) if keyword)
    if strategy := _one(fields, "chunking_strategy"):
        _apply_chunking(strategy, settings)
    return settings


def _apply_chunking(strategy: str, settings: pb.Settings) -> None:
    """Apply `auto` or the parameters of a server VAD."""
    if strategy == "auto":
        return
    value = parse_object(strategy, "chunking_strategy")
    if value.get("type") != "server_vad":
        raise InvalidRequestError(
            f"Invalid chunking_strategy={shown(strategy)}: must be 'auto' or a JSON object with type server_vad."
        )
    apply_server_vad(value, settings, "chunking_strategy")


def apply_server_vad(value: Mapping[str, object], settings: pb.Settings, name: str) -> None:
    """Set the silence and the sensitivity of a server VAD.

    Args:
        value: `threshold`, 0..1, and `silence_duration_ms`; missing or null keeps the server's value.
        settings: Receives the values.
        name: Field named in an error.

    Raises:
        InvalidRequestError: a value is not a number, or out of range.
    """
    threshold, silence_ms = value.get("threshold"), value.get("silence_duration_ms")
    if threshold is not None:
        settings.silero_sensitivity = 1 - _number(f"{name}.threshold", threshold, 0, 1)
    if silence_ms is not None:
        settings.post_speech_silence.FromMilliseconds(
            round(_number(f"{name}.silence_duration_ms", silence_ms, 100, 10_000))
        )


def _number(name: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidRequestError(f"Invalid {name}={shown(value)}: must be a number from {least:g} to {most:g}.")
    return float(value)


def _check_temperature(value: str) -> None:
    """Check the temperature, which has no effect: decoding is deterministic."""
    try:
        temperature = float(value or 0)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise InvalidRequestError(f"Invalid temperature={shown(value)}: must be a number from 0 to 1.")


def _granularities(fields: Fields, response_format: ResponseFormat) -> frozenset[str]:
    granularities = frozenset(fields.get("timestamp_granularities", ()))
    if unknown := granularities - GRANULARITIES:
        raise InvalidRequestError(
            f"Invalid timestamp_granularities={shown(sorted(unknown)[0])}: must be segment or word."
        )
    if granularities and response_format is not ResponseFormat.VERBOSE_JSON:
        raise InvalidRequestError(
            f"Invalid response_format={response_format.value!r}: timestamp_granularities require verbose_json."
        )
    return granularities


def _flag(fields: Fields, name: str) -> bool:
    value = _one(fields, name).lower()
    if value not in TRUE | FALSE:
        raise InvalidRequestError(f"Invalid {name}={shown(value)}: must be true or false.")
    return value in TRUE


def _one(fields: Fields, name: str) -> str:
    values = fields.get(name, ())
    return values[-1] if values else ""
