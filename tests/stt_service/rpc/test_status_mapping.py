"""Mapping of errors to the status and headers of a call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, cast

import grpc
import pytest
from grpc import StatusCode

from stt_service.errors import (
    DeadlineExceededError,
    InferenceError,
    InvalidRequestError,
    ResourceExhaustedError,
    SttError,
    UnavailableError,
)
from stt_service.rpc.status_mapping import REJECTED_HEADER, map_errors_to_status, no_op

if TYPE_CHECKING:
    from stt_service.rpc.status_mapping import AnyContext


@dataclass
class Call:
    """A fake context of a call: records the status, and the headers unless they were sent before."""

    status: list[tuple[StatusCode, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    headers_sent: bool = False

    async def send_initial_metadata(self, headers: Sequence[tuple[str, str]]) -> None:
        if self.headers_sent:
            raise grpc.aio.UsageError("already sent")
        self.headers += headers

    async def abort(self, code: StatusCode, details: str) -> NoReturn:
        self.status.append((code, details))
        raise grpc.aio.AbortError


async def failed(error: Exception, call: Call) -> Call:
    with pytest.raises(grpc.aio.AbortError):
        async with map_errors_to_status(cast("AnyContext", call), no_op):
            raise error
    return call


async def status_of(error: Exception) -> tuple[StatusCode, str]:
    [status] = (await failed(error, Call())).status
    return status


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequestError("rate=0"), StatusCode.INVALID_ARGUMENT),
        (ResourceExhaustedError("full", 2.0), StatusCode.RESOURCE_EXHAUSTED),
        (UnavailableError("loading"), StatusCode.UNAVAILABLE),
        (DeadlineExceededError("silent"), StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_expected_error_is_sent_unchanged(error: SttError, code: StatusCode) -> None:
    assert await status_of(error) == (code, str(error))


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (ResourceExhaustedError("full", 2.0), [(REJECTED_HEADER, "RESOURCE_EXHAUSTED")]),
        (UnavailableError("loading"), [(REJECTED_HEADER, "UNAVAILABLE")]),
        (InvalidRequestError("rate=0"), []),
        (InferenceError("out of memory"), []),
    ],
)
async def test_rejection_that_another_server_may_accept_is_sent_in_the_headers(
    error: SttError, headers: Sequence[tuple[str, str]]
) -> None:
    assert (await failed(error, Call())).headers == headers


async def test_started_call_gets_no_rejection_header() -> None:
    error = UnavailableError("shutting down")
    call = await failed(error, Call(headers_sent=True))
    assert (call.headers, call.status) == ([], [(StatusCode.UNAVAILABLE, "shutting down")])


@pytest.mark.parametrize("error", [InferenceError("out of memory at 0x7f"), ZeroDivisionError("out of memory at 0x7f")])
async def test_internal_error_is_sent_as_an_id_that_is_in_the_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        code, message = await status_of(error)
    name = message.split("error_id=")[1].split()[0]
    assert code is StatusCode.INTERNAL
    assert "memory" not in message
    assert name in caplog.text
    assert "memory" in caplog.text


async def test_first_of_several_errors_is_sent() -> None:
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [InvalidRequestError("rate=0")])])
    assert await status_of(group) == (StatusCode.INVALID_ARGUMENT, "rate=0")
