"""Runs what blocks for long in a thread that may be left behind: a download holds up no exit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
NAME = "work"


async def in_thread(work: Callable[[], T]) -> T:
    """Return what the work returns. A cancellation leaves the thread behind, and its outcome unheard."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not outcome.done():
            settled()

    def run() -> None:
        settled: Callable[[], None]
        try:
            value = work()
            settled = lambda: outcome.set_result(value)  # noqa: E731
        except Exception as error:  # goes to whoever waits
            failure = error
            settled = lambda: outcome.set_exception(failure)  # noqa: E731
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, daemon=True, name=NAME).start()
    return await outcome


def find_orphaned() -> bool:
    """Tell whether work still runs. It may compute outside of Python, so the interpreter must not be finalized."""
    return any(thread.name == NAME for thread in threading.enumerate())
