"""Requests of Wyoming: the settings of their stream, omitted hints and rejected values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stt.v1 import stt_pb2 as pb
from wyoming.asr import Transcribe, VadSensitivity
from wyoming.audio import AudioStart

from stt_service.errors import InvalidRequestError
from stt_service.recognition import convert
from stt_service.settings.schema import MAX_HOTWORDS, MAX_PROMPT_CHARACTERS, RuntimeSettings, language_of_tag
from stt_service.wyoming.events import ClientEvent
from stt_service.wyoming.requests import (
    Transcription,
    check_chunk,
    parse_audio_format,
    parse_transcribe,
    stream_config,
)

DEFAULTS = RuntimeSettings.model_validate({})
FORMAT = pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_PCM_S16LE, sample_rate_hz=16_000, channels=1)


def transcribe(**data: object) -> Transcription:
    return parse_transcribe(ClientEvent("transcribe", data))


def audio_start(**data: object) -> pb.AudioFormat:
    return parse_audio_format(ClientEvent("audio-start", {"rate": 16_000, "width": 2, "channels": 1, **data}))


def runtime(transcription: Transcription) -> RuntimeSettings:
    """Return the settings of the stream, as the service computes them."""
    config = stream_config(transcription, FORMAT)
    return DEFAULTS.updated(convert.changes(config.settings))


def test_official_request_becomes_settings() -> None:
    request = Transcribe(
        name="base",
        language="en-US",
        vad_sensitivity=VadSensitivity.RELAXED,
        transcript_names=["Kitchen", "Nabu Casa"],
        transcript_terms=["dimmer"],
        context={"previous": ["anything"]},
    )
    parsed = parse_transcribe(ClientEvent("transcribe", request.event().data))
    settings = runtime(parsed)
    assert (parsed.model, parsed.omitted) == ("base", ())
    assert (settings.language, settings.hotwords) == ("en", "Kitchen, Nabu Casa, dimmer")
    assert settings.post_speech_silence_duration == 1.25


def test_empty_request_keeps_the_settings_of_the_server() -> None:
    assert runtime(transcribe()) == DEFAULTS
    assert runtime(transcribe(language=None, vad_sensitivity=None, transcript_names=[])) == DEFAULTS


def test_sensitivities_end_an_utterance_after_more_silence_the_more_relaxed_they_are() -> None:
    silences = [
        runtime(transcribe(vad_sensitivity=each.value)).post_speech_silence_duration
        for each in (VadSensitivity.AGGRESSIVE, VadSensitivity.DEFAULT, VadSensitivity.RELAXED)
    ]
    assert silences == [0.25, 0.7, 1.25]


def test_unknown_sensitivity_is_omitted() -> None:
    parsed = transcribe(vad_sensitivity="nervous")
    assert runtime(parsed) == DEFAULTS
    assert parsed.omitted == ("vad_sensitivity nervous",)


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en", "en"), ("en-US", "en"), ("pt_BR", "pt"), ("ZH-Hans-CN", "zh"), ("nb-NO", "no"), ("auto", "auto")],
)
def test_language_tag_becomes_a_code_of_whisper(tag: str, code: str) -> None:
    assert language_of_tag(tag) == code
    assert runtime(transcribe(language=tag)).language == code


def test_unknown_language_is_rejected_by_the_stream() -> None:
    with pytest.raises(InvalidRequestError, match="Invalid LANGUAGE='klingon'"):
        runtime(transcribe(language="klingon"))


def test_names_have_priority_over_terms_within_the_limit() -> None:
    parsed = transcribe(
        transcript_terms=[f"term {i}" for i in range(60)], transcript_names=[f"name {i}" for i in range(60)]
    )
    assert list(parsed.settings.hotwords) == [f"name {i}" for i in range(60)] + [f"term {i}" for i in range(40)]
    assert parsed.omitted == ("20 names",)


def test_comma_does_not_split_a_name_and_repeated_names_count_once() -> None:
    parsed = transcribe(transcript_names=["Lamp,  left", "Lamp left", "\x1b[31mred", "", " , "])
    assert list(parsed.settings.hotwords) == ["Lamp left", "[31mred"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=300), max_size=300), st.lists(st.text(max_size=40), max_size=300))
def test_any_names_are_valid_hotwords(names: list[str], terms: list[str]) -> None:
    parsed = transcribe(transcript_names=names, transcript_terms=terms)
    settings = runtime(parsed)
    assert len(parsed.settings.hotwords) <= MAX_HOTWORDS
    assert len(settings.hotwords) <= MAX_PROMPT_CHARACTERS


def test_name_with_a_lone_surrogate_can_be_sent() -> None:
    assert list(transcribe(transcript_names=["a\ud800b"]).settings.hotwords) == ["a b"]


@pytest.mark.parametrize(
    "data",
    [
        {"language": 1},
        {"language": "e\ud800"},
        {"language": "e\x00"},
        {"name": ["base"]},
        {"vad_sensitivity": {}},
        {"transcript_names": "Kitchen"},
        {"transcript_names": {"a": 1}},
        {"transcript_terms": [1]},
    ],
)
def test_field_of_another_type_is_rejected(data: dict[str, object]) -> None:
    (name,) = data
    with pytest.raises(InvalidRequestError, match=f"Invalid transcribe {name}="):
        transcribe(**data)


def test_official_audio_start_becomes_a_format() -> None:
    started = parse_audio_format(ClientEvent("audio-start", AudioStart(48_000, 2, 2).event().data))
    assert (started.sample_rate_hz, started.channels) == (48_000, 2)


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_rate_includes_its_bounds(rate: int) -> None:
    assert audio_start(rate=rate).sample_rate_hz == rate


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("rate", 7_999, "8000 to 192000"),
        ("rate", 192_001, "8000 to 192000"),
        ("rate", 16_000.0, "8000 to 192000"),
        ("rate", None, "8000 to 192000"),
        ("rate", "16000", "8000 to 192000"),
        ("width", 1, "2"),
        ("width", 4, "2"),
        ("width", True, "2"),
        ("channels", 0, "1 to 32"),
        ("channels", 33, "1 to 32"),
    ],
)
def test_format_that_is_not_supported_is_rejected(name: str, value: object, valid: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^Invalid audio-start {name}={value!r}: must be {valid}\.$"):
        audio_start(**{name: value})


def test_chunk_must_have_the_format_of_its_start() -> None:
    check_chunk(ClientEvent("audio-chunk", {"rate": 16_000, "width": 2, "channels": 1, "timestamp": 5}), FORMAT)
    check_chunk(ClientEvent("audio-chunk"), FORMAT)
    for name, value in (("rate", 8_000), ("width", 4), ("channels", 2), ("rate", "16000")):
        with pytest.raises(InvalidRequestError, match=f"Invalid audio-chunk {name}={value!r}: must be"):
            check_chunk(ClientEvent("audio-chunk", {name: value}), FORMAT)
