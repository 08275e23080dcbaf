"""Messages of a Realtime connection: JSON objects with base64 audio; anything else is an error that names its event."""

from __future__ import annotations

import pytest

from stt_service.errors import InvalidRequestError, ResourceExhaustedError
from stt_service.http.openai.realtime_messages import audio, error_event, parse_event


@pytest.mark.parametrize(
    "message",
    [None, {}, {"bytes": b"{}"}, {"text": "{"}, {"text": "[]"}, {"text": "1"}, {"text": "[" * 100_000}],
)
def test_message_that_is_no_json_object_as_text_is_rejected(message: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"must be a JSON object|nested deeper than 16 levels"):
        parse_event(message)


def test_event_is_the_object_of_the_text() -> None:
    assert parse_event({"text": '{"type": "input_audio_buffer.commit"}'}) == {"type": "input_audio_buffer.commit"}


@pytest.mark.parametrize("encoded", [None, 1, "AAA", "****", "AA=\n=", "ä"])
def test_audio_that_is_not_base64_is_rejected(encoded: object) -> None:
    with pytest.raises(InvalidRequestError, match="must be a base64 string"):
        audio({"audio": encoded})


def test_audio_is_decoded() -> None:
    assert audio({"audio": "AAEC"}) == b"\x00\x01\x02"


@pytest.mark.parametrize(
    ("cause", "event_id"),
    [(None, None), ({}, None), ({"event_id": "event_7"}, "event_7"), ({"event_id": 7}, None)],
)
def test_error_names_the_event_of_the_client(cause: dict[str, object] | None, event_id: str | None) -> None:
    assert error_event(InvalidRequestError("Invalid audio."), cause) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "Invalid audio.",
            "param": None,
            "event_id": event_id,
        },
    }


def test_error_of_a_full_server_has_the_code_of_the_rest_api() -> None:
    error = error_event(ResourceExhaustedError("Full.", 1.0))["error"]
    assert isinstance(error, dict)
    assert error["code"] == "rate_limit_exceeded"
