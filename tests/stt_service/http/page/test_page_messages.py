"""Messages of a browser's stream: proto3 JSON, in both directions."""

from __future__ import annotations

import json

import pytest
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError
from stt_service.http.page.messages import MAX_TEXT_CHARS, ClientMessage, decode, encode


def test_response_is_one_line_of_proto3_json() -> None:
    partial = pb.Partial(utterance=2, revision=1, stable="раз", unstable="<b>\n\u202e", end_ms=900)
    text = encode(pb.StreamingRecognizeResponse(received_ms=1000, committed_ms=2**53 + 1, partial=partial))
    assert "\n" not in text
    assert json.loads(text) == {
        "receivedMs": "1000",
        "committedMs": "9007199254740993",
        "partial": {"utterance": "2", "revision": 1, "stable": "раз", "unstable": "<b>\n\u202e", "endMs": "900"},
    }


def test_request_can_have_names_of_json_and_of_the_schema() -> None:
    expected = pb.StreamingRecognizeRequest(
        config=pb.StreamingConfig(
            settings=pb.Settings(language="ru", post_speech_silence=Duration(nanos=600_000_000)),
            resume=pb.Resume(audio_offset_ms=1500),
        )
    )
    camel = {"settings": {"language": "ru", "postSpeechSilence": "0.6s"}, "resume": {"audioOffsetMs": "1500"}}
    snake = {"settings": {"language": "ru", "post_speech_silence": "0.6s"}, "resume": {"audio_offset_ms": 1500}}
    for config in (camel, snake):
        assert decode(json.dumps({"config": config})) == ClientMessage(expected)


def test_commands() -> None:
    assert decode('{"finalize": {}}') == ClientMessage(pb.StreamingRecognizeRequest(finalize=pb.Finalize()))
    silence = pb.Silence(duration=Duration(seconds=2))
    assert decode('{"silence": {"duration": "2s"}}') == ClientMessage(pb.StreamingRecognizeRequest(silence=silence))
    assert decode('{"end": {}}') == ClientMessage(None)


def test_longest_valid_config_fits() -> None:
    settings = {"initialPrompt": "\u0000" * 2000, "hotwords": ["\u0000" * 20] * 100}
    assert len(json.dumps({"config": {"settings": settings}})) < MAX_TEXT_CHARS
    decode(json.dumps({"config": {"settings": settings}}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"end"',
        "{",
        "\x00",
        "[" * 10_000,
        '{"a":' * 10_000,
        '{"end": {"now": true}}',
        '{"end": {}, "finalize": {}}',
        '{"end": null}',
        '{"started": {}}',
        '{"config": {"colour": 1}}',
        '{"config": {"settings": {"language": 5}}}',
        '{"config": {"settings": {"language": "\\ud800"}}}',
        '{"config": {"settings": {"postSpeechSilence": "soon"}}}',
        '{"config": {"settings": {"sileroSensitivity": 1e999}}}',
        '{"config": {"resume": {"audioOffsetMs": 99999999999999999999}}}',
        '{"config": {"resume": {"audioOffsetMs": 1.5}}}',
        '{"config": {}, "finalize": {}}',
        '{"silence": {"duration": "1e400s"}}',
        '{"audio": "AAAA"}',
        '{"audio": 7}',
        '{"finalize": {}, "x": ' + "9" * 5000 + "}",
        '{"x": "' + "x" * MAX_TEXT_CHARS + '"}',
    ],
    ids=range(25),
)
def test_other_text_is_rejected_with_a_short_message(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^Invalid ") as raised:
        decode(text)
    assert len(str(raised.value)) < 320
    assert "\n" not in str(raised.value)


def test_unknown_field_is_named() -> None:
    with pytest.raises(InvalidRequestError, match='no field named "languge"'):
        decode('{"update": {"languge": "ru"}}')
