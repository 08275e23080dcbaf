"""Errors of the page's API: the `failure` of stt.proto as JSON, in a response or as the last message of a stream."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from starlette.responses import JSONResponse

from stt_service.errors import (
    InferenceError,
    ResourceExhaustedError,
    SttError,
    UnavailableError,
)
from stt_service.http.errors import POLICY_VIOLATION, http_status, rejector, retry_headers
from stt_service.http.page.error_page import with_error_pages
from stt_service.recognition.failures import failure

INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013


def error_response(error: SttError) -> JSONResponse:
    """Return the response to a failed request."""
    return JSONResponse({"failure": MessageToDict(failure(error))}, http_status(error), retry_headers(error))


def close_code(error: SttError) -> int:
    """Return the code with which a WebSocket is closed after an error."""
    if isinstance(error, ResourceExhaustedError | UnavailableError):
        return TRY_AGAIN_LATER
    return INTERNAL_ERROR if isinstance(error, InferenceError) else POLICY_VIOLATION


reject = with_error_pages(rejector(error_response))
