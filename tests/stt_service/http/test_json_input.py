"""JSON of clients: depth, values that cannot be sent back, size of values in messages."""

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


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_number_that_is_not_finite_is_rejected(number: str) -> None:
    with pytest.raises(InvalidRequestError, match="Invalid message: its numbers must be finite"):
        parse_object(f'{{"a": [{number}]}}', "message")


@pytest.mark.parametrize(
    "text", [r'{"a": "\ud800"}', r'{"\udc00": 1}', r'{"a": [{"b": "x\uDFFFx"}]}', r'{"a": "\ud800\ud800"}']
)
def test_half_of_a_surrogate_pair_is_rejected(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="contains a surrogate without its pair"):
        parse_object(text, "message")


def test_escaped_text_is_accepted() -> None:
    text = r'{"a": "\ud83d\ude00 \u0430 \\ud800", "b": -1.5e300}'
    assert parse_object(text, "message") == {"a": "😀 а \\ud800", "b": -1.5e300}


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 10**6], {"x" * 10**6: 1}, list(range(10**5)), "\ud800"])
def test_shown_value_is_short_and_printable(value: object) -> None:
    assert len(shown(value)) < 200
    shown(value).encode()
