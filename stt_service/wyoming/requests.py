"""Requests of Wyoming → configuration of a stream. Pure.

`transcribe` and `audio-start` together are the configuration. Names that a client sends are hints, so those beyond the
limits of a stream are omitted; a language or an audio format that cannot be served is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import CHANNELS, RATES_HZ
from stt_service.errors import InvalidRequestError
from stt_service.settings.schema import MAX_HOTWORDS, MAX_PROMPT_CHARACTERS, language_of_tag
from stt_service.wyoming.events import ClientEvent

CLIENT_ID = "wyoming"  # label in the log and in the list of sessions
SAMPLE_BYTES = 2
SEPARATOR = ", "  # of hotwords in the settings
# Silence that ends a command in Home Assistant (homeassistant.components.assist_pipeline.vad).
SILENCE_MS = {"aggressive": 250, "default": 700, "relaxed": 1_250}


@dataclass(frozen=True, slots=True)
class Transcription:
    """The content of `transcribe`.

    Attributes:
        settings: Settings of the stream.
        model: Model that the client names; empty: none.
        omitted: What the server ignores, for the log.
    """

    settings: pb.Settings
    model: str = ""
    omitted: tuple[str, ...] = ()


def parse_transcribe(event: ClientEvent) -> Transcription:
    """Return the content of `transcribe`; `context` has no effect.

    Raises:
        InvalidRequestError: a field has the wrong type.
    """
    data = event.data
    hotwords, omitted = _hotwords((*_strings(data, "transcript_names"), *_strings(data, "transcript_terms")))
    settings = pb.Settings(hotwords=hotwords)
    if language := _string(data, "language"):
        settings.language = language_of_tag(language)  # the stream rejects unknown ones
    problems = [f"{omitted} names"] if omitted else []
    sensitivity = _string(data, "vad_sensitivity")
    if sensitivity in SILENCE_MS:
        settings.post_speech_silence.FromMilliseconds(SILENCE_MS[sensitivity])
    elif sensitivity:
        problems.append(f"vad_sensitivity {sensitivity[:20]}")
    return Transcription(settings, _string(data, "name"), tuple(problems))


def parse_audio_format(event: ClientEvent) -> pb.AudioFormat:
    """Return the format of `audio-start`.

    Raises:
        InvalidRequestError: the format is not 16-bit PCM with a supported rate.
    """
    rate_hz = _integer(event, "rate", RATES_HZ[0], RATES_HZ[-1])
    _integer(event, "width", SAMPLE_BYTES, SAMPLE_BYTES)
    channels = _integer(event, "channels", CHANNELS[0], CHANNELS[-1])
    return pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_PCM_S16LE, sample_rate_hz=rate_hz, channels=channels)


def check_chunk(event: ClientEvent, started: pb.AudioFormat) -> None:
    """Check the format of `audio-chunk`, which repeats that of `audio-start`.

    Raises:
        InvalidRequestError: the formats differ.
    """
    expected = {"rate": started.sample_rate_hz, "width": SAMPLE_BYTES, "channels": started.channels}
    for name, value in expected.items():
        if event.data.get(name, value) != value:
            raise InvalidRequestError(
                f"Invalid audio-chunk {name}={_shown(event.data[name])}: must be {value}, as in audio-start."
            )


def stream_config(transcription: Transcription, audio_format: pb.AudioFormat) -> pb.StreamingConfig:
    """Return the configuration of the stream."""
    return pb.StreamingConfig(format=audio_format, settings=transcription.settings, client_id=CLIENT_ID)


def _hotwords(names: Sequence[str]) -> tuple[list[str], int]:
    """Return the first names that fit the limits of a stream, and the number of the others."""
    hotwords, size = dict[str, None](), -len(SEPARATOR)
    for index, name in enumerate(names):
        hotword = _hotword(name)
        if not hotword or hotword in hotwords:
            continue
        size += len(SEPARATOR) + len(hotword)
        if len(hotwords) == MAX_HOTWORDS or size > MAX_PROMPT_CHARACTERS:
            return list(hotwords), len(names) - index
        hotwords[hotword] = None
    return list(hotwords), 0


def _hotword(name: str) -> str:
    """Return a name without commas, which separate hotwords, and without control characters."""
    usable = name[: MAX_PROMPT_CHARACTERS + 1]  # a longer one does not fit either
    return " ".join("".join(each if each.isprintable() and each != "," else " " for each in usable).split())


def _integer(event: ClientEvent, name: str, least: int, most: int) -> int:
    value = event.data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        valid = f"{least} to {most}" if least < most else str(least)
        raise InvalidRequestError(f"Invalid {event.type} {name}={_shown(value)}: must be {valid}.")
    return value


def _string(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():  # no lone surrogates either, which cannot be encoded
        raise InvalidRequestError(f"Invalid transcribe {name}={_shown(value)}: must be a printable string.")
    return value


def _strings(data: Mapping[str, object], name: str) -> list[str]:
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRequestError(f"Invalid transcribe {name}={_shown(value)}: must be a list of strings.")
    return value


def _shown(value: object) -> str:
    return repr(value)[:40]
