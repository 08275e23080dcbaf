"""Messages of a browser's stream: proto3 JSON of stt.proto as text, audio as bytes.

A text message of the client is a `StreamingRecognizeRequest` without audio, or `{"end": {}}`, which half-closes the
stream. `captions` next to `config` publishes the stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from google.protobuf import json_format
from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError
from stt_service.http.page.captions import CAPTIONS, Publication, publication
from stt_service.http.proto_json import InvalidFieldsError, json_object, parse_fields

MAX_TEXT_CHARS = 64 * 2**10  # a config with the longest prompt and hotwords has 15 KiB if all of it is escaped


def encode(response: pb.StreamingRecognizeResponse) -> str:
    """Return the JSON of a response on one line. Fields with default values are left out; int64 values are strings."""
    return json.dumps(json_format.MessageToDict(response), ensure_ascii=False, separators=(",", ":"))


def encode_published(text: str, recording: str) -> str:
    """Return the JSON of a response that was encoded, with the id of its recording: the response for viewers."""
    return f'{{"recording":"{recording}",{text[1:]}'


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A message of the client: its request, None at the end of the audio, and where a new stream is published."""

    request: pb.StreamingRecognizeRequest | None
    publication: Publication | None = None


def decode(text: str) -> ClientMessage:
    """Return the content of a text message.

    Raises:
        InvalidRequestError: the text is not a message of the protocol.
    """
    message = _json_object(text)
    if "end" in message:
        if message != {"end": {}}:
            raise InvalidRequestError('Invalid end: must be {"end": {}}, without other fields.')
        return ClientMessage(None)
    if "audio" in message:
        raise InvalidRequestError("Invalid audio: must be sent as a binary message.")
    published = publication(message.pop(CAPTIONS)) if CAPTIONS in message else None
    if published is not None and "config" not in message:
        raise InvalidRequestError("Invalid captions: must be sent with the config.", CAPTIONS)
    try:
        return ClientMessage(parse_fields(message, pb.StreamingRecognizeRequest()), published)
    except InvalidFieldsError as error:
        raise InvalidRequestError(f"Invalid message: must be a StreamingRecognizeRequest as JSON. {error}") from None


def _json_object(text: str) -> dict[str, object]:
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidRequestError(f"Invalid message of {len(text)} characters: must be at most {MAX_TEXT_CHARS}.")
    if (message := json_object(text)) is None:
        raise InvalidRequestError("Invalid message: must be a JSON object; audio is sent as binary messages.")
    return message
