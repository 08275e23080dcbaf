"""Errors in OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from stt_service.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
    SttError,
    UnauthenticatedError,
    UnavailableError,
)
from stt_service.http.errors import http_status, rejector, retry_headers
from stt_service.http.guard import TooLargeError, WrongOriginError

if TYPE_CHECKING:
    from starlette.requests import Request

# The first class that matches: type and code.
KINDS: tuple[tuple[type[SttError], str, str], ...] = (
    (TooLargeError, "invalid_request_error", "request_too_large"),
    (WrongOriginError, "invalid_request_error", "invalid_origin"),
    (InvalidRequestError, "invalid_request_error", "invalid_value"),
    (UnauthenticatedError, "invalid_request_error", "invalid_api_key"),
    (NotFoundError, "invalid_request_error", "not_found"),
    (ResourceExhaustedError, "requests", "rate_limit_exceeded"),
    (UnavailableError, "server_error", "unavailable"),
    (DeadlineExceededError, "invalid_request_error", "timeout"),
)
STATUS_PHRASES = {404: "this server has no such path", 405: "this path has other methods"}
MAX_URL = 200  # characters in a message
INTERNAL = ("server_error", "internal_error")


def error_object(error: SttError) -> dict[str, object]:
    """Return the description of an error."""
    kind, code = next(((kind, code) for match, kind, code in KINDS if isinstance(error, match)), INTERNAL)
    field = error.field if isinstance(error, InvalidRequestError) else ""
    return {"message": str(error), "type": kind, "param": field or None, "code": code}


def error_body(error: SttError) -> dict[str, object]:
    """Return the body of a response."""
    return {"error": error_object(error)}


def error_response(error: SttError) -> JSONResponse:
    """Return the response to a failed request."""
    return JSONResponse(error_body(error), http_status(error), retry_headers(error))


async def http_error_response(request: Request, error: Exception) -> JSONResponse:
    """Return the response to a request for an unknown path, or with a method that its path does not have."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    url = f"{request.method} {request.url.path}"[:MAX_URL]
    message = f"Invalid URL ({url}): {STATUS_PHRASES.get(status, 'failed')}."
    return JSONResponse(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}},
        status,
        headers,
    )


reject = rejector(error_response)
