"""JSON of clients: depth, size of values in messages."""

from __future__ import annotations

import json

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.json_input import MAX_DEPTH, parse_object, shown


def nested(levels: int) -> str:
    return '{"a":' * levels + "0" + "}" * levels


def test_object_is_returned() -> None:
    assert parse_object('{"a": [1, {"b": null}]}', "message") == {"a": [1, {"b": None}]}


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', "1", "9" * 5000, "null"])
def test_other_json_and_other_text_is_rejected(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"Invalid message=.*: must be a JSON object\."):
        parse_object(text, "message")


def test_depth_is_limited() -> None:
    assert parse_object(nested(MAX_DEPTH), "message") == json.loads(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 2, 500, 900, 100_000):
        with pytest.raises(InvalidRequestError, match="Invalid message: nested deeper than 16 levels"):
            parse_object(nested(levels), "message")


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 10**6], {"x" * 10**6: 1}, list(range(10**5)), "\ud800"])
def test_shown_value_is_short_and_printable(value: object) -> None:
    assert len(shown(value)) < 200
    shown(value).encode()
