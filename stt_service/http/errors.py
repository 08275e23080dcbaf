"""HTTP statuses of errors, and the response to a request that a guard rejects. Each API has a shape of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from stt_service.errors import (
    AbortedError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
    SttError,
    UnauthenticatedError,
    UnavailableError,
)
from stt_service.http.guard import TooLargeError, WrongOriginError

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from stt_service.http.guard import OnError

# The first class that matches.
STATUSES: tuple[tuple[type[SttError], int], ...] = (
    (TooLargeError, 413),
    (WrongOriginError, 403),
    (InvalidRequestError, 400),
    (UnauthenticatedError, 401),
    (NotFoundError, 404),
    (FailedPreconditionError, 409),
    (AbortedError, 409),
    (ResourceExhaustedError, 429),
    (UnavailableError, 503),
    (DeadlineExceededError, 408),
)
INTERNAL_ERROR = 500
POLICY_VIOLATION = 1008  # of a WebSocket
MAX_REASON_CHARS = 30  # of a close; 123 bytes with four bytes a character


def http_status(error: SttError) -> int:
    """Return the status of an error."""
    return next((status for match, status in STATUSES if isinstance(error, match)), INTERNAL_ERROR)


def retry_headers(error: SttError) -> dict[str, str]:
    """Return the header that names the delay before a retry, if the error has one."""
    if isinstance(error, ResourceExhaustedError):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    return {}


def rejector(respond: Callable[[SttError], Response]) -> OnError:
    """Return a handler that answers a rejected request with a response; a WebSocket during its handshake."""

    async def reject(scope: Scope, receive: Receive, send: Send, error: SttError) -> None:
        if scope["type"] != "websocket":
            await respond(error)(scope, receive, send)
        elif "websocket.http.response" in scope.get("extensions", {}):
            await _reject_handshake(send, respond(error))
        else:
            reason = str(error)[:MAX_REASON_CHARS]
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})

    return reject


async def _reject_handshake(send: Send, response: Response) -> None:
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": bytes(response.body)})
