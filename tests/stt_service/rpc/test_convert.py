"""The wire's messages and our own types say the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.errors import InvalidRequestError
from stt_service.rpc import convert
from stt_service.session.events import (
    DecodeTiming,
    Final,
    Notice,
    NoticeReason,
    OutgoingEvent,
    Partial,
    SpeechStarted,
    Suppressed,
)
from stt_service.settings.schema import RuntimeSettings
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Word

LIVE = RuntimeSettings.model_validate({})
FINAL = Final(
    utterance=7,
    text="Мама мыла раму.",
    start_ms=3_000_000_000,
    end_ms=3_000_002_000,
    language="ru",
    language_probability=0.5,
    confidence=0.75,
    words=(Word("Мама", 3.0004, 3.5006, 0.25),),
    endpoint=Endpoint.SILENCE,
    endpoint_s=1.504,
    speculative=True,
    timing=DecodeTiming(queue_s=0.25, inference_s=0.5, batch=3),
    committed_ms=3_000_002_000,
)


def lasting(seconds: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def test_an_empty_format_is_the_inner_one() -> None:
    assert convert.audio_format(pb.AudioFormat()) == AudioFormat(Encoding.PCM_S16LE, 16_000, 1)


def test_a_format_is_what_it_says() -> None:
    message = pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_ALAW, sample_rate_hz=8000, channels=2)
    assert convert.audio_format(message) == AudioFormat(Encoding.ALAW, 8000, 2)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ENCODING_UNSPECIFIED", Encoding.PCM_S16LE),
        ("ENCODING_PCM_S16LE", Encoding.PCM_S16LE),
        ("ENCODING_PCM_F32LE", Encoding.PCM_F32LE),
        ("ENCODING_MULAW", Encoding.MULAW),
        ("ENCODING_ALAW", Encoding.ALAW),
    ],
)
def test_every_encoding_is_served(theirs: str, ours: Encoding) -> None:
    assert convert.audio_format(pb.AudioFormat(encoding=theirs)).encoding is ours


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (pb.AudioFormat(encoding=99), "Invalid encoding=99: must be"),  # type: ignore[arg-type]
        (pb.AudioFormat(sample_rate_hz=7999), "Invalid sample_rate_hz=7999: must be"),
        (pb.AudioFormat(sample_rate_hz=-1), "Invalid sample_rate_hz=-1: must be"),
        (pb.AudioFormat(channels=33), "Invalid channels=33: must be"),
        (pb.AudioFormat(channels=-1), "Invalid channels=-1: must be"),
    ],
)
def test_a_format_that_is_not_served_is_refused(message: pb.AudioFormat, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        convert.audio_format(message)


def test_only_what_is_set_is_a_change() -> None:
    assert convert.changes(pb.Settings()) == {}
    assert convert.changes(pb.Settings(language="en", translate=False)) == {"language": "en", "translate": False}


def test_a_duration_becomes_seconds() -> None:
    message = pb.Settings(post_speech_silence=lasting(0.64), min_utterance=lasting(0))
    assert convert.changes(message) == {"post_speech_silence_duration": 0.64, "min_length_of_recording": 0.0}


@pytest.mark.parametrize(
    ("hotwords", "changes"),
    [
        pytest.param([], {}, id="an empty list leaves them"),
        pytest.param([""], {"hotwords": ""}, id="one empty string clears them"),
        pytest.param(["gRPC", "", "Silero"], {"hotwords": "gRPC, Silero"}, id="a list replaces them"),
    ],
)
def test_hotwords(hotwords: list[str], changes: dict[str, str]) -> None:
    assert convert.changes(pb.Settings(hotwords=hotwords)) == changes


def test_too_many_hotwords_are_refused() -> None:
    assert convert.changes(pb.Settings(hotwords=["a"] * 100))
    with pytest.raises(InvalidRequestError, match="hotwords has 101 entries: it should have at most 100"):
        convert.changes(pb.Settings(hotwords=["a"] * 101))


def test_settings_come_back_as_they_are_told() -> None:
    live = LIVE.updated(
        {
            "language": "en",
            "translate": True,
            "initial_prompt": "Привет.",
            "hotwords": "gRPC, Silero",
            "post_speech_silence_duration": 0.64,
            "min_length_of_recording": 0.5,
            "max_length_of_recording": 20.25,
            "silero_sensitivity": 0.25,
            "webrtc_sensitivity": 1,
        }
    )
    assert LIVE.updated(convert.changes(convert.settings(live))) == live


def test_every_live_setting_is_on_the_wire_and_told() -> None:
    told = convert.settings(LIVE)
    fields = [field.name for field in pb.Settings.DESCRIPTOR.fields if field.name != "hotwords"]
    assert all(told.HasField(name) for name in fields)
    assert {*convert.changes(convert.settings(LIVE.updated({"hotwords": "a"})))} == set(RuntimeSettings.model_fields)


@pytest.mark.parametrize("seconds", [0, 0.5, 3600])
def test_a_silence_is_told_in_seconds(seconds: float) -> None:
    assert convert.silence_s(pb.Silence(duration=lasting(seconds))) == seconds


@pytest.mark.parametrize("duration", [Duration(nanos=-5), Duration(seconds=3601), Duration(seconds=2**40)])
def test_an_impossible_silence_is_refused(duration: Duration) -> None:
    with pytest.raises(InvalidRequestError, match=r"silence\.duration=.* must be 0 to 3600 s"):
        convert.silence_s(pb.Silence(duration=duration))


@pytest.mark.parametrize("label", ["", "x" * 64, "Анна, кухня"])
def test_a_label_is_free_text(label: str) -> None:
    assert convert.client_id(label) == label


@pytest.mark.parametrize("label", ["x" * 65, "two\nlines", "\x1b[31m"])
def test_a_label_that_would_spoil_a_log_is_refused(label: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"client_id of {len(label)} characters"):
        convert.client_id(label)


def test_a_resume_has_an_offset_and_a_number() -> None:
    assert convert.resume(pb.Resume(audio_offset_ms=5000, next_utterance=3)) == (5000, 3)
    assert convert.resume(pb.Resume()) == (0, 0)


@pytest.mark.parametrize("value", [-1, 2**53])
def test_an_impossible_resume_is_refused(value: int) -> None:
    told = f"={value}: must be 0 to 9007199254740991"
    with pytest.raises(InvalidRequestError, match=rf"resume\.audio_offset_ms{told}"):
        convert.resume(pb.Resume(audio_offset_ms=value))
    with pytest.raises(InvalidRequestError, match=rf"resume\.next_utterance{told}"):
        convert.resume(pb.Resume(next_utterance=value))


@pytest.mark.parametrize(
    ("offset_ms", "left_context_ms", "longest_ms"), [(100, 101, 100), (5000, 1001, 1000), (5000, -1, 1000)]
)
def test_a_lead_is_short_and_begins_no_sooner_than_the_dictation(
    offset_ms: int, left_context_ms: int, longest_ms: int
) -> None:
    with pytest.raises(
        InvalidRequestError, match=f"Invalid resume.left_context_ms={left_context_ms}: must be 0 to {longest_ms}"
    ):
        convert.resume(pb.Resume(audio_offset_ms=offset_ms, left_context_ms=left_context_ms))


def test_a_response_tells_how_far_the_stream_is() -> None:
    message = convert.response(OutgoingEvent(5000, 4000, None))
    assert message == pb.StreamingRecognizeResponse(received_ms=5000, committed_ms=4000)


def test_a_partial() -> None:
    event = Partial(utterance=2, revision=3, stable="мама ", unstable="мыла", start_ms=100, end_ms=900)
    assert convert.response(OutgoingEvent(0, 0, event)).partial == pb.Partial(
        utterance=2, revision=3, stable="мама ", unstable="мыла", start_ms=100, end_ms=900
    )


def test_a_final_with_its_words_and_where_the_latency_went() -> None:
    assert convert.response(OutgoingEvent(0, 0, FINAL)).final == pb.Final(
        utterance=7,
        text="Мама мыла раму.",
        start_ms=3_000_000_000,
        end_ms=3_000_002_000,
        language="ru",
        language_probability=0.5,
        confidence=0.75,
        words=[pb.Word(text="Мама", start_ms=3000, end_ms=3501, confidence=0.25)],
        endpoint=pb.ENDPOINT_SILENCE,
        latency=pb.Latency(
            endpoint=lasting(1.504), queue=lasting(0.25), inference=lasting(0.5), speculative=True, batch=3
        ),
    )


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_endpoint_has_its_name_on_the_wire(endpoint: Endpoint) -> None:
    message = convert.final(replace(FINAL, endpoint=endpoint))
    assert pb.Endpoint.Name(message.endpoint) == f"ENDPOINT_{endpoint.name}"


@pytest.mark.parametrize("reason", SuppressionReason)
def test_a_suppression_and_why(reason: SuppressionReason) -> None:
    event = Suppressed(2, 100, 900, reason, "you", Endpoint.MAX_LENGTH, committed_ms=900)
    assert convert.response(OutgoingEvent(0, 0, event)).suppressed == pb.Suppressed(
        utterance=2, start_ms=100, end_ms=900, reason=reason.name, text="you", endpoint=pb.ENDPOINT_MAX_LENGTH
    )


def test_the_rest_of_the_events() -> None:
    started = convert.response(OutgoingEvent(0, 0, SpeechStarted(2, 100)))
    assert started.speech_started == pb.SpeechStarted(utterance=2, start_ms=100)
    assert convert.response(OutgoingEvent(0, 0, LIVE)).settings == convert.settings(LIVE)


@pytest.mark.parametrize("reason", NoticeReason)
def test_a_notice_has_its_reason_and_a_sentence(reason: NoticeReason) -> None:
    message = convert.response(OutgoingEvent(0, 0, Notice(reason))).notice
    assert message == pb.Notice(reason=reason.name, message=reason.value)


def test_a_notice_of_the_end_tells_how_much_time_is_left() -> None:
    message = convert.response(OutgoingEvent(0, 0, Notice(NoticeReason.DRAIN, remaining_s=2.5))).notice
    assert message.remaining == lasting(2.5)


def test_resume_refuses_a_language_that_whisper_does_not_have() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"Invalid resume\.previous_language='xx': must be empty or a Whisper code"
    ):
        convert.resume(pb.Resume(previous_language="xx"))
