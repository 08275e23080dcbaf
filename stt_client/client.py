"""Recognizes one source over any number of streams: buffers uncommitted audio, reconnects, resumes.

Two tasks run per call of `recognize`. One reads the source into the `ReplayBuffer` and waits while that is full, so a
slow or absent server never blocks a source before `max_buffered_s`. The other runs one stream after the other: each
sends the config, waits until the server accepts it (`Started`), then sends the buffer from its start and new items as
they arrive. `ResumeTracker` filters repeated events and computes the resume point; `RetryState` decides whether and
when the next attempt starts. This module knows neither where audio comes from nor where text goes.
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
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, RetryPolicy, RetryState, is_rejected_for_now
from stt_client.target import Target, to_target
from stt_client.transport import convert
from stt_client.transport.stream import Requests, stream

DRAIN_NOTICE = "DRAIN"
IDLE_STATUS = "DEADLINE_EXCEEDED"  # of a stream whose source paused for IDLE_TIMEOUT


async def recognize(
    server: str | Target,
    source: AsyncIterator[Input],
    options: StreamOptions = DEFAULT_OPTIONS,
    retry_policy: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> AsyncGenerator[Event, None]:
    """Yield the events of a dictation until its last final, over as many streams as necessary.

    The source is read from the start, also while there is no server. Audio that no server has committed is buffered,
    and sent again after a failure: no word is lost, and no final is emitted twice. Closing the generator cancels the
    stream at once, without the pending finals; to receive them, end the source.

    Args:
        server: HOST:PORT, several separated by commas in the order to try them, or a `Target` with token and TLS files.
        source: audio in chunks of any size, in `options.format`; between them `Settings` and `Finalize`.
        options: audio format, initial settings, and which events are wanted.
        retry_policy: how long to try without a server, and how much audio to buffer.

    Raises:
        ClientError: A setting, token or TLS file that cannot be used.
        ServiceError: The server rejected the stream, or `retry_policy` is exhausted.
        Exception: An error of the source, once the pending finals have been yielded.
    """
    dictation = _ResumableStream(to_target(server), options, retry_policy)
    async with aclosing(dictation.events(source)) as events:
        async for event in events:
            yield event


class _ResumableStream:
    """One source from start to end, over any number of streams."""

    def __init__(self, target: Target, options: StreamOptions, retry_policy: RetryPolicy) -> None:
        convert.config_request(options)  # raises for settings that cannot be sent, before it connects
        self._target = target
        self._options = options
        self._buffer = ReplayBuffer(options.format, options.settings, retry_policy.max_buffered_s)
        self._resume_tracker = ResumeTracker()
        self._retry_state = RetryState(retry_policy, len(target.addresses), time.monotonic(), random.random)
        self._address_index = 0  # of the current attempt, not reduced to the number of addresses
        self._source_ended_s: float | None = None
        self._all_sent = False  # by the current stream
        self._cursor = self._buffer.start  # of the current stream
        self._was_started = False
        self._input_arrived, self._space_freed = asyncio.Event(), asyncio.Event()
        self._stream_started = asyncio.Event()

    async def events(self, source: AsyncIterator[Input]) -> AsyncGenerator[Event, None]:
        reader = asyncio.create_task(self._buffer_source(source))  # canceled below in any case
        try:
            async with aclosing(self._attempts()) as events:
                async for event in events:
                    yield event
            await reader  # raises the error of the source, if any
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._buffer.close()

    async def _buffer_source(self, source: AsyncIterator[Input]) -> None:
        """Append the items of the source to the buffer; wait while it is full."""
        try:
            async for item in source:
                if isinstance(item, Settings):
                    convert.request(item)  # raises
                while self._buffer.is_full:
                    self._space_freed.clear()
                    await self._space_freed.wait()
                self._buffer.append(item)
                self._input_arrived.set()
        finally:
            self._source_ended_s = time.monotonic()
            self._input_arrived.set()

    async def _attempts(self) -> AsyncGenerator[Event, None]:
        """Yield the events of one stream after the other, until one succeeds."""
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
        return ConnectionState.WAITING if is_rejected_for_now(error) else ConnectionState.CONNECTING

    async def _wait_for_input(self) -> None:
        """Wait until the source continues or ends: a stream that resumes before that would be as idle as the last."""
        while self._source_ended_s is None and self._buffer.read(self._cursor) is None:
            self._input_arrived.clear()
            await self._input_arrived.wait()
            self._retry_state.on_input_resumed(time.monotonic())

    @property
    def _is_complete(self) -> bool:
        """Whether all audio was committed although the stream failed before its end."""
        return self._was_started and self._source_ended_s is not None and not self._buffer.duration_ms

    async def _stream(self) -> AsyncGenerator[Event, None]:
        address = self._target.addresses[self._address_index % len(self._target.addresses)]
        self._all_sent = False
        async with aclosing(stream(self._target, address, self._requests())) as events:
            async for event in events:
                for result in self._handle(event):
                    yield result
        if not self._all_sent:
            raise ServiceError(f"{address} ended the stream before the audio ended.", "UNAVAILABLE")

    async def _requests(self) -> Requests:
        """Yield the config, the buffered items, and new ones until the source ends."""
        options = replace(self._options, settings=self._buffer.settings)
        resume = (
            replace(self._resume_tracker.resume, left_context_ms=self._buffer.left_context_ms)
            if self._was_started
            else None
        )
        self._cursor = self._buffer.start
        self._stream_started.clear()
        yield convert.config_request(options, resume)
        # No audio is sent before the server accepts the stream: writing could hide the status of a rejection, and a
        # load balancer that retries on another server can repeat only a limited amount.
        await self._stream_started.wait()
        while True:
            self._input_arrived.clear()
            while (item := self._buffer.read(self._cursor)) is not None:
                content, self._cursor = item
                yield convert.request(content)
            if self._source_ended_s is not None:
                break
            await self._input_arrived.wait()
        self._all_sent = True

    def _handle(self, event: Event) -> Iterator[Event]:
        """Update the state from a server event; yield the events for the caller."""
        if isinstance(event, Started):
            yield self._on_started()
        before_ms = self._resume_tracker.committed_ms
        is_new = self._resume_tracker.handle(self._with_plausible_commit(event))
        if self._resume_tracker.committed_ms > before_ms:
            self._buffer.commit(self._resume_tracker.committed_ms)
            self._space_freed.set()
            self._retry_state.on_progress()
        if is_new and not isinstance(event, Progress):
            yield event
        if isinstance(event, Notice) and event.reason == DRAIN_NOTICE:
            yield Connection(ConnectionState.DRAINING, event.message, self._buffer.duration_ms)

    def _with_plausible_commit(self, event: Event) -> Event:
        """Limit `committed_ms` to the audio sent: a broken server must not make the client discard unsent audio."""
        sent_ms = math.ceil(self._options.format.duration_ms(self._cursor.position))
        return event if event.committed_ms <= sent_ms else replace(event, committed_ms=sent_ms)

    def _on_started(self) -> Connection:
        state = ConnectionState.RESUMED if self._was_started else ConnectionState.CONNECTED
        self._was_started = True
        self._stream_started.set()
        self._retry_state.on_started()
        return Connection(state, buffered_ms=self._buffer.duration_ms)
