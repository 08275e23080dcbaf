"""One StreamingRecognize call: the wire on one side, a recognition on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat
from stt_service.errors import (
    AbortedError,
    DeadlineExceededError,
    InferenceError,
    InvalidRequestError,
    SttError,
    UnavailableError,
)
from stt_service.rpc import convert
from stt_service.rpc.recognizer import StreamRecognizer
from stt_service.rpc.stream_registry import ActiveStream
from stt_service.session.events import Notice, NoticeReason
from stt_service.vad.types import Endpoint

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

Requests = AsyncIterator[pb.StreamingRecognizeRequest]
T = TypeVar("T")

MAX_CHUNK_BYTES = 4 * 2**20
CONFIG_S = 10.0  # for the first message: a place is held meanwhile
FINISH_TIMEOUT_S = 10.0  # of the grace, for what is still owed then
GRACE_S = 60.0  # for streams to get what they are owed when the server drains
CATCH_UP_S = 1.0  # of wall-clock time without audio: a partial of all that came is made
STALL_TIMEOUT_S = 3.0  # of wall-clock time without audio: the client, or its network, has stalled
WRITE_S = 30.0  # for the client to take a message
AWAY = "The server is going away: resume on another one."
TERMINATED = "An operator of the server ended the stream; what was said before is told."


@dataclass(frozen=True, slots=True)
class StreamTimeouts:
    """What ends a stream."""

    idle_s: float
    duration_s: float  # 0: none
    grace_s: float  # left for a stream when the server drains

    @property
    def config_s(self) -> float:
        """How long a client may be silent before its first message."""
        return min(CONFIG_S, self.idle_s)

    @property
    def write_s(self) -> float:
        """How long a client may leave a message unread."""
        return min(WRITE_S, self.idle_s)


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How the audio of a stream ended, and why the stream fails, if it does."""

    endpoint: Endpoint | None  # None: the open utterance is left to the stream that resumes
    failure: SttError | None = None


@dataclass(slots=True, eq=False)
class StreamHandler:
    """A live call's state at the edge.

    The client of a resumable stream buffers what is not committed. So a stall ends no utterance, and what the server
    ends by itself ends without a final for the open utterance: it would be cut at a place that depends on the clock.
    """

    live: ActiveStream
    audio_format: AudioFormat
    limits: StreamTimeouts
    draining: asyncio.Event
    resumable: bool = False
    _received: asyncio.Event = field(default_factory=asyncio.Event)  # a message, since it was last cleared
    _waiting_since: float | None = field(default=None)  # for the client's next audio; None while a message is worked on
    _heard: int = field(default=0)  # messages with audio: what else a client sends ends no silence

    @property
    def _recognition(self) -> StreamRecognizer:
        return self.live.recognizer

    async def run(self, requests: Requests, context: Context) -> None:
        """Serve the stream to its end; all that is owed is sent.

        Raises:
            SttError: why it failed; what was owed before that has been sent.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(requests))
                while (told := await self._recognition.send_queue.next_event()) is not None:
                    await write(context, convert.response(told), self.limits.write_s)
        except* SttError as group:
            raise _first(group) from None
        if (failure := feeding.result()) is not None:
            raise failure

    async def _feed(self, requests: Requests) -> SttError | None:
        """Take the stream's audio to its end, have all told, close the outbox. Return why the stream fails."""
        failure: SttError | None = None
        try:
            async with self._recognition:
                end = await self._first_end(requests)
                failure = end.failure
                await self._finish(end.endpoint)
        except* (InvalidRequestError, InferenceError) as group:
            failure = failure or _first(group)
        finally:
            self._recognition.send_queue.close()
        return failure

    async def _finish(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            await self._recognition.suspend()
        else:
            await self._recognition.finish(endpoint)

    async def _first_end(self, requests: Requests) -> StreamEnd:
        """Read until the audio ends: by the client, by silence on the wire, or by the server's own end."""
        ends = self._read(requests), self._idle(), self._drain(), self._end()
        return await _first_of(*ends, *self._watches())

    async def _read(self, requests: Requests) -> StreamEnd:
        try:
            self._waiting_since = _now()
            async for request in requests:
                silent_s, heard_ms, self._waiting_since = self._silent_s, self._recognition.audio_received_ms, None
                await self._dispatch(request)
                if self._is_too_long:
                    return StreamEnd(
                        self._own_end(Endpoint.END_OF_AUDIO), DeadlineExceededError(_too_long(self.limits.duration_s))
                    )
                self._wait(0.0 if self._recognition.audio_received_ms > heard_ms else silent_s)
        except InvalidRequestError as failure:
            return StreamEnd(Endpoint.END_OF_AUDIO, failure)
        return StreamEnd(Endpoint.END_OF_AUDIO)

    def _wait(self, silent_s: float) -> None:
        """Wait for the next audio of a client that has sent none for so long."""
        self._waiting_since = _now() - silent_s
        if not silent_s:
            self._heard += 1
            self._received.set()

    async def _dispatch(self, request: pb.StreamingRecognizeRequest) -> None:
        match request.WhichOneof("request"):
            case "audio":
                await self._receive_audio(request.audio)
            case "silence":
                await self._recognition.silence(convert.silence_s(request.silence), self.audio_format)
            case "finalize":
                await self._recognition.finalize(Endpoint.FINALIZE)
            case "update":
                await self._recognition.update(convert.changes(request.update))
            case "config":
                raise InvalidRequestError("A second config came: it comes once, first; change settings with `update`.")
            case _:
                raise InvalidRequestError("A message without content came: it should hold audio or a command.")

    async def _receive_audio(self, audio: bytes) -> None:
        if len(audio) > MAX_CHUNK_BYTES:
            raise InvalidRequestError(
                f"A message holds {len(audio)} bytes of audio: must be at most {MAX_CHUNK_BYTES}."
            )
        await self._recognition.feed(audio, self.audio_format)

    @property
    def _is_too_long(self) -> bool:
        """Whether the stream is over by its length; a resumable one ends with its open utterance."""
        heard_s = self._recognition.audio_received_ms / 1000
        if not self.limits.duration_s or heard_s < self.limits.duration_s:
            return False
        return self._recognition.wind_down() if self.resumable else True

    def _own_end(self, endpoint: Endpoint) -> Endpoint | None:
        """Return how the open utterance ends where the server ends the stream by itself."""
        return None if self.resumable else endpoint

    async def _idle(self) -> StreamEnd:
        """End the stream of a client that sends no audio, whatever else it sends."""
        await self._silent_for(self.limits.idle_s)
        return StreamEnd(self._own_end(Endpoint.STALLED), DeadlineExceededError(_idle(self.limits.idle_s)))

    def _watches(self) -> list[Coroutine[Any, Any, NoReturn]]:
        """Return what goes on beside reading: what was said is shown, and ended where the client cannot resume it."""
        watches = [self._at_each_silence(CATCH_UP_S, self._recognition.catch_up)]
        if not self.resumable:
            watches.append(
                self._at_each_silence(STALL_TIMEOUT_S, partial(self._recognition.finalize, Endpoint.STALLED))
            )
        return watches

    async def _at_each_silence(self, length_s: float, act: Callable[[], Awaitable[None]]) -> NoReturn:
        """Act once each time that the client sends no audio for so long."""
        while True:
            await self._silent_for(length_s)
            heard = self._heard
            await act()
            while self._heard == heard:
                self._received.clear()
                await self._received.wait()

    async def _silent_for(self, length_s: float) -> None:
        """Return once the client has sent no audio for so long."""
        while (left_s := length_s - self._silent_s) > 0:  # noqa: ASYNC110  (time passes, nothing is set)
            await asyncio.sleep(left_s)

    @property
    def _silent_s(self) -> float:
        since = self._waiting_since
        return 0.0 if since is None else _now() - since

    async def _drain(self) -> StreamEnd:
        """Let the open utterance end by itself: whoever takes the stream up then has no word to hear twice."""
        await self.draining.wait()
        self._recognition.emit(Notice(NoticeReason.DRAIN, self.limits.grace_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.grace_s - FINISH_TIMEOUT_S):
                await self._retired()
        return StreamEnd(self._own_end(Endpoint.DRAIN), UnavailableError(AWAY))

    async def _retired(self) -> None:
        """Wait for the open utterance's end, but not for a client that has stalled: it resumes on another server."""
        if self.resumable:
            await _first_of(self._recognition.stop_after_utterance(), self._silent_for(STALL_TIMEOUT_S))
        else:
            await self._recognition.stop_after_utterance()

    async def _end(self) -> StreamEnd:
        """Wait for an operator to end the stream."""
        await self.live.terminated.wait()
        return StreamEnd(Endpoint.FINALIZE, AbortedError(TERMINATED))


async def write(context: Context, message: pb.StreamingRecognizeResponse, limit_s: float) -> None:
    """Send a message.

    Raises:
        TimedOut: the client does not read.
    """
    try:
        async with asyncio.timeout(limit_s):
            await context.write(message)
    except TimeoutError as error:
        raise DeadlineExceededError(
            f"The client read nothing for {limit_s:g} s: read the responses while sending."
        ) from error


async def first_config(requests: Requests, limits: StreamTimeouts, draining: asyncio.Event) -> pb.StreamingConfig:
    """Wait for the first message, which must be the config.

    Raises:
        InvalidRequest: it holds something else, or there is none.
        TimedOut: the client is silent.
        Unavailable: the server goes away before it comes.
    """
    coming, drained = asyncio.create_task(_config(requests)), asyncio.create_task(draining.wait())
    try:
        await asyncio.wait((coming, drained), timeout=limits.config_s, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        if drained.done():
            raise UnavailableError(AWAY)
        raise DeadlineExceededError(f"No config came for {limits.config_s:g} s: send it first, then audio.")
    finally:
        coming.cancel()
        drained.cancel()
        await asyncio.gather(coming, drained, return_exceptions=True)


async def _config(requests: Requests) -> pb.StreamingConfig:
    async for request in requests:
        if request.WhichOneof("request") == "config":
            return request.config
        kind = request.WhichOneof("request") or "nothing"
        raise InvalidRequestError(f"The first message holds {kind}: it should hold the config.")
    raise InvalidRequestError("The stream ended before its config: send the config first, then audio.")


async def _first_of(*ways: Coroutine[Any, Any, T]) -> T:
    """Return the result of the first that ends; the others are cancelled."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> float:
    """Return the event loop's monotonic clock, in seconds."""
    return asyncio.get_running_loop().time()


def _too_long(duration_s: float) -> str:
    return f"The stream is {duration_s:g} s long, and none may be longer: begin a new one."


def _idle(idle_s: float) -> str:
    return f"No audio came for {idle_s:g} s: send audio or silence, or half-close the stream."


def _first(group: BaseExceptionGroup[BaseException]) -> SttError:
    """Return the first of the errors that ended a group of tasks."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
        if isinstance(error, SttError):
            return error
    raise group
