"""Conversion between the messages of stt.proto and the service's own types."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.errors import InvalidRequestError
from stt_service.recognition import convert
from stt_service.session.events import (
    DecodeTiming,
    Final,
    Notice,
    NoticeReason,
    OutgoingEvent,
    Partial,
    SpeechEnded,
    SpeechStarted,
    Suppressed,
)
from stt_service.session.stabilizer import Stability
from stt_service.settings.schema import RuntimeSettings
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Word

RUNTIME = RuntimeSettings.model_validate({})
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


def test_end_of_speech_has_its_positions_and_endpoint() -> None:
    event = SpeechEnded(7, end_ms=3_000_000_000, endpoint_ms=3_000_001_500, endpoint=Endpoint.SILENCE)
    message = convert.response(OutgoingEvent(3_000_001_600, 2_000_000_000, event))
    assert message.speech_ended == pb.SpeechEnded(
        utterance=7, end_ms=3_000_000_000, endpoint_ms=3_000_001_500, endpoint=pb.ENDPOINT_SILENCE
    )


def test_unknown_stability_is_rejected() -> None:
    assert convert.stability(pb.STABILITY_UNSPECIFIED) is Stability.DEFAULT
    assert {convert.stability(value) for value in pb.Stability.values()} == set(Stability)
    with pytest.raises(InvalidRequestError, match=r"Invalid stability=6: must be one of Stability, 0 to 5\."):
        convert.stability(6)


def test_empty_format_is_16_khz_mono_s16le() -> None:
    assert convert.audio_format(pb.AudioFormat()) == AudioFormat(Encoding.PCM_S16LE, 16_000, 1)


def test_format_keeps_encoding_rate_and_channels() -> None:
    message = pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_ALAW, sample_rate_hz=8000, channels=2)
    assert convert.audio_format(message) == AudioFormat(Encoding.ALAW, 8000, 2)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("ENCODING_UNSPECIFIED", Encoding.PCM_S16LE),
        ("ENCODING_PCM_S16LE", Encoding.PCM_S16LE),
        ("ENCODING_PCM_F32LE", Encoding.PCM_F32LE),
        ("ENCODING_MULAW", Encoding.MULAW),
        ("ENCODING_ALAW", Encoding.ALAW),
    ],
)
def test_every_encoding_is_supported(name: str, encoding: Encoding) -> None:
    assert convert.audio_format(pb.AudioFormat(encoding=name)).encoding is encoding


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (pb.AudioFormat(encoding=99), "Invalid encoding=99: must be"),  # type: ignore[arg-type]
        (pb.AudioFormat(sample_rate_hz=7999), "Invalid sample_rate_hz=7999: must be"),
        (pb.AudioFormat(sample_rate_hz=-1), "Invalid sample_rate_hz=-1: must be"),
        (pb.AudioFormat(channels=33), "Invalid channels=33: must be"),
        (pb.AudioFormat(channels=-1), "Invalid channels=-1: must be"),
    ],
)
def test_unsupported_format_is_rejected(message: pb.AudioFormat, error: str) -> None:
    with pytest.raises(InvalidRequestError, match=error):
        convert.audio_format(message)


def test_only_present_fields_are_changes() -> None:
    assert convert.changes(pb.Settings()) == {}
    assert convert.changes(pb.Settings(language="en", translate=False)) == {"language": "en", "translate": False}


def test_duration_is_converted_to_seconds() -> None:
    message = pb.Settings(post_speech_silence=lasting(0.64), min_utterance=lasting(0))
    assert convert.changes(message) == {"post_speech_silence_duration": 0.64, "min_length_of_recording": 0.0}


@pytest.mark.parametrize(
    ("hotwords", "changes"),
    [
        pytest.param([], {}, id="an empty list keeps them"),
        pytest.param([""], {"hotwords": ""}, id="one empty string clears them"),
        pytest.param(["gRPC", "", "Silero"], {"hotwords": "gRPC, Silero"}, id="a list replaces them"),
    ],
)
def test_hotwords_are_kept_cleared_or_replaced(hotwords: list[str], changes: dict[str, str]) -> None:
    assert convert.changes(pb.Settings(hotwords=hotwords)) == changes


def test_too_many_hotwords_are_rejected() -> None:
    assert convert.changes(pb.Settings(hotwords=["a"] * 100))
    with pytest.raises(InvalidRequestError, match="Invalid hotwords: 101 entries, must be at most 100"):
        convert.changes(pb.Settings(hotwords=["a"] * 101))


def test_settings_survive_a_round_trip() -> None:
    changed = RUNTIME.updated(
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
    assert RUNTIME.updated(convert.changes(convert.settings(changed))) == changed


def test_every_runtime_setting_has_a_field_that_is_sent() -> None:
    message = convert.settings(RUNTIME)
    fields = [field.name for field in pb.Settings.DESCRIPTOR.fields if field.name != "hotwords"]
    assert all(message.HasField(name) for name in fields)
    assert {*convert.changes(convert.settings(RUNTIME.updated({"hotwords": "a"})))} == set(RuntimeSettings.model_fields)


@pytest.mark.parametrize("seconds", [0, 0.5, 3600])
def test_silence_is_converted_to_seconds(seconds: float) -> None:
    assert convert.silence_s(pb.Silence(duration=lasting(seconds))) == seconds


@pytest.mark.parametrize("duration", [Duration(nanos=-5), Duration(seconds=3601), Duration(seconds=2**40)])
def test_silence_out_of_range_is_rejected(duration: Duration) -> None:
    with pytest.raises(InvalidRequestError, match=r"silence\.duration=.* must be 0 to 3600 s"):
        convert.silence_s(pb.Silence(duration=duration))


@pytest.mark.parametrize("label", ["", "x" * 64, "Анна, кухня"])
def test_client_id_is_free_text(label: str) -> None:
    assert convert.client_id(label) == label


@pytest.mark.parametrize("label", ["x" * 65, "two\nlines", "\x1b[31m"])
def test_client_id_that_is_too_long_or_not_printable_is_rejected(label: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"client_id of {len(label)} characters"):
        convert.client_id(label)


def test_resume_has_an_offset_and_an_utterance_number() -> None:
    assert convert.resume(pb.Resume(audio_offset_ms=5000, next_utterance=3)) == (5000, 3)
    assert convert.resume(pb.Resume()) == (0, 0)


@pytest.mark.parametrize("value", [-1, 2**53])
def test_resume_out_of_range_is_rejected(value: int) -> None:
    expected = f"={value}: must be 0 to 9007199254740991"
    with pytest.raises(InvalidRequestError, match=rf"resume\.audio_offset_ms{expected}"):
        convert.resume(pb.Resume(audio_offset_ms=value))
    with pytest.raises(InvalidRequestError, match=rf"resume\.next_utterance{expected}"):
        convert.resume(pb.Resume(next_utterance=value))


@pytest.mark.parametrize(
    ("offset_ms", "left_context_ms", "max_ms"), [(100, 101, 100), (5000, 1001, 1000), (5000, -1, 1000)]
)
def test_left_context_is_at_most_a_second_and_within_the_stream(
    offset_ms: int, left_context_ms: int, max_ms: int
) -> None:
    with pytest.raises(
        InvalidRequestError, match=f"Invalid resume.left_context_ms={left_context_ms}: must be 0 to {max_ms}"
    ):
        convert.resume(pb.Resume(audio_offset_ms=offset_ms, left_context_ms=left_context_ms))


def test_response_has_the_positions_of_the_stream() -> None:
    message = convert.response(OutgoingEvent(5000, 4000, None))
    assert message == pb.StreamingRecognizeResponse(received_ms=5000, committed_ms=4000)


def test_partial_is_converted() -> None:
    event = Partial(utterance=2, revision=3, stable="мама ", unstable="мыла", start_ms=100, end_ms=900)
    assert convert.response(OutgoingEvent(0, 0, event)).partial == pb.Partial(
        utterance=2, revision=3, stable="мама ", unstable="мыла", start_ms=100, end_ms=900
    )


def test_final_is_converted_with_its_words_and_latency() -> None:
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
def test_every_endpoint_has_its_name_in_the_protocol(endpoint: Endpoint) -> None:
    message = convert.final(replace(FINAL, endpoint=endpoint))
    assert pb.Endpoint.Name(message.endpoint) == f"ENDPOINT_{endpoint.name}"


@pytest.mark.parametrize("reason", SuppressionReason)
def test_suppressed_utterance_is_converted_with_its_reason(reason: SuppressionReason) -> None:
    event = Suppressed(2, 100, 900, reason, "you", Endpoint.MAX_LENGTH, committed_ms=900)
    assert convert.response(OutgoingEvent(0, 0, event)).suppressed == pb.Suppressed(
        utterance=2, start_ms=100, end_ms=900, reason=reason.name, text="you", endpoint=pb.ENDPOINT_MAX_LENGTH
    )


def test_speech_started_and_settings_are_converted() -> None:
    started = convert.response(OutgoingEvent(0, 0, SpeechStarted(2, 100)))
    assert started.speech_started == pb.SpeechStarted(utterance=2, start_ms=100)
    assert convert.response(OutgoingEvent(0, 0, RUNTIME)).settings == convert.settings(RUNTIME)


@pytest.mark.parametrize("reason", NoticeReason)
def test_notice_has_its_reason_and_a_message(reason: NoticeReason) -> None:
    message = convert.response(OutgoingEvent(0, 0, Notice(reason))).notice
    assert message == pb.Notice(reason=reason.name, message=reason.value)


def test_drain_notice_has_the_remaining_time() -> None:
    message = convert.response(OutgoingEvent(0, 0, Notice(NoticeReason.DRAIN, remaining_s=2.5))).notice
    assert message.remaining == lasting(2.5)


def test_resume_with_an_unknown_language_is_rejected() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"Invalid resume\.previous_language='xx': must be empty or a Whisper code"
    ):
        convert.resume(pb.Resume(previous_language="xx"))
