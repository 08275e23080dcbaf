"""The streams of a Realtime connection, and the order of their events.

One stream at a time receives audio. The streams before it have ended: their pending text is still recognized, at the
same time, but each stream sends its events after all events of the streams before it. A stream that waits for its turn
keeps at most the events of its `SendQueue`, then processes no more audio; its `RequestQueue` fills, and the connection
reads no further. So does a connection with MAX_STREAMS streams. No timeout runs while a stream waits for its turn.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from stt.v1 import stt_pb2 as pb

from stt_service.http.openai.json_input import JsonObject
from stt_service.http.openai.realtime_items import EVENTS, ClientTurns, ServerTurns
from stt_service.recognition.request_queue import RequestQueue
from stt_service.recognition.speech_service import SpeechService, StreamSlot
from stt_service.telemetry.metrics import Api

MAX_STREAMS = 4  # of a connection, with the one that receives audio
FINALIZE = pb.StreamingRecognizeRequest(finalize=pb.Finalize())
NO_CHANGES = pb.StreamingRecognizeRequest(update=pb.Settings())

Items = ServerTurns | ClientTurns
Send = Callable[[JsonObject], Awaitable[bool]]  # returns whether the client is connected


@dataclass(slots=True, eq=False)
class Turn:
    """A place in the order of the streams.

    Attributes:
        commits_items: The server commits the items of the stream.
        first: Set when all turns before this one have ended.
        ended: Set when this turn has ended.
    """

    commits_items: bool
    first: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class TurnOrder:
    """The turns of a connection that have not ended, in order. A turn can end before its predecessors."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []

    def take(self, *, commits_items: bool) -> Turn:
        """Return a turn after all others."""
        turn = Turn(commits_items)
        self._turns.append(turn)
        self._turns[0].first.set()
        return turn

    def end(self, turn: Turn) -> None:
        """End a turn; the next one can start."""
        self._turns.remove(turn)
        turn.ended.set()
        if self._turns:
            self._turns[0].first.set()

    async def wait_for_items(self) -> None:
        """Wait until the server has committed all items of ended streams."""
        for turn in [turn for turn in self._turns if turn.commits_items]:
            await turn.ended.wait()

    async def wait_for_all(self) -> None:
        """Wait until all events of ended streams have been sent."""
        for turn in list(self._turns):
            await turn.ended.wait()


@dataclass(slots=True, eq=False)
class Stream:
    """A stream of a connection."""

    items: Items
    turn: Turn
    send: Send
    requests: RequestQueue = field(default_factory=RequestQueue)
    task: asyncio.Task[None] | None = None

    async def write(self, response: pb.StreamingRecognizeResponse, /) -> None:
        """Send the events of a response in its turn. Cancels the stream if no client receives the next ones."""
        if response.WhichOneof("event") in EVENTS:
            await self.turn.first.wait()
        for event in self.items.events(response):
            if not await self.send(event):
                raise asyncio.CancelledError("The client has closed the connection.")
        if self.items.is_finished:
            raise asyncio.CancelledError("The client has cleared the rest of the audio.")

    async def finish(self) -> None:
        """Send the events at the end of the stream in its turn."""
        await self.turn.first.wait()
        for event in self.items.finish():
            await self.send(event)

    def clear(self) -> None:
        """Drop the audio that is not committed, also the part that is already recognized."""
        self.items.clear()
        self.requests.drop_audio()
        self.requests.close()
        if self.items.is_finished and self.task is not None:
            self.task.cancel()


class Streams:
    """The streams of a connection and its slot, which they share.

    The slot is acquired with the first audio. A client that sends none for the server's idle timeout, while no text is
    pending, loses the slot until its next audio.

    Args:
        service: Recognizes the streams.
        client_name: Name of the client.
        send: Sends an event.
        tasks: Runs the streams.
        slots: Releases the slot when the connection ends.
    """

    def __init__(
        self, service: SpeechService, client_name: str, send: Send, tasks: asyncio.TaskGroup, slots: ExitStack
    ) -> None:
        self._service, self._client_name, self._send = service, client_name, send
        self._tasks, self._slots = tasks, slots
        self._slot: StreamSlot | None = None
        self._open: list[Stream] = []
        self._free = asyncio.Semaphore(MAX_STREAMS)
        self._last_used_s = 0.0
        self.order = TurnOrder()
        self.current: Stream | None = None  # receives audio

    async def open(self, items: Items, config: pb.StreamingConfig) -> Stream:
        """Open a stream for the next audio; wait while there are MAX_STREAMS.

        Raises:
            SttError: the connection needs a slot and gets none.
        """
        slot = self._acquire_slot()
        await self._free.acquire()
        turn = self.order.take(commits_items=isinstance(items, ServerTurns))
        stream = self.current = Stream(items, turn, self._send)
        self._open.append(stream)
        await stream.requests.put(pb.StreamingRecognizeRequest(config=config))
        stream.task = self._tasks.create_task(self._recognize(slot, stream))
        stream.task.add_done_callback(lambda _: self._ended(stream))  # also if it is canceled before it starts
        return stream

    async def finalize(self, stream: Stream, items: ServerTurns) -> None:
        """Commit the audio of a stream whose items the server commits."""
        items.commit()
        await stream.requests.put(FINALIZE)
        await stream.requests.put(NO_CHANGES)

    def end(self) -> None:
        """End the audio of the current stream; its pending text is still sent."""
        if self.current is not None:
            self.current.requests.close()
            self.current = None

    def clear(self) -> None:
        """Drop the audio that is not committed: of the current stream, and of those with the same item."""
        for stream in list(self._open):
            if stream is self.current or (isinstance(stream.items, ClientTurns) and not stream.items.item.is_committed):
                stream.clear()
        self.current = None

    def cancel(self) -> None:
        """Cancel all streams: no client reads their text."""
        for stream in self._open:
            if stream.task is not None:
                stream.task.cancel()

    @property
    def last_used_s(self) -> float:
        """Until when audio was received or text pending, in the event loop's time."""
        return _now_s() if self._open else self._last_used_s

    @property
    def releases_slot_at_s(self) -> float:
        """When the slot is released at the earliest."""
        return math.inf if self._slot is None else self.last_used_s + self._service.idle_timeout_s

    def release_idle_slot(self) -> None:
        """Release the slot of a client that has sent no audio for the idle timeout."""
        if _now_s() >= self.releases_slot_at_s:
            self._slots.close()
            self._slot = None

    def _acquire_slot(self) -> StreamSlot:
        if self._slot is None:
            call = self._slots.enter_context(self._service.call(self._client_name, Api.REALTIME))
            self._slots.enter_context(call.logger)
            self._slot = self._slots.enter_context(self._service.stream_slot(call))
        return self._slot

    async def _recognize(self, slot: StreamSlot, stream: Stream) -> None:
        with self._service.call(self._client_name, Api.REALTIME) as call, call.logger:
            await slot.recognize(call, stream.requests.read(), stream)
        await stream.finish()

    def _ended(self, stream: Stream) -> None:
        stream.requests.close()  # the connection does not wait for a stream that was canceled
        self._open.remove(stream)
        self.order.end(stream.turn)
        self._free.release()
        self._last_used_s = _now_s()
        if self.current is stream:
            self.current = None


def _now_s() -> float:
    return asyncio.get_running_loop().time()
