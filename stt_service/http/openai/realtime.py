"""GET /v1/realtime (WebSocket): OpenAI's Realtime transcription sessions.

A connection has one slot, from its first audio on, and one stream at a time that receives audio. A commit with
`turn_detection: null`, a `clear` and a `session.update` end that stream and the next audio opens another, while the
pending text of the ended one is still sent, in the order of the streams.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect, WebSocketState
from stt.v1 import stt_pb2 as pb

from stt_service.errors import DeadlineExceededError, InvalidRequestError, SttError
from stt_service.http.openai import realtime_session
from stt_service.http.openai.formats import JsonObject
from stt_service.http.openai.json_input import shown
from stt_service.http.openai.realtime_items import BUFFER, ClientTurns, Item, ItemChain, ServerTurns, new_id
from stt_service.http.openai.realtime_messages import audio, error_event, parse_event
from stt_service.http.openai.realtime_session import RealtimeConfig
from stt_service.rpc.speech_service import SpeechService, StreamSlot
from stt_service.rpc.status_mapping import public_errors
from stt_service.telemetry.metrics import Api

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

SUBPROTOCOL = "realtime"
MAX_QUEUED_REQUESTS = 16
MAX_ENDING_STREAMS = 4  # of a connection, whose text is pending; then the server reads no further
IDLE_TIMEOUT_S = 600.0  # without a message of the client
FAILURE_TIMEOUT_S = 2.0
INTERNAL_ERROR = 1011
BYTES_PER_SAMPLE = {pb.AudioFormat.ENCODING_PCM_S16LE: 2}


class Realtime:
    """The endpoint.

    Args:
        service: Recognizes the streams.
        failure_timeout_s: How long a client has to read why its connection fails.
    """

    def __init__(self, service: SpeechService, failure_timeout_s: float = FAILURE_TIMEOUT_S) -> None:
        self._service, self._failure_timeout_s = service, failure_timeout_s

    @property
    def routes(self) -> list[WebSocketRoute]:
        """The routes of the application."""
        return [WebSocketRoute(path, self.connect) for path in ("/v1/realtime", "/realtime")]

    async def connect(self, socket: WebSocket) -> None:
        """Serve a connection to its end."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        connection = _Connection(socket, self._service, socket.scope["client_name"], self._failure_timeout_s)
        try:
            await connection.run()
        except SttError as error:
            await connection.fail(error)


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream of a connection, which receives audio until it is ended."""

    items: ServerTurns | ClientTurns
    requests: asyncio.Queue[pb.StreamingRecognizeRequest | None]
    muted: bool = False  # its open utterance was cleared
    received_bytes: int = 0


@dataclass(slots=True, eq=False)
class _Connection:
    """A Realtime connection."""

    socket: WebSocket
    service: SpeechService
    client_name: str
    failure_timeout_s: float
    config: RealtimeConfig = field(default_factory=realtime_session.initial)
    id: str = field(default_factory=lambda: new_id("sess"))
    chain: ItemChain = field(default_factory=ItemChain)
    _stream: _Stream | None = None
    _slot: StreamSlot | None = None
    _received_ms: int = 0
    _item_id: str | None = None  # of the audio that the client has not committed
    _ending: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_ENDING_STREAMS))
    _recognizing: set[asyncio.Task[None]] = field(default_factory=set)
    _last_ended: asyncio.Event | None = None  # set when the text of the last stream is sent
    _uncommitted: asyncio.Event | None = None  # the same of the last stream whose items the server commits

    async def run(self) -> None:
        """Serve the connection until the client closes it.

        Raises:
            SttError: why the connection fails.
        """
        with ExitStack() as slots:
            await self._send({"type": "session.created", "session": self._description()})
            async with public_errors(), asyncio.TaskGroup() as tasks:
                with suppress(WebSocketDisconnect):
                    await self._receive(tasks, slots)
                for task in self._recognizing:  # no client reads their text
                    task.cancel()

    async def fail(self, error: SttError, cause: JsonObject | None = None) -> None:
        """Send the error, with the event that caused it, and close the connection.

        Raises:
            SttError: the error, if the client does not read.
        """
        try:
            async with asyncio.timeout(self.failure_timeout_s):
                await self._send(error_event(error, cause))
                with suppress(RuntimeError, WebSocketDisconnect):
                    await self.socket.close(INTERNAL_ERROR, str(error)[:100])
        except TimeoutError:
            raise error from None

    async def _receive(self, tasks: asyncio.TaskGroup, slots: ExitStack) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_TIMEOUT_S):
                    message = await self.socket.receive()
            except TimeoutError:
                raise DeadlineExceededError(f"No message received for {IDLE_TIMEOUT_S:g} s.") from None
            if message["type"] == "websocket.disconnect":
                return
            event: JsonObject | None = None
            try:
                event = parse_event(message)
                await self._handle(event, tasks, slots)
            except InvalidRequestError as error:
                await self._send(error_event(error, event))
            except SttError as error:
                await self.fail(error, event)
                return

    async def _handle(self, event: JsonObject, tasks: asyncio.TaskGroup, slots: ExitStack) -> None:
        match event.get("type"):
            case "input_audio_buffer.append":
                await self._append(audio(event), tasks, slots)
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                await self._clear()
            case "session.update" | "transcription_session.update":
                await self._update(event)
            case other:
                raise InvalidRequestError(
                    f"Invalid type={shown(other)}: "
                    "must be session.update, or input_audio_buffer.append, .commit or .clear."
                )

    async def _update(self, event: JsonObject) -> None:
        config = realtime_session.updated(self.config, event.get("session"))
        await self._end_stream()
        self.config = config
        await self._send({"type": "session.updated", "session": self._description()})

    async def _append(self, pcm: bytes, tasks: asyncio.TaskGroup, slots: ExitStack) -> None:
        if not pcm:
            return
        stream = self._stream or self._open(tasks, slots)
        stream.received_bytes += len(pcm)
        await stream.requests.put(pb.StreamingRecognizeRequest(audio=pcm))

    async def _commit(self) -> None:
        if self.config.server_turns:
            if self._stream is not None:
                await self._stream.requests.put(pb.StreamingRecognizeRequest(finalize=pb.Finalize()))
            return
        if self._uncommitted is not None:
            await self._uncommitted.wait()
        if self._stream is None:  # nothing was appended
            item = Item(new_id("item"), with_logprobs=self.config.logprobs)
            await self._send(self.chain.commit(item.id))
            await self._after_pending(item.completed(0))
            return
        await self._send(self.chain.commit(self._item_id or new_id("item")))
        await self._end_stream()

    async def _after_pending(self, event: JsonObject) -> None:
        if self._last_ended is not None:
            await self._last_ended.wait()
        await self._send(event)

    async def _clear(self) -> None:
        if self._stream is not None:
            self._stream.muted = True
            await self._end_stream()
        await self._send({"type": f"{BUFFER}.cleared"})

    def _open(self, tasks: asyncio.TaskGroup, slots: ExitStack) -> _Stream:
        """Open a stream for the next audio; the first one of a connection acquires its slot."""
        if self._slot is None:
            call = slots.enter_context(self.service.call(self.client_name, Api.REALTIME))
            slots.enter_context(call.logger)
            self._slot = slots.enter_context(self.service.stream_slot(call))
        stream = _Stream(self._new_items(), asyncio.Queue(MAX_QUEUED_REQUESTS))
        stream.requests.put_nowait(pb.StreamingRecognizeRequest(config=self._streaming_config()))
        before, self._last_ended = self._last_ended, asyncio.Event()
        task = tasks.create_task(self._recognize(self._slot, stream, before, self._last_ended))
        self._recognizing.add(task)
        task.add_done_callback(self._recognizing.discard)
        self._stream = stream
        return stream

    def _new_items(self) -> ServerTurns | ClientTurns:
        if self.config.server_turns:
            return ServerTurns(self.chain, self._received_ms, self.config.logprobs)
        self._item_id = new_id("item")
        return ClientTurns(Item(self._item_id, self._received_ms, self.config.logprobs))

    def _streaming_config(self) -> pb.StreamingConfig:
        return pb.StreamingConfig(
            format=self.config.audio_format,
            settings=self.config.settings,
            partials=True,
            stability=self.config.stability,
            speech_ended=self.config.server_turns,
            word_times=self.config.logprobs,
        )

    async def _recognize(
        self, slot: StreamSlot, stream: _Stream, before: asyncio.Event | None, ended: asyncio.Event
    ) -> None:
        """Recognize a stream; its events are sent after all events of the stream before it."""
        try:
            async with self._ending:
                with self.service.call(self.client_name, Api.REALTIME) as call, call.logger:
                    await slot.recognize(call, _requests(stream), _Writer(self, stream, before))
            if before is not None:  # a cleared stream sends nothing, but the next one follows the one before it
                await before.wait()
            if not stream.muted:
                for event in stream.items.finish():
                    await self._send(event)
        finally:
            ended.set()

    async def _end_stream(self) -> None:
        """End the audio of the current stream; its pending text is still sent."""
        stream, self._stream = self._stream, None
        if stream is not None:
            if isinstance(stream.items, ServerTurns):
                self._uncommitted = self._last_ended
            sample_bytes = BYTES_PER_SAMPLE.get(self.config.audio_format.encoding, 1)
            self._received_ms += (
                1000 * stream.received_bytes // (sample_bytes * self.config.audio_format.sample_rate_hz)
            )
            await stream.requests.put(None)

    async def send_events(
        self, stream: _Stream, response: pb.StreamingRecognizeResponse, before: asyncio.Event | None
    ) -> None:
        """Send the events of a response, after all of the stream before it."""
        if stream.muted:
            return
        if before is not None:
            await before.wait()
        for event in stream.items.events(response):
            await self._send(event)

    async def _send(self, event: JsonObject) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):  # the client has closed the connection
                await self.socket.send_text(json.dumps({"event_id": new_id("event"), **event}, ensure_ascii=False))

    def _description(self) -> JsonObject:
        return {
            "id": self.id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "expires_at": 0,
            **self.config.description,
        }


@dataclass(frozen=True, slots=True)
class _Writer:
    """Receives the responses of a stream."""

    connection: _Connection
    stream: _Stream
    before: asyncio.Event | None

    async def write(self, response: pb.StreamingRecognizeResponse, /) -> None:
        """Send the events of a response; wait while the client does not read."""
        await self.connection.send_events(self.stream, response, self.before)


async def _requests(stream: _Stream) -> AsyncIterator[pb.StreamingRecognizeRequest]:
    while (request := await stream.requests.get()) is not None:
        yield request
