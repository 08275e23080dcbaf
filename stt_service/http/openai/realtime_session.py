"""Configuration of a Realtime transcription session: JSON in, checked values and the settings of a stream out. Pure.

A field that is missing in an update keeps its value, and null resets it; unknown fields are dropped. This holds for the
fields of `transcription` too. `format` and `turn_detection` are replaced as a whole: their fields depend on their type.
Source: the session types of the package `openai`; 8 and 16 kHz are an extension.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.json_input import JsonObject, invalid
from stt_service.http.openai.options import apply_server_vad, checked_prompt, parse_language
from stt_service.recognition import convert
from stt_service.settings.schema import AUTO

INPUT = "session.audio.input"
TRANSCRIPTION = f"{INPUT}.transcription"
PCM, MULAW, ALAW = "audio/pcm", "audio/pcmu", "audio/pcma"
ENCODINGS = {
    PCM: pb.AudioFormat.ENCODING_PCM_S16LE,
    MULAW: pb.AudioFormat.ENCODING_MULAW,
    ALAW: pb.AudioFormat.ENCODING_ALAW,
}
RATES_HZ = (24_000, 16_000, 8_000)
TELEPHONE_HZ = 8_000  # of G.711
FORMER_FORMATS = {"pcm16": PCM, "g711_ulaw": MULAW, "g711_alaw": ALAW}
DEFAULT_INPUT: JsonObject = {
    "format": {"type": PCM, "rate": 24_000},
    "transcription": None,
    "noise_reduction": None,
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    },
}
STABILITIES = {
    "minimal": pb.STABILITY_VERY_LOW,
    "low": pb.STABILITY_LOW,
    "medium": pb.STABILITY_MEDIUM,
    "high": pb.STABILITY_HIGH,
    "xhigh": pb.STABILITY_VERY_HIGH,
}
LOGPROBS = "item.input_audio_transcription.logprobs"
LANGUAGE_FIELDS = frozenset({"language", "languages"})  # one replaces the other
TRANSCRIPTION_FIELDS = LANGUAGE_FIELDS | {"model", "prompt", "keywords", "delay"}
# Settings whose valid values depend on the server, by their names in the session.
SETTINGS = {"language": f"{TRANSCRIPTION}.language"}
TURN_DETECTIONS = ("server_vad", "semantic_vad")


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """A checked configuration.

    Attributes:
        audio_format: Format of appended audio.
        settings: Settings of the stream.
        stability: How soon deltas are sent.
        server_turns: Whether the server ends utterances; else the client commits them.
        logprobs: Whether `completed` has the log probabilities of words.
        description: The configuration as JSON, for `session.created` and `session.updated`.
    """

    audio_format: pb.AudioFormat
    settings: pb.Settings
    stability: pb.Stability
    server_turns: bool
    logprobs: bool
    description: JsonObject


def initial() -> RealtimeConfig:
    """Return the configuration of a new session."""
    return _checked({"audio": {"input": deepcopy(DEFAULT_INPUT)}, "include": None})


def updated(config: RealtimeConfig, update: object) -> RealtimeConfig:
    """Return the configuration with the `session` of an update.

    Raises:
        InvalidRequestError: a field has an invalid value; the configuration stays as it is.
    """
    if not isinstance(update, dict):
        raise InvalidRequestError("Invalid session: must be an object.", "session")
    if update.get("type", "transcription") != "transcription":
        raise invalid("session.type", update["type"], "must be transcription")
    merged: JsonObject = deepcopy(config.description)
    if "include" in update:
        merged["include"] = update["include"]
    audio = _object("session.audio", update.get("audio") or {})
    changes = _object(INPUT, audio.get("input") or {})
    present = _object("audio", merged["audio"])["input"]
    merged_input = {**_object("input", present), **deepcopy(_translated(update)), **deepcopy(changes)}
    merged_input["transcription"] = _merged_transcription(
        _object("input", present)["transcription"], merged_input["transcription"]
    )
    merged["audio"] = {"input": {name: merged_input.get(name) for name in DEFAULT_INPUT}}
    return _checked(merged)


@contextmanager
def client_names() -> Iterator[None]:
    """Raise an error about a setting with the name of the client's field instead."""
    try:
        yield
    except InvalidRequestError as error:
        name = SETTINGS.get(error.field, error.field)
        raise InvalidRequestError(str(error).replace(error.field, name, 1) if name else str(error), name) from error


def _merged_transcription(present: object, update: object) -> object:
    """Return the transcription of an update with the present values of its missing fields."""
    if not isinstance(update, dict):
        return update
    replaced = frozenset() if LANGUAGE_FIELDS.isdisjoint(update) else LANGUAGE_FIELDS
    known = present if isinstance(present, dict) else {}
    kept = {name: value for name, value in known.items() if name not in replaced}
    return {name: value for name, value in {**kept, **update}.items() if name in TRANSCRIPTION_FIELDS}


def _translated(update: Mapping[str, object]) -> JsonObject:
    """Return the fields of the former flat sessions under their present names."""
    changes: JsonObject = {}
    former = update.get("input_audio_format")
    if former is not None:
        if not isinstance(former, str) or former not in FORMER_FORMATS:
            raise invalid("session.input_audio_format", former, f"must be one of {', '.join(FORMER_FORMATS)}")
        kind = FORMER_FORMATS[str(former)]
        changes["format"] = {"type": kind, **({"rate": 24_000} if kind == PCM else {})}
    if "input_audio_transcription" in update:
        changes["transcription"] = update["input_audio_transcription"]
    if "turn_detection" in update:
        changes["turn_detection"] = update["turn_detection"]
    return changes


def _checked(description: JsonObject) -> RealtimeConfig:
    given = _object(INPUT, _object("session.audio", description["audio"])["input"])
    settings = pb.Settings()
    _apply_transcription(given.get("transcription"), settings)
    return RealtimeConfig(
        audio_format=_audio_format(given.get("format")),
        settings=settings,
        stability=_stability(given.get("transcription")),
        server_turns=_apply_turn_detection(given.get("turn_detection"), settings),
        logprobs=_has_logprobs(description["include"]),
        description=description,
    )


def _audio_format(value: object) -> pb.AudioFormat:
    given = _object(f"{INPUT}.format", value or {"type": PCM})
    kind = given.get("type", PCM)
    if not isinstance(kind, str) or kind not in ENCODINGS:
        raise invalid(f"{INPUT}.format.type", kind, f"must be {', '.join(ENCODINGS)}")
    rate_hz = given.get("rate") or (RATES_HZ[0] if kind == PCM else TELEPHONE_HZ)
    valid = RATES_HZ if kind == PCM else (TELEPHONE_HZ,)
    if rate_hz not in valid or not isinstance(rate_hz, int):
        raise invalid(f"{INPUT}.format.rate", rate_hz, f"must be {', '.join(map(str, valid))}")
    return pb.AudioFormat(encoding=ENCODINGS[str(kind)], sample_rate_hz=rate_hz, channels=1)


def _apply_transcription(value: object, settings: pb.Settings) -> None:
    if value is None:
        return
    given = _object(TRANSCRIPTION, value)
    codes = set(_languages(given))
    if codes:
        settings.language = codes.pop() if len(codes) == 1 else AUTO
    if prompt := given.get("prompt"):
        if not isinstance(prompt, str):
            raise InvalidRequestError(f"Invalid {TRANSCRIPTION}.prompt: must be a string.", f"{TRANSCRIPTION}.prompt")
        settings.initial_prompt = checked_prompt(prompt, f"{TRANSCRIPTION}.prompt")
    keywords = _strings(f"{TRANSCRIPTION}.keywords", given.get("keywords") or [])
    convert.hotwords(keywords, f"{TRANSCRIPTION}.keywords")
    settings.hotwords.extend(keywords)


def _languages(transcription: JsonObject) -> Iterator[str]:
    """Yield the codes of `languages`, else that of `language`."""
    if languages := transcription.get("languages"):
        for each in _strings(f"{TRANSCRIPTION}.languages", languages):
            yield parse_language(each, f"{TRANSCRIPTION}.languages")
    elif language := transcription.get("language"):
        if not isinstance(language, str):
            raise invalid(f"{TRANSCRIPTION}.language", language, "must be a string")
        yield parse_language(language, f"{TRANSCRIPTION}.language")


def _stability(transcription: object) -> pb.Stability:
    """Return the stability that corresponds to the delay of a checked transcription."""
    delay = transcription.get("delay") if isinstance(transcription, dict) else None
    if delay is None:
        return pb.STABILITY_UNSPECIFIED
    if not isinstance(delay, str) or delay not in STABILITIES:
        raise invalid(f"{TRANSCRIPTION}.delay", delay, f"must be {', '.join(STABILITIES)} or null")
    return STABILITIES[delay]


def _has_logprobs(include: object) -> bool:
    wanted = _strings("session.include", include or [])
    if unknown := [each for each in wanted if each != LOGPROBS]:
        raise invalid("session.include", unknown[0], f"must be {LOGPROBS}")
    return bool(wanted)


def _apply_turn_detection(value: object, settings: pb.Settings) -> bool:
    """Set silence and sensitivity; return whether the server ends utterances."""
    if value is None:
        return False
    given = _object(f"{INPUT}.turn_detection", value)
    if given.get("type") not in TURN_DETECTIONS:
        requirement = f"must be {' or '.join(TURN_DETECTIONS)}, or turn_detection null"
        raise invalid(f"{INPUT}.turn_detection.type", given.get("type"), requirement)
    if given["type"] == "server_vad":
        apply_server_vad(given, settings, f"{INPUT}.turn_detection")
        if given.get("silence_duration_ms") is not None:
            settings.min_utterance.FromMilliseconds(0)  # silence ends an utterance of any length
    return True


def _object(name: str, value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise invalid(name, value, "must be an object")
    return value


def _strings(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRequestError(f"Invalid {name}: must be a list of strings.", name)
    return value
