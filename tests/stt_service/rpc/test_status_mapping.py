"""What a client is told of what went wrong."""

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
from stt_service.rpc.status_mapping import REFUSED_HEADER, map_errors_to_status, no_op

if TYPE_CHECKING:
    from stt_service.rpc.status_mapping import AnyContext


@dataclass
class Call:
    """Stands in for a call's context: notes the status, and the headers if they were not sent before."""

    status: list[tuple[StatusCode, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    has_begun: bool = False

    async def send_initial_metadata(self, headers: Sequence[tuple[str, str]]) -> None:
        if self.has_begun:
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
async def test_what_the_client_can_mend_is_told_as_it_is(error: SttError, code: StatusCode) -> None:
    assert await status_of(error) == (code, str(error))


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (ResourceExhaustedError("full", 2.0), [(REFUSED_HEADER, "RESOURCE_EXHAUSTED")]),
        (UnavailableError("loading"), [(REFUSED_HEADER, "UNAVAILABLE")]),
        (InvalidRequestError("rate=0"), []),
        (InferenceError("out of memory"), []),
    ],
)
async def test_what_another_server_may_take_is_told_to_balancers(
    error: SttError, headers: Sequence[tuple[str, str]]
) -> None:
    assert (await failed(error, Call())).headers == headers


async def test_a_call_that_has_begun_cannot_be_given_to_another_server() -> None:
    gone = UnavailableError("going away")
    call = await failed(gone, Call(has_begun=True))
    assert (call.headers, call.status) == ([], [(StatusCode.UNAVAILABLE, "going away")])


@pytest.mark.parametrize("error", [InferenceError("out of memory at 0x7f"), ZeroDivisionError("out of memory at 0x7f")])
async def test_what_is_our_fault_is_told_by_an_id_that_is_in_the_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        code, message = await status_of(error)
    name = message.split("id ")[1].split()[0]
    assert code is StatusCode.INTERNAL
    assert "memory" not in message
    assert name in caplog.text
    assert "memory" in caplog.text


async def test_the_first_of_several_failures_is_told() -> None:
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [InvalidRequestError("rate=0")])])
    assert await status_of(group) == (StatusCode.INVALID_ARGUMENT, "rate=0")
