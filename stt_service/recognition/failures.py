"""Errors as clients see them: their code, the last event of a stream, and an id in place of a fault of the server."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from stt.v1 import stt_pb2 as pb

from stt_service.access.admission import RETRY_AFTER_S
from stt_service.errors import (
    AbortedError,
    DeadlineExceededError,
    FailedPreconditionError,
    InferenceError,
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
    SttError,
    UnauthenticatedError,
    UnavailableError,
)
from stt_service.recognition import convert
from stt_service.telemetry.log_writer import LineLimiter

log = logging.getLogger(__name__)
_error_lines = LineLimiter(lines=50)

CODES = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    FailedPreconditionError: grpc.StatusCode.FAILED_PRECONDITION,
    ResourceExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    AbortedError: grpc.StatusCode.ABORTED,
    InferenceError: grpc.StatusCode.INTERNAL,
}


@asynccontextmanager
async def public_errors() -> AsyncIterator[None]:
    """Raise each error inside as one SttError that the client may see; faults of the server are logged with an id.

    Raises:
        SttError: the error.
    """
    try:
        yield
        return
    except* SttError as group:
        error = _first_error(group)
        error = log_server_error(error) if isinstance(error, InferenceError) else error
    except* Exception as group:
        error = log_server_error(group)
    raise error


def log_server_error(error: Exception, lines: LineLimiter = _error_lines) -> SttError:
    """Log an internal error with an id; return the error to send, which contains the id only.

    Clients may be able to cause a fault any number of times, so the number of lines is limited.
    """
    dropped, name = lines.next_line(), secrets.token_hex(4)
    if dropped is None:
        return InferenceError("Internal server error: try again.")
    log.error("call failed error_id=%s dropped_lines=%d", name, dropped, exc_info=error)
    return InferenceError(f"Internal server error (error_id={name} in the server log): try again.")


def status_code(error: SttError) -> grpc.StatusCode:
    """Return the code of an error, on every protocol."""
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def failure(error: SttError) -> pb.Failure:
    """Return the error as the last event of a stream."""
    code = status_code(error)
    message = pb.Failure(code=code.value[0], reason=code.name, message=str(error))
    if isinstance(error, InvalidRequestError | ResourceExhaustedError):
        message.field = error.field
    if isinstance(error, ResourceExhaustedError):
        message.retry_after.CopyFrom(convert.duration(error.retry_after_s))
    if isinstance(error, UnavailableError):
        message.retry_after.CopyFrom(convert.duration(RETRY_AFTER_S))
    return message


def _first_error(group: BaseExceptionGroup[SttError]) -> SttError:
    first = group.exceptions[0]
    return _first_error(first) if isinstance(first, BaseExceptionGroup) else first
