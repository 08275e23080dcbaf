"""Requests as proto3 JSON: text to an object, and an object to a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

MAX_QUOTED_CHARS = 200  # of the parser's message, which can quote the client

MessageT = TypeVar("MessageT", bound=Message)


class InvalidFieldsError(ValueError):
    """The fields do not fit the message; the text has the reason of the parser."""


def json_object(text: str | bytes) -> dict[str, object] | None:
    """Return a JSON object; None if the text is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def parse_fields(fields: Mapping[str, object], message: MessageT) -> MessageT:
    """Return the message with these fields.

    Raises:
        InvalidFieldsError: a field is unknown or has an invalid value.
    """
    try:
        return json_format.ParseDict(dict(fields), message)
    except (json_format.Error, ValueError, TypeError, RecursionError) as error:
        reason = str(error).partition("\n")[0].replace("stt.v1.", "")[:MAX_QUOTED_CHARS]
        raise InvalidFieldsError(reason) from None
