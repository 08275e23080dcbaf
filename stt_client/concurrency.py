"""Concurrency helpers for asyncio: a task group that raises its first error, and blocking calls in their own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Yield a task group that raises its first error itself, so that callers need not know of several tasks."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def run_in_thread(function: Callable[[], T]) -> T:
    """Return the result of a blocking function, run in a daemon thread: a call that never returns delays no exit.

    Cancellation abandons the thread and discards its result.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def resolve(set_result: Callable[[], None]) -> None:
        if not result.done():
            set_result()

    def run() -> None:
        set_result: Callable[[], None]
        try:
            value = function()
            set_result = lambda: result.set_result(value)  # noqa: E731
        except Exception as error:  # raised by the await
            failure = error
            set_result = lambda: result.set_exception(failure)  # noqa: E731
        with suppress(RuntimeError):  # the loop is closed: no task awaits the result
            loop.call_soon_threadsafe(resolve, set_result)

    threading.Thread(target=run, daemon=True).start()
    return await result
