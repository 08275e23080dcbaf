"""The client for programs without an event loop: an iterable of audio in, an iterator of events out.

One daemon thread runs the event loop of all dictations, so that audio is sent while the program handles an event.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from stt_client.client import recognize
from stt_client.concurrency import run_in_thread
from stt_client.events import DEFAULT_OPTIONS, Event, Input, StreamOptions
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, RetryPolicy
from stt_client.target import Target

T = TypeVar("T")


def recognize_sync(
    server: str | Target,
    source: Iterable[Input],
    options: StreamOptions = DEFAULT_OPTIONS,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> Generator[Event, None, None]:
    """Yield the events of a dictation, as `stt_client.recognize` does; the arguments are the same.

    The source is read in a thread of its own, and may block. Closing the iterator cancels the stream; a thread in which
    the source still blocks is abandoned.

    Raises:
        ClientError: As `stt_client.recognize` does.
        Exception: An error of the source, once the pending finals have been yielded.
    """
    reader = _EventReader(recognize(server, _read_source(source), options, retry_policy))
    try:
        while (event := _run(reader.next())) is not None:
            yield event
    finally:
        _run(reader.close())


class _EventReader:
    """Reads the events, on the event loop."""

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        self._events = events
        self._pending: asyncio.Task[Event | None] | None = None

    async def next(self) -> Event | None:
        self._pending = asyncio.create_task(self._next())
        return await self._pending

    async def _next(self) -> Event | None:
        return await anext(self._events, None)

    async def close(self) -> None:
        """Close the generator, also where a KeyboardInterrupt left a read of the next event pending."""
        if self._pending is not None:
            self._pending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._pending
        await self._events.aclose()


async def _read_source(source: Iterable[Input]) -> AsyncGenerator[Input, None]:
    items = iter(source)
    while (item := await run_in_thread(lambda: next(items, None))) is not None:
        yield item


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="stt-client").start()
    return loop
