"""Errors in OpenAI's shape, and the close of a WebSocket that is rejected."""

from __future__ import annotations

import math
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
from stt_service.http.guard import TooLargeError, WrongOriginError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

# The first class that matches: status, type and code.
STATUSES: tuple[tuple[type[SttError], int, str, str], ...] = (
    (TooLargeError, 413, "invalid_request_error", "request_too_large"),
    (WrongOriginError, 403, "invalid_request_error", "invalid_origin"),
    (InvalidRequestError, 400, "invalid_request_error", "invalid_value"),
    (UnauthenticatedError, 401, "invalid_request_error", "invalid_api_key"),
    (NotFoundError, 404, "invalid_request_error", "not_found"),
    (ResourceExhaustedError, 429, "requests", "rate_limit_exceeded"),
    (UnavailableError, 503, "server_error", "unavailable"),
    (DeadlineExceededError, 408, "invalid_request_error", "timeout"),
)
STATUS_PHRASES = {404: "this server has no such path", 405: "this path has other methods"}
MAX_URL = 200  # characters in a message
INTERNAL = (500, "server_error", "internal_error")
POLICY_VIOLATION = 1008


def status_of(error: SttError) -> tuple[int, str, str]:
    """Return the status, the type and the code of an error."""
    return next(((status, kind, code) for match, status, kind, code in STATUSES if isinstance(error, match)), INTERNAL)


def error_object(error: SttError, param: str | None = None) -> dict[str, object]:
    """Return the description of an error."""
    _, kind, code = status_of(error)
    return {"message": str(error), "type": kind, "param": param, "code": code}


def error_body(error: SttError, param: str | None = None) -> dict[str, object]:
    """Return the body of a response."""
    return {"error": error_object(error, param)}


def error_response(error: SttError, param: str | None = None) -> JSONResponse:
    """Return the response to a failed request."""
    headers = {}
    if isinstance(error, ResourceExhaustedError):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return JSONResponse(error_body(error, param), status_of(error)[0], headers)


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


async def reject(scope: Scope, receive: Receive, send: Send, error: SttError) -> None:
    """Answer a request that a guard rejects; a WebSocket is rejected during its handshake."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": str(error)[:120]})
        return
    response = error_response(error)
    if scope["type"] == "websocket":
        await send(
            {"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await send({"type": "websocket.http.response.body", "body": bytes(response.body)})
        return
    await response(scope, receive, send)
