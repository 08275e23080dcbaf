"""Recognises a dictation on whichever server there is: keeps what is not settled, reconnects, resumes.

It plays no part in where audio comes from or where text goes.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

from stt_client.errors import ServiceError
from stt_client.events import (
    DEFAULT_OPTIONS,
    Connection,
    ConnectionState,
    Event,
    Input,
    Notice,
    Progress,
    Settings,
    Started,
    StreamOptions,
)
from stt_client.recovery.replay_buffer import ReplayBuffer
from stt_client.recovery.resume import ResumeTracker
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, RetryPolicy, RetryState, has_no_free_slot
from stt_client.target import Target, to_target
from stt_client.transport import convert
from stt_client.transport.stream import Requests, stream

DRAIN_NOTICE = "DRAIN"
IDLE_STATUS = "DEADLINE_EXCEEDED"  # how a server ends the stream of a source that pauses


async def recognize(
    server: str | Target,
    source: AsyncIterator[Input],
    options: StreamOptions = DEFAULT_OPTIONS,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> AsyncGenerator[Event, None]:
    """Recognise a dictation; yield what is said of it until nothing more is owed.

    `server` is HOST:PORT, or several with commas. The source is read from the first moment on; what is not settled is
    kept, and told again to the next server when one is lost: no word is lost, no final comes twice. An error of the
    source ends the dictation, and is raised once the finals owed have come. Closing the generator ends all at once.

    Raises:
        ClientError: settings that cannot be sent.
        ServiceError: what trying again cannot mend, or has not mended for as long as `patience` says.
    """
    dictation = _ResumableStream(to_target(server), options, retry_policy)
    async with aclosing(dictation.events(source)) as events:
        async for event in events:
            yield event


class _ResumableStream:
    """One source from its beginning to its end, over any number of streams."""

    def __init__(self, target: Target, options: StreamOptions, patience: RetryPolicy) -> None:
        convert.config_request(options)  # raises for settings that cannot be sent, before a server waits for them
        self._target = target
        self._options = options
        self._buffer = ReplayBuffer(options.format, options.settings, patience.max_buffered_s)
        self._resume_tracker = ResumeTracker()
        self._retry_state = RetryState(patience, len(target.addresses), time.monotonic(), random.random)
        self._address_index = 0  # whose of the addresses it is
        self._source_ended_s: float | None = None  # when the source ended
        self._all_sent = False  # on the present stream
        self._cursor = self._buffer.start  # how far the present stream has sent it
        self._was_started = False
        self._arrived, self._freed = asyncio.Event(), asyncio.Event()
        self._taken = asyncio.Event()  # by a server, the present stream

    async def events(self, source: AsyncIterator[Input]) -> AsyncGenerator[Event, None]:
        taking = asyncio.create_task(self._buffer_source(source))  # ended below, whatever happens
        try:
            async with aclosing(self._attempts()) as events:
                async for event in events:
                    yield event
            await taking  # raises the error of the source, if there was one
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            self._buffer.close()

    async def _buffer_source(self, source: AsyncIterator[Input]) -> None:
        """Keep what the source brings, as there is room."""
        try:
            async for item in source:
                if isinstance(item, Settings):
                    convert.request(item)  # raises
                while self._buffer.is_full:
                    self._freed.clear()
                    await self._freed.wait()
                self._buffer.append(item)
                self._arrived.set()
        finally:
            self._source_ended_s = time.monotonic()
            self._arrived.set()

    async def _attempts(self) -> AsyncGenerator[Event, None]:
        """Yield the events of one stream after the other, until one ends well."""
        yield Connection(ConnectionState.CONNECTING)
        while True:
            try:
                async with aclosing(self._stream()) as events:
                    async for event in events:
                        yield event
                return
            except ServiceError as error:
                if self._is_complete:
                    return
                delay_s = self._retry_state.delay_s(error, time.monotonic(), self._source_ended_s)
                yield Connection(self._state_after(error), str(error), self._buffer.duration_ms)
                if error.status == IDLE_STATUS:
                    await self._wait_for_input()
            self._address_index += 1
            await asyncio.sleep(delay_s)

    def _state_after(self, error: ServiceError) -> ConnectionState:
        if self._was_started:
            return ConnectionState.RECONNECTING
        return ConnectionState.WAITING if has_no_free_slot(error) else ConnectionState.CONNECTING

    async def _wait_for_input(self) -> None:
        """Wait until the source goes on or ends: a stream that resumes before that would be as idle as the last."""
        while self._source_ended_s is None and self._buffer.read(self._cursor) is None:
            self._arrived.clear()
            await self._arrived.wait()
            self._retry_state.on_input_resumed(time.monotonic())

    @property
    def _is_complete(self) -> bool:
        """Whether all was settled although the stream did not live to say so."""
        return self._was_started and self._source_ended_s is not None and not self._buffer.duration_ms

    async def _stream(self) -> AsyncGenerator[Event, None]:
        address = self._target.addresses[self._address_index % len(self._target.addresses)]
        self._all_sent = False
        async with aclosing(stream(self._target, address, self._requests())) as events:
            async for event in events:
                for told in self._handle(event):
                    yield told
        if not self._all_sent:
            raise ServiceError(f"{address} ended the stream before the audio ended.", "UNAVAILABLE")

    async def _requests(self) -> Requests:
        """Yield the config, what is kept, and what comes, until the source ends."""
        options = replace(self._options, settings=self._buffer.settings)
        resume = (
            replace(self._resume_tracker.resume, left_context_ms=self._buffer.left_context_ms)
            if self._was_started
            else None
        )
        self._cursor = self._buffer.start
        self._taken.clear()
        yield convert.config_request(options, resume)
        # Sound that nobody has taken is not sent: a refusal could be lost by that, and a balancer that tries another
        # server can say again only so much.
        await self._taken.wait()
        while True:
            self._arrived.clear()
            while (item := self._buffer.read(self._cursor)) is not None:
                said, self._cursor = item
                yield convert.request(said)
            if self._source_ended_s is not None:
                break
            await self._arrived.wait()
        self._all_sent = True

    def _handle(self, event: Event) -> Iterator[Event]:
        """Take note of what the server says; yield what its user shall hear."""
        if isinstance(event, Started):
            yield self._on_started()
        before_ms = self._resume_tracker.committed_ms
        is_news = self._resume_tracker.handle(self._with_plausible_commit(event))
        if self._resume_tracker.committed_ms > before_ms:
            self._buffer.commit(self._resume_tracker.committed_ms)
            self._freed.set()
            self._retry_state.on_progress()
        if is_news and not isinstance(event, Progress):
            yield event
        if isinstance(event, Notice) and event.reason == DRAIN_NOTICE:
            yield Connection(ConnectionState.DRAINING, event.message, self._buffer.duration_ms)

    def _with_plausible_commit(self, event: Event) -> Event:
        """Return the event with no more audio committed than was sent: a broken server must not make us forget it."""
        sent_ms = math.ceil(self._options.format.duration_ms(self._cursor.position))
        return event if event.committed_ms <= sent_ms else replace(event, committed_ms=sent_ms)

    def _on_started(self) -> Connection:
        state = ConnectionState.RESUMED if self._was_started else ConnectionState.CONNECTED
        self._was_started = True
        self._taken.set()
        self._retry_state.on_started()
        return Connection(state, buffered_ms=self._buffer.duration_ms)
