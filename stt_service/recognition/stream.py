"""One StreamingRecognize call: reads requests, feeds the recognizer and writes responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

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
from stt_service.recognition import convert
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.stream_registry import ActiveStream
from stt_service.session.events import Notice, NoticeReason
from stt_service.vad.types import Endpoint

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

Requests = AsyncIterator[pb.StreamingRecognizeRequest]
T = TypeVar("T")

MAX_CHUNK_BYTES = 4 * 2**20
CONFIG_TIMEOUT_S = 10.0  # for the first message, while the stream holds a slot
FINISH_TIMEOUT_S = 10.0  # at the end of the grace period, for pending results
GRACE_S = 60.0  # for streams to receive pending results when the server drains
CATCH_UP_S = 1.0  # wall-clock time without audio after which a partial of all received audio is made
STALL_TIMEOUT_S = 3.0  # wall-clock time without audio after which the client or its network has stalled
WRITE_TIMEOUT_S = 30.0  # for the client to read a message
DRAINED = "The server is draining: resume on another server."
TERMINATED = "An operator ended the stream; results of earlier speech have been sent."


class ResponseWriter(Protocol):
    """The client's side of a stream: a gRPC context, or the connection of another protocol."""

    async def write(self, message: pb.StreamingRecognizeResponse, /) -> None:
        """Send a response; wait while the client does not read."""


@dataclass(frozen=True, slots=True)
class TimedWriter:
    """Limits the time in which a client must read each response."""

    writer: ResponseWriter
    timeout_s: float

    async def write(self, message: pb.StreamingRecognizeResponse, /) -> None:
        """Send a response.

        Raises:
            DeadlineExceededError: the client does not read.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.writer.write(message)
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"The client read no response for {self.timeout_s:g} s: read responses while sending."
            ) from error


@dataclass(frozen=True, slots=True)
class StreamTimeouts:
    """The limits after which a stream ends."""

    idle_s: float
    duration_s: float  # 0: no limit
    grace_s: float  # for an open stream when the server drains

    @property
    def config_s(self) -> float:
        """How long to wait for the client's first message."""
        return min(CONFIG_TIMEOUT_S, self.idle_s)

    @property
    def write_s(self) -> float:
        """How long a client may leave a message unread."""
        return min(WRITE_TIMEOUT_S, self.idle_s)


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How the audio of a stream ended, and the error with which the stream fails, if any."""

    endpoint: Endpoint | None  # None: the open utterance is left to the stream that resumes
    failure: SttError | None = None


@dataclass(slots=True, eq=False)
class StreamHandler:
    """The state of a call.

    The client of a resumable stream buffers the audio that is not committed. Therefore a stall ends no utterance, and
    when the server ends the stream, it emits no final for the open utterance: its end would depend on the clock.
    """

    stream: ActiveStream
    audio_format: AudioFormat
    timeouts: StreamTimeouts
    draining: asyncio.Event
    resumable: bool = False
    _audio_received: asyncio.Event = field(default_factory=asyncio.Event)  # since it was last cleared
    _waiting_since: float | None = field(default=None)  # for the next audio; None while a message is being handled
    _audio_messages: int = field(default=0)  # other messages do not end a gap in the audio

    @property
    def _recognizer(self) -> StreamRecognizer:
        return self.stream.recognizer

    async def run(self, requests: Requests, writer: ResponseWriter) -> None:
        """Serve the stream to its end, and send all pending results.

        Raises:
            SttError: the reason of the failure; the results before it have been sent.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(requests))
                while (event := await self._recognizer.send_queue.next_event()) is not None:
                    await writer.write(convert.response(event))
        except* SttError as group:
            raise _first_error(group) from None
        if (failure := feeding.result()) is not None:
            raise failure

    async def _feed(self, requests: Requests) -> SttError | None:
        """Process the audio until it ends: by the client, by a timeout, a drain or an operator.

        Return the error with which the stream fails, if any.
        """
        failure: SttError | None = None
        watchers = self._end_when_idle(), self._end_by_drain(), self._end_by_operator(), *self._gap_watchers()
        try:
            async with self._recognizer:
                end = await _first_of(self.receive_audio(requests), *watchers)
                failure = end.failure
                if end.endpoint is None:
                    await self._recognizer.suspend()
                else:
                    await self._recognizer.finish(end.endpoint)
        except* (InvalidRequestError, InferenceError) as group:
            failure = failure or _first_error(group)
        finally:
            self._recognizer.send_queue.close()
        return failure

    async def receive_audio(self, requests: Requests) -> StreamEnd:
        """Handle the requests until the client half-closes, sends an invalid one, or the stream is too long."""
        try:
            self._waiting_since = _now()
            async for request in requests:
                gap_s, received_ms, self._waiting_since = self._gap_s, self._recognizer.audio_received_ms, None
                await self._handle(request)
                if self._is_too_long:
                    failure = DeadlineExceededError(
                        f"Stream duration exceeded: at most {self.timeouts.duration_s:g} s; open a new stream."
                    )
                    return StreamEnd(self._endpoint_of_server_end(Endpoint.END_OF_AUDIO), failure)
                self._wait_for_audio(0.0 if self._recognizer.audio_received_ms > received_ms else gap_s)
        except InvalidRequestError as failure:
            return StreamEnd(Endpoint.END_OF_AUDIO, failure)
        return StreamEnd(Endpoint.END_OF_AUDIO)

    def _wait_for_audio(self, gap_s: float) -> None:
        """Start to wait for the next audio of a client that has sent none for `gap_s`."""
        self._waiting_since = _now() - gap_s
        if not gap_s:
            self._audio_messages += 1
            self._audio_received.set()

    async def _handle(self, request: pb.StreamingRecognizeRequest) -> None:
        match request.WhichOneof("request"):
            case "audio":
                if (size := len(request.audio)) > MAX_CHUNK_BYTES:
                    raise InvalidRequestError(f"Invalid audio of {size} bytes: must be at most {MAX_CHUNK_BYTES}.")
                await self._recognizer.feed(request.audio, self.audio_format)
            case "silence":
                await self._recognizer.silence(convert.silence_s(request.silence), self.audio_format)
            case "finalize":
                await self._recognizer.finalize(Endpoint.FINALIZE)
            case "update":
                await self._recognizer.update(convert.changes(request.update))
            case "config":
                raise InvalidRequestError("Received a second config: send it once, first; change settings by `update`.")
            case _:
                raise InvalidRequestError("Received an empty message: it must contain audio or a command.")

    @property
    def _is_too_long(self) -> bool:
        """Whether the stream ends because of its duration; a resumable one ends after its open utterance."""
        received_s = self._recognizer.audio_received_ms / 1000
        if not self.timeouts.duration_s or received_s < self.timeouts.duration_s:
            return False
        return self._recognizer.wind_down() if self.resumable else True

    def _endpoint_of_server_end(self, endpoint: Endpoint) -> Endpoint | None:
        """Return how the open utterance ends when the server ends the stream."""
        return None if self.resumable else endpoint

    async def _end_when_idle(self) -> StreamEnd:
        """End the stream of a client that sends no audio, whatever else it sends."""
        idle_s = self.timeouts.idle_s
        await self._wait_for_gap(idle_s)
        failure = DeadlineExceededError(
            f"No audio received for {idle_s:g} s: send audio or silence, or half-close the stream."
        )
        return StreamEnd(self._endpoint_of_server_end(Endpoint.STALLED), failure)

    def _gap_watchers(self) -> list[Coroutine[Any, Any, NoReturn]]:
        """Return watchers of gaps: they request a partial, and end the utterance of a client that cannot resume."""
        watchers = [self._at_each_gap(CATCH_UP_S, self._recognizer.catch_up)]
        if not self.resumable:
            watchers.append(self._at_each_gap(STALL_TIMEOUT_S, partial(self._recognizer.finalize, Endpoint.STALLED)))
        return watchers

    async def _at_each_gap(self, length_s: float, act: Callable[[], Awaitable[None]]) -> NoReturn:
        """Act once in each gap of this length in the client's audio."""
        while True:
            await self._wait_for_gap(length_s)
            seen = self._audio_messages
            await act()
            while self._audio_messages == seen:
                self._audio_received.clear()
                await self._audio_received.wait()

    async def _wait_for_gap(self, length_s: float) -> None:
        """Return once the client has sent no audio for this time."""
        while (left_s := length_s - self._gap_s) > 0:  # noqa: ASYNC110  (it depends on time, no event is set)
            await asyncio.sleep(left_s)

    @property
    def _gap_s(self) -> float:
        since = self._waiting_since
        return 0.0 if since is None else _now() - since

    async def _end_by_drain(self) -> StreamEnd:
        """End the stream after its open utterance, so that the stream that resumes repeats no words."""
        await self.draining.wait()
        self._recognizer.emit(Notice(NoticeReason.DRAIN, self.timeouts.grace_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeouts.grace_s - FINISH_TIMEOUT_S):
                await self._stop_after_utterance()
        return StreamEnd(self._endpoint_of_server_end(Endpoint.DRAIN), UnavailableError(DRAINED))

    async def _stop_after_utterance(self) -> None:
        """Wait for the end of the open utterance, but not for a stalled client: it resumes on another server."""
        if self.resumable:
            await _first_of(self._recognizer.stop_after_utterance(), self._wait_for_gap(STALL_TIMEOUT_S))
        else:
            await self._recognizer.stop_after_utterance()

    async def _end_by_operator(self) -> StreamEnd:
        await self.stream.terminated.wait()
        return StreamEnd(Endpoint.FINALIZE, AbortedError(TERMINATED))


async def _first_of(*ways: Coroutine[Any, Any, T]) -> T:
    """Return the result of the first coroutine that ends; the others are canceled."""
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


def _first_error(group: BaseExceptionGroup[BaseException]) -> SttError:
    """Return the first service error of a group of tasks."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first_error(error)
        if isinstance(error, SttError):
            return error
    raise group
