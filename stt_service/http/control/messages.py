"""The messages of control.proto as proto3 JSON: requests, responses, errors and server-sent events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.responses import Response

from stt_service.errors import InvalidRequestError, SttError
from stt_service.http.errors import http_status, rejector, retry_headers
from stt_service.http.proto_json import InvalidFieldsError, MessageT, json_object, parse_fields
from stt_service.recognition.failures import failure
from stt_service.settings.runtime import InvalidSettingsError, RestartRequiredError

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"
HEADERS = {"Cache-Control": "no-store"}


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is not declared as JSON. A form of another site can send other types, but not this one."""


class MethodNotAllowedError(InvalidRequestError):
    """The path has other methods."""

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"Invalid method={method}: this path has {', '.join(allowed)}.")
        self.allowed = allowed


STATUSES = {UnsupportedMediaTypeError: 415, MethodNotAllowedError: 405}


async def read_message(request: Request, message: MessageT) -> MessageT:
    """Return the message with the fields of the request: of its query, or of its JSON body, and of its path.

    Raises:
        InvalidRequestError: a field is unknown or has an invalid value, or the body is not a JSON object.
    """
    fields = dict(request.query_params) if request.method in ("GET", "HEAD") else await _body(request)
    try:
        return parse_fields({**fields, **request.path_params}, message)
    except InvalidFieldsError as error:
        raise InvalidRequestError(f"Invalid {message.DESCRIPTOR.name}: {error}") from None


async def _body(request: Request) -> dict[str, object]:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaTypeError(f"Invalid Content-Type={kind[:60]!r}: must be {JSON}.")
    if (fields := json_object(await request.body() or b"{}")) is None:
        raise InvalidRequestError("Invalid body: must be a JSON object.")
    return fields


def to_json(message: Message) -> str:
    """Return the message as proto3 JSON on one line, with the fields that have their default value."""
    return json_format.MessageToJson(
        message, indent=None, ensure_ascii=False, always_print_fields_with_no_presence=True
    )


def response(message: Message) -> Response:
    return Response(to_json(message), media_type=JSON, headers=HEADERS)


def event(name: str, message: Message) -> str:
    """Return a server-sent event with the message."""
    return f"event: {name}\ndata: {to_json(message)}\n\n"


def error_response(error: SttError) -> Response:
    """Return an error as the `failure` of stt.proto, with a message for each invalid setting."""
    content: dict[str, object] = {"failure": json_format.MessageToDict(failure(error))}
    if isinstance(error, InvalidSettingsError | RestartRequiredError):
        content["fields"] = dict(error.fields)
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), http_status(error))
    headers = {**HEADERS, **retry_headers(error)}
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = ", ".join(error.allowed)
    return Response(json.dumps(content, ensure_ascii=False), status, headers, JSON)


reject = rejector(error_response)
