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
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, RetryPolicy, RetryState, asks_to_wait
from stt_client.target import Target, target_of
from stt_client.transport import convert
from stt_client.transport.stream import Requests, stream

DRAIN = "DRAIN"
IDLE = "DEADLINE_EXCEEDED"  # how a server ends the stream of a source that pauses


async def recognize(
    server: str | Target,
    source: AsyncIterator[Input],
    options: StreamOptions = DEFAULT_OPTIONS,
    patience: RetryPolicy = DEFAULT_RETRY_POLICY,
) -> AsyncGenerator[Event, None]:
    """Recognise a dictation; yield what is said of it until nothing more is owed.

    `server` is HOST:PORT, or several with commas. The source is read from the first moment on; what is not settled is
    kept, and told again to the next server when one is lost: no word is lost, no final comes twice. An error of the
    source ends the dictation, and is raised once the finals owed have come. Closing the generator ends all at once.

    Raises:
        ClientError: settings that cannot be sent.
        ServiceError: what trying again cannot mend, or has not mended for as long as `patience` says.
    """
    dictation = _Dictation(target_of(server), options, patience)
    async with aclosing(dictation.events(source)) as events:
        async for event in events:
            yield event


class _Dictation:
    """One source from its beginning to its end, over any number of streams."""

    def __init__(self, target: Target, options: StreamOptions, patience: RetryPolicy) -> None:
        convert.config_request(options)  # raises for settings that cannot be sent, before a server waits for them
        self._target = target
        self._options = options
        self._kept = ReplayBuffer(options.format, options.settings, patience.kept_s)
        self._resumption = ResumeTracker()
        self._retries = RetryState(patience, len(target.addresses), time.monotonic(), random.random)
        self._turn = 0  # whose of the addresses it is
        self._ended_s: float | None = None  # when the source ended
        self._said_all = False  # on the present stream
        self._sent = self._kept.beginning  # how far the present stream has sent it
        self._ever_began = False
        self._arrived, self._freed = asyncio.Event(), asyncio.Event()
        self._taken = asyncio.Event()  # by a server, the present stream

    async def events(self, source: AsyncIterator[Input]) -> AsyncGenerator[Event, None]:
        taking = asyncio.create_task(self._take(source))  # ended below, whatever happens
        try:
            async with aclosing(self._tries()) as events:
                async for event in events:
                    yield event
            await taking  # raises the error of the source, if there was one
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            self._kept.close()

    async def _take(self, source: AsyncIterator[Input]) -> None:
        """Keep what the source brings, as there is room."""
        try:
            async for item in source:
                if isinstance(item, Settings):
                    convert.request(item)  # raises
                while self._kept.is_full:
                    self._freed.clear()
                    await self._freed.wait()
                self._kept.append(item)
                self._arrived.set()
        finally:
            self._ended_s = time.monotonic()
            self._arrived.set()

    async def _tries(self) -> AsyncGenerator[Event, None]:
        """Yield the events of one stream after the other, until one ends well."""
        yield Connection(ConnectionState.CONNECTING)
        while True:
            try:
                async with aclosing(self._stream()) as events:
                    async for event in events:
                        yield event
                return
            except ServiceError as error:
                if self._is_done:
                    return
                delay_s = self._retries.delay_s(error, time.monotonic(), self._ended_s)
                yield Connection(self._state_after(error), str(error), self._kept.duration_ms)
                if error.status == IDLE:
                    await self._wait_for_more()
            self._turn += 1
            await asyncio.sleep(delay_s)

    def _state_after(self, error: ServiceError) -> ConnectionState:
        if self._ever_began:
            return ConnectionState.RECONNECTING
        return ConnectionState.WAITING if asks_to_wait(error) else ConnectionState.CONNECTING

    async def _wait_for_more(self) -> None:
        """Wait until the source goes on or ends: a stream that resumes before that would be as idle as the last."""
        while self._ended_s is None and self._kept.next(self._sent) is None:
            self._arrived.clear()
            await self._arrived.wait()
            self._retries.has_more(time.monotonic())

    @property
    def _is_done(self) -> bool:
        """Whether all was settled although the stream did not live to say so."""
        return self._ever_began and self._ended_s is not None and not self._kept.duration_ms

    async def _stream(self) -> AsyncGenerator[Event, None]:
        address = self._target.addresses[self._turn % len(self._target.addresses)]
        self._said_all = False
        async with aclosing(stream(self._target, address, self._requests())) as events:
            async for event in events:
                for told in self._told(event):
                    yield told
        if not self._said_all:
            raise ServiceError(f"{address} ended the stream before the audio ended.", "UNAVAILABLE")

    async def _requests(self) -> Requests:
        """Yield the config, what is kept, and what comes, until the source ends."""
        options = replace(self._options, settings=self._kept.settings)
        resume = (
            replace(self._resumption.resume, left_context_ms=self._kept.left_context_ms) if self._ever_began else None
        )
        self._sent = self._kept.beginning
        self._taken.clear()
        yield convert.config_request(options, resume)
        # Sound that nobody has taken is not sent: a refusal could be lost by that, and a balancer that tries another
        # server can say again only so much.
        await self._taken.wait()
        while True:
            self._arrived.clear()
            while (item := self._kept.next(self._sent)) is not None:
                said, self._sent = item
                yield convert.request(said)
            if self._ended_s is not None:
                break
            await self._arrived.wait()
        self._said_all = True

    def _told(self, event: Event) -> Iterator[Event]:
        """Take note of what the server says; yield what its user shall hear."""
        if isinstance(event, Started):
            yield self._begun()
        before_ms = self._resumption.settled_ms
        is_news = self._resumption.handle(self._limited(event))
        if self._resumption.settled_ms > before_ms:
            self._kept.settle(self._resumption.settled_ms)
            self._freed.set()
            self._retries.settled()
        if is_news and not isinstance(event, Progress):
            yield event
        if isinstance(event, Notice) and event.reason == DRAIN:
            yield Connection(ConnectionState.DRAINING, event.message, self._kept.duration_ms)

    def _limited(self, event: Event) -> Event:
        """Return the event with no more audio committed than was sent: a broken server must not make us forget it."""
        sent_ms = math.ceil(self._options.format.duration_ms(self._sent.position))
        return event if event.committed_ms <= sent_ms else replace(event, committed_ms=sent_ms)

    def _begun(self) -> Connection:
        state = ConnectionState.RESUMED if self._ever_began else ConnectionState.CONNECTED
        self._ever_began = True
        self._taken.set()
        self._retries.began()
        return Connection(state, kept_ms=self._kept.duration_ms)
