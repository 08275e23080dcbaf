"""Messages of a Realtime connection: events of the client from text, and errors to it. Pure."""

from __future__ import annotations

import base64
import binascii

from stt_service.errors import InvalidRequestError, SttError
from stt_service.http.openai.errors import error_object
from stt_service.http.openai.json_input import JsonObject, parse_object


def parse_event(message: object) -> JsonObject:
    """Return the event of a WebSocket message.

    Raises:
        InvalidRequestError: the message is not a JSON object as text.
    """
    text = message.get("text") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise InvalidRequestError("Invalid message: must be a JSON object as text.")
    return parse_object(text, "message")


def audio(event: JsonObject) -> bytes:
    """Return the audio of an append.

    Raises:
        InvalidRequestError: it is not base64.
    """
    encoded = event.get("audio")
    if not isinstance(encoded, str):
        raise InvalidRequestError("Invalid audio: must be a base64 string.", "audio")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequestError("Invalid audio: must be a base64 string.", "audio") from None


def error_event(error: SttError, cause: JsonObject | None = None) -> JsonObject:
    """Return the `error` event, with the `event_id` of the client's event that caused the error."""
    named = cause.get("event_id") if cause is not None else None
    event_id = named if isinstance(named, str) else None
    return {"type": "error", "error": {**error_object(error), "event_id": event_id}}
