"""One stream at the edge: feeds its session, has the lane decode, and tells what comes of it.

Knows asyncio and the wall clock, but neither gRPC nor the wire.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Self

from stt_service.audio.pcm import AudioFormat
from stt_service.rpc.send_queue import SendQueue, committed_positions
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

MAX_PENDING_FINALS = 4  # finals; then the stream's client has to wait
FEED_CHUNK_S = 0.5  # of sound, before other streams have their turn ...
FEED_CHUNK_BYTES = 2**20  # ... and at most so many bytes: 3 ms where there are many channels
PROGRESS_MS = 5000  # of sound without an event: then the client is told how far it may forget
NOTICES = {
    LatencyTransition.SHED: NoticeReason.PARTIALS_SHED,
    LatencyTransition.RESTORED: NoticeReason.PARTIALS_RESTORED,
}


class StreamRecognizer:
    """One stream's recognition, an asynchronous context: on leaving it, decodes that nobody waits for are withdrawn.

    A decode that fails cancels whoever is inside; the context then raises an ExceptionGroup with EngineFailed.
    """

    def __init__(
        self,
        session: Session,
        decoding: ModelPair,
        owner: tuple[Hashable, str],
        pace: RealtimeTracker,
        now: Clock = time.monotonic,
        *,
        observer: Observer | None = None,
    ) -> None:
        """Take the owner of the stream's work: its client and its id."""
        self._session, self._decoding, self._pace, self._now = session, decoding, pace, now
        self._owner, (self._client, self._id) = owner, owner
        self._observer = observer or NullObserver()
        self.send_queue = SendQueue(self._observer)
        self._live = True  # its last decode was asked for by a stream that does not run ahead of the clock
        self._group = asyncio.TaskGroup()
        self._asked: dict[asyncio.Task[None], DecodeFuture] = {}
        self._received = asyncio.Event()
        self._offset_ms = self._told_ms = self._committed_ms = session.received_ms
        self._language = session.runtime.language  # of the open utterance
        self._shedding = PartialLatencyMonitor()
        self._turns: dict[int, float] = {}  # since when an utterance's partial waits for its turn

    @property
    def audio_received_ms(self) -> int:
        """Length of the audio taken by this stream."""
        return self._session.received_ms - self._offset_ms

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._asked:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def feed(self, pcm: bytes, audio_format: AudioFormat) -> None:
        """Take bytes of the stream's format, piece by piece, as there is room.

        Raises:
            InvalidRequest: they are not what the format says.
        """
        samples = min(int(FEED_CHUNK_S * audio_format.sample_rate_hz), FEED_CHUNK_BYTES // audio_format.frame_bytes)
        size = max(1, samples) * audio_format.frame_bytes
        for start in range(0, len(pcm), size):
            if start:
                await asyncio.sleep(0)  # other streams' turn
            async with self._piece():
                self._handle_outputs(self._session.push(pcm[start : start + size]))
        self._tell_how_far()

    async def silence(self, seconds: float, audio_format: AudioFormat) -> None:
        """Take so much silence as if it had been sent. Its cost does not grow with its length."""
        pieces = self._session.silence(round(seconds * audio_format.sample_rate_hz))
        outputs: Sequence[Output] | None = ()
        while outputs is not None:
            async with self._piece():
                outputs = next(pieces, None)
                self._handle_outputs(outputs or ())
            self._tell_how_far()
            await asyncio.sleep(0)  # other streams' turn

    async def finalize(self, endpoint: Endpoint) -> None:
        """End the open utterance now, or as soon as there is room for what comes of it."""
        if self._is_full:
            await self._room()
        self.finalize_now(endpoint)

    def finalize_now(self, endpoint: Endpoint) -> None:
        """End the open utterance, room or not: one more final at most, as nothing is heard while there is none."""
        self._handle_outputs(self._session.finalize(endpoint))

    async def catch_up(self) -> None:
        """Have a partial made of all audio that came: for now there is no more."""
        self._handle_outputs(self._session.catch_up())

    async def suspend(self) -> None:
        """End the stream without its audio's end: emit pending finals, leave the open utterance to another stream."""
        self._handle_outputs(self._session.suspend())
        await self._emit_pending()

    async def finish(self, endpoint: Endpoint) -> None:
        """Take the end of the audio, unless the stream has retired before it, and wait until all is told.

        Raises:
            InvalidRequest: the last sample is incomplete; what came before it has been told.
        """
        retired = self._session.is_retired
        if not retired:
            self._handle_outputs(self._session.end(endpoint))
        await self._emit_pending()
        if not retired:
            self._session.check_whole()

    async def _emit_pending(self) -> None:
        while self._session.pending_finals:
            self._received.clear()
            await self._received.wait()
        self.emit(None)

    async def stop_after_utterance(self) -> None:
        """Hear the open utterance to its end and no more; return then. Another stream can take up the rest."""
        self._session.stop_after_utterance()
        while not self._session.is_retired:
            self._received.clear()
            await self._received.wait()

    def wind_down(self) -> bool:
        """Prepare to end where the open utterance does; return whether the stream is there.

        A stream that could not be resumed any further on than it began goes on until it can be: else a client whose
        streams are all too short would never get past a long utterance or silence.
        """
        if self._session.in_utterance or self._session.has_advanced:
            self._session.stop_after_utterance()
        return self._session.is_retired

    async def update(self, changes: Mapping[str, object]) -> None:
        """Change live settings; the answer waits for room as events do, or a client could pile answers up.

        Raises:
            InvalidRequest: a value will not do.
        """
        self._decoding.check_language(str(changes.get("language", "auto")))
        await self.send_queue.wait_for_space()
        self._session.update(changes)
        self.emit(self._session.runtime)

    @property
    def _is_full(self) -> bool:
        return self.send_queue.is_full or self._session.pending_finals >= MAX_PENDING_FINALS

    @asynccontextmanager
    async def _piece(self) -> AsyncIterator[None]:
        """Wait until there is room for what comes of the next audio and, if the stream is ahead, for its turn."""
        if self._is_full:
            await self._room()
        if not self._pace.is_ahead(self.audio_received_ms / 1000, self._now()):
            yield
            return
        self._pace.pause_reading(self.audio_received_ms / 1000, self._now())
        try:
            async with self._decoding.executor.loop_budget.time_slice(self._owner):
                self._pace.resume_reading(self._now())
                yield
        finally:
            self._pace.resume_reading(self._now())

    async def _room(self) -> None:
        self._pace.pause_reading(self.audio_received_ms / 1000, self._now())
        try:
            await self.send_queue.wait_for_space()
            while self._session.pending_finals >= MAX_PENDING_FINALS:
                self._received.clear()
                await self._received.wait()
        finally:
            self._pace.resume_reading(self._now())

    def _handle_outputs(self, outputs: Sequence[Output]) -> None:
        self._observer.on_pending_finals(
            self._session.pending_finals + sum(isinstance(each, Final | Suppressed) for each in outputs)
        )
        if not outputs:
            return
        positions = committed_positions(outputs, self._committed_ms, self._session.committed_ms)
        for output, committed_ms in zip(outputs, positions, strict=True):
            self._committed_ms = committed_ms
            match output:
                case Decode():
                    self._request_decode(self._job(output.utterance, output.kind, output.number), _same(output))
                case PartialDue(utterance):
                    job = self._job(utterance, Kind.PARTIAL)
                    self._request_decode(job, partial(self._partial, utterance))
                    if job.realtime:
                        self._turns[utterance] = self._now()
                case Promote(utterance):
                    self._decoding.executor.promote(self._id, utterance)
                case Withdraw(utterance, number):
                    self._decoding.executor.withdraw(self._id, utterance, number)
                case SpeechStarted():
                    self._language = self._session.runtime.language
                    self._enqueue(output)
                case _:
                    self._enqueue(output)
        self._received.set()

    def _job(self, utterance: int, kind: Kind, number: int = 0) -> DecodeJob:
        model = self._decoding.model(kind, self._language)
        self._live = not self._pace.is_ahead(self.audio_received_ms / 1000, self._now())
        return Job(self._id, utterance, kind, model, self._live, number, self._client)

    def _request_decode(self, job: DecodeJob, cut: DecodeFactory) -> None:
        """Ask the lane for a turn, and have a task wait for what comes of it."""
        answer = self._decoding.executor.submit(job, cut)
        task = self._group.create_task(self._receive(job, answer))
        self._asked[task] = answer
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._asked.pop(task).cancel()  # a task that is cancelled before it begins has not done it

    def _partial(self, utterance: int) -> Decode | None:
        self._turns.pop(utterance, None)
        return self._session.partial(utterance)

    async def _receive(self, job: DecodeJob, answer: DecodeFuture) -> None:
        match await answer:
            case DecodeResult(decode, transcript, cost):
                self._handle_outputs(self._session.receive(decode, transcript, cost))
                if job.kind is Kind.PARTIAL and job.realtime:
                    self._tell_change(self._shedding.observe_result(cost.queue_s, self._now()))
            case NotDecoded.WITHDRAWN if job.kind is Kind.PARTIAL:
                self._turns.pop(job.utterance, None)
                self._session.cancel_partial(job.utterance)
                self._observer.on_partial_superseded()
        self._received.set()

    def emit(self, event: Payload) -> None:
        """Put it into the outbox, with how far the stream is."""
        self._committed_ms = self._session.committed_ms
        self._enqueue(event)

    def _enqueue(self, event: Payload) -> None:
        self._told_ms = self._session.received_ms
        self.send_queue.put(OutgoingEvent(self._told_ms, self._committed_ms, event, self._live))

    def _tell_change(self, change: LatencyTransition | None) -> None:
        if change is not None:
            self.emit(Notice(NOTICES[change]))

    def _tell_how_far(self) -> None:
        """Report partials that wait for long, and the position now and then, where there is nothing else to report."""
        if self._turns:
            self._tell_change(self._shedding.observe_wait(self._now() - min(self._turns.values())))
        if self._session.received_ms - self._told_ms >= PROGRESS_MS:
            self.emit(None)


def _same(decode: Decode) -> DecodeFactory:
    return lambda: decode
