"""One stream at the edge: feeds its session, has the lanes decode, and keeps what is to be told until it is sent.

Knows asyncio and the wall clock, but neither gRPC nor the wire.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from stt_service.audio import AudioFormat
from stt_service.batcher import Lane
from stt_service.errors import InvalidRequest
from stt_service.events import Decode, Event, Final, Output, Partial, Promote, Suppressed
from stt_service.parameters import LiveParameters
from stt_service.segmenter import Endpoint
from stt_service.session import Session
from stt_service.transcript import Kind

MAX_OWED = 4  # finals; then the stream's client has to wait
MAX_UNSENT = 64  # events; then too
PIECE_S = 0.5  # of sound, before other streams have their turn
PROGRESS_MS = 5000  # of sound without an event: then the client is told how far it may forget


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the client should know while the stream goes on."""

    reason: str
    message: str
    remaining_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the client is told, and how far the stream was then."""

    received_ms: int
    final_ms: int
    event: Event | Notice | LiveParameters | None  # None: only how far it is


class Outbox:
    """Events that wait for the client to read: bounded, since a stream is not fed while MAX_UNSENT wait."""

    def __init__(self) -> None:
        self._waiting: deque[Told] = deque()
        self._closed = False
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    def put(self, told: Told) -> None:
        """Add an event; a partial takes the place of one that was not taken yet."""
        if self._waiting and isinstance(told.event, Partial) and isinstance(self._waiting[-1].event, Partial):
            self._waiting.pop()
        self._waiting.append(told)
        self._arrived.set()

    def close(self) -> None:
        """Let the taker end once it has taken what waits."""
        self._closed = True
        self._arrived.set()

    async def take(self) -> Told | None:
        """Wait for the next event; None at the end."""
        while not self._waiting:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        self._taken.set()
        return self._waiting.popleft()

    async def room(self) -> None:
        """Wait until fewer than MAX_UNSENT wait."""
        while len(self._waiting) >= MAX_UNSENT:
            self._taken.clear()
            await self._taken.wait()


@dataclass(frozen=True, slots=True)
class Lanes:
    """The models at work: one lane each, the same one when they are the same model."""

    finals: Lane
    partials: Lane
    finals_multilingual: bool
    partials_multilingual: bool

    def choose(self, decode: Decode) -> Lane:
        """Return the lane of the decode: partials that their model cannot read go to the finals'."""
        knows = self.partials_multilingual or decode.window.options.language == "en"
        return self.partials if decode.kind is Kind.PARTIAL and knows else self.finals

    def check(self, language: str) -> None:
        """Refuse a language that the model of finals does not know.

        Raises:
            InvalidRequest: naming it.
        """
        if not self.finals_multilingual and language not in ("en", "auto"):
            raise InvalidRequest(
                f"language={language!r} will not do: the model of this server knows English only, "
                "ask for en or another server."
            )


def settled(outputs: Sequence[Output], before_ms: int, after_ms: int) -> list[int]:
    """Return how far the stream is settled once each output is told.

    A client that loses its connection after the first of two finals must not resume behind the second.
    """
    last = max((i for i, output in enumerate(outputs) if isinstance(output, Final | Suppressed)), default=-1)
    return [before_ms if place < last else after_ms for place in range(len(outputs))]


class Recognition:
    """One stream's recognition, an asynchronous context: on leaving it, decodes that nobody waits for are withdrawn.

    A decode that fails cancels whoever is inside; the context then raises an ExceptionGroup with EngineFailed.
    """

    def __init__(self, session: Session, lanes: Lanes, stream_id: str) -> None:
        self._session, self._lanes, self._id = session, lanes, stream_id
        self.outbox = Outbox()
        self._group = asyncio.TaskGroup()
        self._decodes: set[asyncio.Task[None]] = set()
        self._received = asyncio.Event()
        self._offset_ms = self._told_ms = self._final_ms = session.received_ms

    @property
    def heard_ms(self) -> int:
        """Length of the audio taken by this stream."""
        return self._session.received_ms - self._offset_ms

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._decodes:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def push(self, pcm: bytes, audio_format: AudioFormat) -> None:
        """Take bytes of the stream's format, piece by piece, as there is room.

        Raises:
            InvalidRequest: they are not what the format says.
        """
        size = max(1, int(PIECE_S * audio_format.sample_rate_hz)) * audio_format.frame_bytes
        for start in range(0, len(pcm), size):
            await self._room()
            self._take(self._session.push(pcm[start : start + size]))
            await asyncio.sleep(0)  # other streams' turn
        self._tell_progress()

    async def silence(self, seconds: float, audio_format: AudioFormat) -> None:
        """Take so much silence as if it had been sent."""
        second = audio_format.silence(audio_format.sample_rate_hz)
        whole, rest = divmod(round(seconds * audio_format.sample_rate_hz), audio_format.sample_rate_hz)
        for _ in range(whole):
            await self.push(second, audio_format)
        await self.push(second[: rest * audio_format.frame_bytes], audio_format)

    async def finalize(self, endpoint: Endpoint) -> None:
        """End the open utterance now."""
        await self._room()
        self._take(self._session.finalize(endpoint))

    async def finish(self, endpoint: Endpoint) -> None:
        """Take the end of the audio, and wait until all is told.

        Raises:
            InvalidRequest: the last sample is incomplete; what came before it has been told.
        """
        self._take(self._session.end(endpoint))
        while self._session.owed:
            self._received.clear()
            await self._received.wait()
        self.tell(None)
        self._session.check_whole()

    async def update(self, changes: Mapping[str, object]) -> None:
        """Change live settings; the answer waits for room as events do, or a client could pile answers up.

        Raises:
            InvalidRequest: a value will not do.
        """
        self._lanes.check(str(changes.get("language", "auto")))
        await self.outbox.room()
        self._session.update(changes)
        self.tell(self._session.live)

    async def _room(self) -> None:
        await self.outbox.room()
        while self._session.owed >= MAX_OWED:
            self._received.clear()
            await self._received.wait()

    def _take(self, outputs: Sequence[Output]) -> None:
        positions = settled(outputs, self._final_ms, self._session.final_ms)
        for output, final_ms in zip(outputs, positions, strict=True):
            self._final_ms = final_ms
            match output:
                case Decode():
                    task = self._group.create_task(self._decode(output))
                    self._decodes.add(task)
                    task.add_done_callback(self._decodes.discard)
                case Promote(utterance):
                    # The early decode may be in this very list: its task runs before what is called soon.
                    asyncio.get_running_loop().call_soon(self._lanes.finals.promote, self._id, utterance)
                case _:
                    self._put(output)

    async def _decode(self, decode: Decode) -> None:
        decoded = await self._lanes.choose(decode).decode(self._id, decode)
        if decoded is None:
            self._session.abandon(decode)
        else:
            self._take(self._session.receive(decode, decoded.transcript, decoded.cost))
        self._received.set()

    def tell(self, event: Event | Notice | LiveParameters | None) -> None:
        """Put it into the outbox, with how far the stream is."""
        self._final_ms = self._session.final_ms
        self._put(event)

    def _put(self, event: Event | Notice | LiveParameters | None) -> None:
        self._told_ms = self._session.received_ms
        self.outbox.put(Told(self._told_ms, self._final_ms, event))

    def _tell_progress(self) -> None:
        """Tell how far the stream is, now and then, where there is nothing else to tell."""
        if self._session.received_ms - self._told_ms >= PROGRESS_MS:
            self.tell(None)
