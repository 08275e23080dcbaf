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
from stt_service.http.openai.json_input import invalid, parse_object
from stt_service.http.openai.languages import LANGUAGE_CODES
from stt_service.recognition import convert
from stt_service.settings.schema import AUTO, MAX_PROMPT_CHARACTERS, is_language, language_of_tag

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
        raise invalid("include", sorted(unknown)[0], "must be logprobs")
    if fields.get("known_speaker_names") or fields.get("known_speaker_references"):
        message = "Invalid known_speaker_names: speakers are not distinguished; omit the field."
        raise InvalidRequestError(message, "known_speaker_names")
    stream = _flag(fields, "stream")
    if stream and response_format is not ResponseFormat.JSON:
        raise invalid("stream", "true", f"requires response_format json, not {response_format.value}")
    _check_temperature(_one(fields, "temperature"))
    return TranscriptionOptions(
        settings=_settings(fields, translate=translate),
        response_format=response_format,
        words="word" in granularities,
        segments="segment" in granularities or not granularities,
        logprobs="logprobs" in include,
        stream=stream,
    )


def parse_language(value: str, field: str = "language") -> str:
    """Return the code of a language, given as a tag (`en`, `en-US`), an English name or `auto`.

    Args:
        value: The language.
        field: Its name in an error.

    Raises:
        InvalidRequestError: Whisper does not know the language.
    """
    code = LANGUAGE_CODES.get(value.strip().lower(), language_of_tag(value))
    if not is_language(code):
        raise invalid(field, value, "must be one of Whisper's codes, such as ru or en, or auto")
    return code


def checked_prompt(prompt: str, field: str) -> str:
    """Return the prompt.

    Raises:
        InvalidRequestError: it is too long.
    """
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise invalid(field, prompt, f"must be at most {MAX_PROMPT_CHARACTERS} characters, not {len(prompt)}")
    return prompt


def _settings(fields: Fields, *, translate: bool) -> pb.Settings:
    settings = pb.Settings(translate=translate)
    languages = {
        parse_language(value, name) for name in ("language", "languages") for value in fields.get(name, ()) if value
    }
    if len(languages) == 1:
        settings.language = languages.pop()
    elif languages or translate:  # OpenAI's translations have no parameter for the spoken language
        settings.language = AUTO
    if prompt := _one(fields, "prompt"):
        settings.initial_prompt = checked_prompt(prompt, "prompt")
    keywords = [keyword for keyword in fields.get("keywords", ()) if keyword]
    convert.hotwords(keywords, "keywords")
    settings.hotwords.extend(keywords)
    if strategy := _one(fields, "chunking_strategy"):
        _apply_chunking(strategy, settings)
    return settings


def _apply_chunking(strategy: str, settings: pb.Settings) -> None:
    """Apply `auto` or the parameters of a server VAD."""
    if strategy == "auto":
        return
    value = parse_object(strategy, "chunking_strategy")
    if value.get("type") != "server_vad":
        raise invalid("chunking_strategy", strategy, "must be 'auto' or a JSON object with type server_vad")
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
        raise invalid(name, value, f"must be a number from {least:g} to {most:g}")
    return float(value)


def _check_temperature(value: str) -> None:
    """Check the temperature, which has no effect: decoding is deterministic."""
    try:
        temperature = float(value or 0)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= MAX_TEMPERATURE:
        raise invalid("temperature", value, "must be a number from 0 to 1")


def _granularities(fields: Fields, response_format: ResponseFormat) -> frozenset[str]:
    granularities = frozenset(fields.get("timestamp_granularities", ()))
    if unknown := granularities - GRANULARITIES:
        raise invalid("timestamp_granularities", sorted(unknown)[0], "must be segment or word")
    if granularities and response_format is not ResponseFormat.VERBOSE_JSON:
        raise invalid("response_format", response_format.value, "timestamp_granularities require verbose_json")
    return granularities


def _flag(fields: Fields, name: str) -> bool:
    value = _one(fields, name).lower()
    if value not in TRUE | FALSE:
        raise invalid(name, value, "must be true or false")
    return value in TRUE


def _one(fields: Fields, name: str) -> str:
    values = fields.get(name, ())
    return values[-1] if values else ""
