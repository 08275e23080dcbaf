"""What a client is told of what went wrong."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, cast

import grpc
import pytest
from grpc import StatusCode

from stt_service.answers import answered, say_nothing
from stt_service.errors import EngineFailed, InvalidRequest, Overloaded, SttError, TimedOut, Unavailable

if TYPE_CHECKING:
    from stt_service.answers import UnaryContext


@dataclass
class Call:
    """Stands in for a call's context: notes the status."""

    status: list[tuple[StatusCode, str]] = field(default_factory=list)

    async def abort(self, code: StatusCode, details: str) -> NoReturn:
        self.status.append((code, details))
        raise grpc.aio.AbortError


async def status_of(error: Exception) -> tuple[StatusCode, str]:
    call = Call()
    with pytest.raises(grpc.aio.AbortError):
        async with answered(cast("UnaryContext", call), say_nothing):
            raise error
    [status] = call.status
    return status


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("rate=0"), StatusCode.INVALID_ARGUMENT),
        (Overloaded("full", 2.0), StatusCode.RESOURCE_EXHAUSTED),
        (Unavailable("loading"), StatusCode.UNAVAILABLE),
        (TimedOut("silent"), StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_what_the_client_can_mend_is_told_as_it_is(error: SttError, code: StatusCode) -> None:
    assert await status_of(error) == (code, str(error))


@pytest.mark.parametrize("error", [EngineFailed("out of memory at 0x7f"), ZeroDivisionError("out of memory at 0x7f")])
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
    group = ExceptionGroup("tasks", [ExceptionGroup("inner", [InvalidRequest("rate=0")])])
    assert await status_of(group) == (StatusCode.INVALID_ARGUMENT, "rate=0")
