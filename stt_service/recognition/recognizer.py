"""One stream's recognition: feeds the session, requests its decodes, and emits its events.

Knows asyncio and the wall clock, but neither gRPC nor proto messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Self

from stt_service.audio.pcm import AudioFormat
from stt_service.recognition.send_queue import SendQueue, committed_positions
from stt_service.scheduling.executor import ModelPair
from stt_service.scheduling.realtime import LatencyTransition, PartialLatencyMonitor, RealtimeTracker
from stt_service.scheduling.scheduler import Job
from stt_service.scheduling.types import Clock, DecodeFactory, DecodeFuture, DecodeJob, DecodeResult, NotDecoded
from stt_service.session.events import (
    Decode,
    Final,
    Notice,
    NoticeReason,
    NullObserver,
    Observer,
    OutgoingEvent,
    Output,
    PartialDue,
    Payload,
    Promote,
    SpeechStarted,
    Suppressed,
    Withdraw,
)
from stt_service.session.session import Session
from stt_service.vad.types import Endpoint
from stt_service.whisper.types import Kind

MAX_PENDING_FINALS = 4  # then no more of the client's audio is processed
FEED_CHUNK_S = 0.5  # of audio per turn of the event loop, ...
FEED_CHUNK_BYTES = 2**20  # ... but at most this many bytes: 3 ms of work if there are many channels
PROGRESS_MS = 5000  # of audio without an event, after which the position is sent: the client may drop its buffer
NOTICES = {
    LatencyTransition.SHED: NoticeReason.PARTIALS_SHED,
    LatencyTransition.RESTORED: NoticeReason.PARTIALS_RESTORED,
}


class StreamRecognizer:
    """One stream's recognition, as an asynchronous context manager: its exit withdraws the decodes in flight.

    A decode that fails cancels the body; the context manager then raises an ExceptionGroup with InferenceError.
    """

    def __init__(
        self,
        session: Session,
        models: ModelPair,
        owner: tuple[Hashable, str],
        realtime: RealtimeTracker,
        now: Clock = time.monotonic,
        *,
        observer: Observer | None = None,
    ) -> None:
        """Start without audio. `owner` is the client and the id of the stream, for scheduling."""
        self._session, self._models, self._realtime, self._now = session, models, realtime, now
        self._executor = models.executor
        self._owner, (self._client, self._id) = owner, owner
        self._observer = observer or NullObserver()
        self.send_queue = SendQueue(self._observer)
        self._live = True  # whether its last decode was requested at no more than real-time speed
        self._group = asyncio.TaskGroup()
        self._in_flight: dict[asyncio.Task[None], DecodeFuture] = {}
        self._progress = asyncio.Event()  # set when results arrive
        self._offset_ms = self._emitted_ms = self._committed_ms = session.received_ms
        self._language = session.runtime.language  # of the open utterance
        self._latency_monitor = PartialLatencyMonitor()
        self._partials_waiting: dict[int, float] = {}  # by utterance: since when its partial has waited for a batch

    @property
    def audio_received_ms(self) -> int:
        """Duration of the audio received by this stream."""
        return self._session.received_ms - self._offset_ms

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._in_flight:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def feed(self, pcm: bytes, audio_format: AudioFormat) -> None:
        """Process audio in the stream's format, chunk by chunk, as buffers have space.

        Raises:
            InvalidRequestError: the audio does not match the format.
        """
        samples = min(int(FEED_CHUNK_S * audio_format.sample_rate_hz), FEED_CHUNK_BYTES // audio_format.frame_bytes)
        size = max(1, samples) * audio_format.frame_bytes
        for start in range(0, len(pcm), size):
            if start:
                await asyncio.sleep(0)  # let other streams run
            async with self._turn():
                self._handle_outputs(self._session.feed(pcm[start : start + size]))
        self._emit_progress()

    async def silence(self, seconds: float, audio_format: AudioFormat) -> None:
        """Process silence as if it had been sent as audio. The cost does not grow with its length."""
        steps = self._session.feed_silence(round(seconds * audio_format.sample_rate_hz))
        outputs: Sequence[Output] | None = ()
        while outputs is not None:
            async with self._turn():
                outputs = next(steps, None)
                self._handle_outputs(outputs or ())
            self._emit_progress()
            await asyncio.sleep(0)  # let other streams run

    async def finalize(self, endpoint: Endpoint) -> None:
        """End the open utterance now, or as soon as there is space for its result."""
        if self._is_full:
            await self._wait_for_space()
        self.finalize_now(endpoint)

    def finalize_now(self, endpoint: Endpoint) -> None:
        """End the open utterance even without space for its result: at most one more, as no audio is read then."""
        self._handle_outputs(self._session.finalize(endpoint))

    async def catch_up(self) -> None:
        """Request a partial of all received audio, as no more arrives for now."""
        self._handle_outputs(self._session.catch_up())

    async def suspend(self) -> None:
        """End the stream without its audio's end: emit pending finals, leave the open utterance to another stream."""
        self._handle_outputs(self._session.suspend())
        await self._emit_pending()

    async def finish(self, endpoint: Endpoint) -> None:
        """End the audio, unless the stream has stopped before, and wait until all results are emitted.

        Raises:
            InvalidRequestError: the last sample is incomplete; the results before it have been emitted.
        """
        retired = self._session.is_retired
        if not retired:
            self._handle_outputs(self._session.end(endpoint))
        await self._emit_pending()
        if not retired:
            self._session.check_whole()

    async def _emit_pending(self) -> None:
        await self._wait_until(lambda: not self._session.pending_finals)
        self.emit(None)

    async def stop_after_utterance(self) -> None:
        """Process audio to the end of the open utterance, then return. Another stream can resume from there."""
        self._session.stop_after_utterance()
        await self._wait_until(lambda: self._session.is_retired)

    def wind_down(self) -> bool:
        """Stop after the open utterance; return whether the stream has stopped.

        A stream continues until it can be resumed further on than it began: otherwise a client whose streams are all
        too short would never get past a long utterance or silence.
        """
        if self._session.in_utterance or self._session.has_advanced:
            self._session.stop_after_utterance()
        return self._session.is_retired

    async def update(self, changes: Mapping[str, object]) -> None:
        """Change runtime settings. Waits for space, so that a client cannot queue responses without bound.

        Raises:
            InvalidRequestError: a value is invalid.
        """
        self._models.check_language(str(changes.get("language", "auto")))
        await self.send_queue.wait_for_space()
        self._session.update(changes)
        self.emit(self._session.runtime)

    @property
    def _is_full(self) -> bool:
        return self.send_queue.is_full or self._session.pending_finals >= MAX_PENDING_FINALS

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for space for the next results and, if the stream runs faster than real time, for its turn."""
        if self._is_full:
            await self._wait_for_space()
        if not self._realtime.is_ahead(self.audio_received_ms / 1000, self._now()):
            yield
            return
        self._realtime.pause_reading(self.audio_received_ms / 1000, self._now())
        try:
            async with self._executor.loop_budget.time_slice(self._owner):
                self._realtime.resume_reading(self._now())
                yield
        finally:
            self._realtime.resume_reading(self._now())

    async def _wait_for_space(self) -> None:
        self._realtime.pause_reading(self.audio_received_ms / 1000, self._now())
        try:
            await self.send_queue.wait_for_space()
            await self._wait_until(lambda: self._session.pending_finals < MAX_PENDING_FINALS)
        finally:
            self._realtime.resume_reading(self._now())

    async def _wait_until(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            self._progress.clear()
            await self._progress.wait()

    def _handle_outputs(self, outputs: Sequence[Output]) -> None:
        ended = sum(isinstance(each, Final | Suppressed) for each in outputs)
        self._observer.on_pending_finals(self._session.pending_finals + ended)
        if not outputs:
            return
        positions = committed_positions(outputs, self._committed_ms, self._session.committed_ms)
        for output, committed_ms in zip(outputs, positions, strict=True):
            self._committed_ms = committed_ms
            match output:
                case Decode():
                    self._request_decode(self._job(output.utterance, output.kind, output.number), _constant(output))
                case PartialDue(utterance):
                    job = self._job(utterance, Kind.PARTIAL)
                    self._request_decode(job, partial(self._partial, utterance))
                    if job.realtime:
                        self._partials_waiting[utterance] = self._now()
                case Promote(utterance):
                    self._executor.promote(self._id, utterance)
                case Withdraw(utterance, number):
                    self._executor.withdraw(self._id, utterance, number)
                case SpeechStarted():
                    self._language = self._session.runtime.language
                    self._enqueue(output)
                case _:
                    self._enqueue(output)
        self._progress.set()

    def _job(self, utterance: int, kind: Kind, number: int = 0) -> DecodeJob:
        model = self._models.model(kind, self._language)
        self._live = not self._realtime.is_ahead(self.audio_received_ms / 1000, self._now())
        return Job(self._id, utterance, kind, model, self._live, number, self._client)

    def _request_decode(self, job: DecodeJob, make_decode: DecodeFactory) -> None:
        """Queue a decode, and start a task that delivers its result."""
        future = self._executor.submit(job, make_decode)
        task = self._group.create_task(self._deliver(job, future))
        self._in_flight[task] = future
        task.add_done_callback(lambda done: self._in_flight.pop(done).cancel())  # if it is canceled before it starts

    def _partial(self, utterance: int) -> Decode | None:
        self._partials_waiting.pop(utterance, None)
        return self._session.begin_partial(utterance)

    async def _deliver(self, job: DecodeJob, future: DecodeFuture) -> None:
        match await future:
            case DecodeResult(decode, transcript, cost):
                self._handle_outputs(self._session.deliver(decode, transcript, cost))
                if job.kind is Kind.PARTIAL and job.realtime:
                    self._emit_transition(self._latency_monitor.observe_result(cost.queue_s, self._now()))
            case NotDecoded.WITHDRAWN if job.kind is Kind.PARTIAL:
                self._partials_waiting.pop(job.utterance, None)
                self._session.cancel_partial(job.utterance)
                self._observer.on_partial_superseded()
        self._progress.set()

    def emit(self, payload: Payload) -> None:
        """Queue a payload for the client, with the stream's position."""
        self._committed_ms = self._session.committed_ms
        self._enqueue(payload)

    def _enqueue(self, payload: Payload) -> None:
        self._emitted_ms = self._session.received_ms
        self.send_queue.put(OutgoingEvent(self._emitted_ms, self._committed_ms, payload, self._live))

    def _emit_transition(self, transition: LatencyTransition | None) -> None:
        if transition is not None:
            self.emit(Notice(NOTICES[transition]))

    def _emit_progress(self) -> None:
        """Emit a notice if partials wait for long, and the position if there has been no event for PROGRESS_MS."""
        if self._partials_waiting:
            waited_s = self._now() - min(self._partials_waiting.values())
            self._emit_transition(self._latency_monitor.observe_wait(waited_s))
        if self._session.received_ms - self._emitted_ms >= PROGRESS_MS:
            self.emit(None)


def _constant(decode: Decode) -> DecodeFactory:
    return lambda: decode
