"""GET /v1/realtime (WebSocket): OpenAI's Realtime transcription sessions.

A connection has one stream at a time that receives audio. A `commit` with `turn_detection: null`, a `clear` and a
`session.update` end that stream, and the next audio opens another, while the pending text of the ended one is still
sent (`realtime_streams`). An item of the client stays open until its commit, even if an update changes the stream.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect, WebSocketState
from stt.v1 import stt_pb2 as pb

from stt_service.errors import DeadlineExceededError, InvalidRequestError, SttError
from stt_service.http.openai import realtime_session
from stt_service.http.openai.json_input import JsonObject, invalid
from stt_service.http.openai.realtime_items import BUFFER, ClientTurns, Item, ItemChain, ServerTurns, new_id
from stt_service.http.openai.realtime_messages import audio, error_event, parse_event
from stt_service.http.openai.realtime_session import RealtimeConfig
from stt_service.http.openai.realtime_streams import Stream, Streams
from stt_service.recognition.failures import public_errors
from stt_service.recognition.speech_service import SpeechService

if TYPE_CHECKING:
    from starlette.types import Message
    from starlette.websockets import WebSocket

SUBPROTOCOL = "realtime"
IDLE_TIMEOUT_S = 600.0  # without a message of the client and pending text
FAILURE_TIMEOUT_S = 2.0
INTERNAL_ERROR = 1011
MAX_REASON_BYTES = 123  # of a close frame (RFC 6455, 5.5)
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
class _Connection:
    """A Realtime connection."""

    socket: WebSocket
    service: SpeechService
    client_name: str
    failure_timeout_s: float
    config: RealtimeConfig = field(default_factory=realtime_session.initial)
    id: str = field(default_factory=lambda: new_id("sess"))
    chain: ItemChain = field(default_factory=ItemChain)
    _received_ms: float = 0.0
    _rest: bytes = b""  # start of a sample whose end has not arrived
    _item: Item | None = None  # the audio that the client has not committed
    _is_lost: bool = False  # the client has closed the connection

    async def run(self) -> None:
        """Serve the connection until the client closes it.

        Raises:
            SttError: why the connection fails.
        """
        with ExitStack() as slots:
            await self._send({"type": "session.created", "session": self._description()})
            async with public_errors(), asyncio.TaskGroup() as tasks:
                streams = Streams(self.service, self.client_name, self._send, tasks, slots)
                with suppress(WebSocketDisconnect):
                    await self._receive(streams)
                streams.cancel()

    async def fail(self, error: SttError, cause: JsonObject | None = None) -> None:
        """Send the error, with the event that caused it, and close the connection.

        Raises:
            SttError: the error, if the client does not read.
        """
        reason = str(error).encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        try:
            async with asyncio.timeout(self.failure_timeout_s):
                await self._send(error_event(error, cause))
                with suppress(RuntimeError, WebSocketDisconnect):
                    await self.socket.close(INTERNAL_ERROR, reason)
        except TimeoutError:
            raise error from None

    async def _receive(self, streams: Streams) -> None:
        while (message := await self._next_message(streams))["type"] != "websocket.disconnect":
            event: JsonObject | None = None
            try:
                event = parse_event(message)
                await self._handle(event, streams)
            except InvalidRequestError as error:
                await self._send(error_event(error, event))
            except SttError as error:
                await self.fail(error, event)
                return

    async def _next_message(self, streams: Streams) -> Message:
        """Return the next message; meanwhile release the slot of an idle client.

        Raises:
            DeadlineExceededError: the client sends none.
        """
        loop = asyncio.get_running_loop()
        called_s = loop.time()
        while True:
            streams.release_idle_slot()
            idle_at_s = max(called_s, streams.last_used_s) + IDLE_TIMEOUT_S
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(idle_at_s, streams.releases_slot_at_s)):
                    return await self.socket.receive()
            if loop.time() >= max(called_s, streams.last_used_s) + IDLE_TIMEOUT_S:
                raise DeadlineExceededError(f"No message received for {IDLE_TIMEOUT_S:g} s.")

    async def _handle(self, event: JsonObject, streams: Streams) -> None:
        match event.get("type"):
            case "input_audio_buffer.append":
                await self._append(audio(event), streams)
            case "input_audio_buffer.commit":
                await self._commit(streams)
            case "input_audio_buffer.clear":
                await self._clear(streams)
            case "session.update" | "transcription_session.update":
                await self._update(event, streams)
            case other:
                raise invalid("type", other, "must be session.update, or input_audio_buffer.append, .commit or .clear")

    async def _update(self, event: JsonObject, streams: Streams) -> None:
        """Change the configuration; the next audio has another stream, unless the client continues an item as it is."""
        config = realtime_session.updated(self.config, event.get("session"))
        with realtime_session.client_names():
            self.service.check_settings(config.settings)
        if config.server_turns and self._item is not None:
            await self._commit_item(streams)
        if config.server_turns or config != self.config:
            streams.end()
        if config.audio_format != self.config.audio_format:
            self._rest = b""
        self.config = config
        await self._send({"type": "session.updated", "session": self._description()})

    async def _append(self, received: bytes, streams: Streams) -> None:
        pcm = self._whole_samples(received)
        if pcm and not self._is_lost:
            stream = streams.current or await self._open(streams)
            self._received_ms += 1000 * len(pcm) / (self._sample_bytes * self.config.audio_format.sample_rate_hz)
            await stream.requests.put(pb.StreamingRecognizeRequest(audio=pcm))

    def _whole_samples(self, received: bytes) -> bytes:
        """Return the samples that are complete; the start of the next one is kept."""
        pcm = self._rest + received
        whole = len(pcm) - len(pcm) % self._sample_bytes
        self._rest = pcm[whole:]
        return pcm[:whole]

    @property
    def _sample_bytes(self) -> int:
        return BYTES_PER_SAMPLE.get(self.config.audio_format.encoding, 1)

    async def _commit(self, streams: Streams) -> None:
        stream = streams.current
        if stream is not None and isinstance(stream.items, ServerTurns):
            await streams.finalize(stream, stream.items)
        else:
            await self._commit_item(streams)

    async def _commit_item(self, streams: Streams) -> None:
        """Commit the item of the client, which is empty if no audio was appended."""
        await streams.order.wait_for_items()
        item, self._item = self._item or Item(new_id("item"), self.config.logprobs), None
        item.is_committed, self._rest = True, b""
        await self._send(self.chain.commit(item.id))
        if streams.current is not None and isinstance(streams.current.items, ClientTurns):
            streams.current.items.is_last = True
            streams.end()
        else:
            await streams.order.wait_for_all()
            await self._send(item.completed())

    async def _clear(self, streams: Streams) -> None:
        streams.clear()
        self._item, self._rest = None, b""
        await self._send({"type": f"{BUFFER}.cleared"})

    async def _open(self, streams: Streams) -> Stream:
        config = pb.StreamingConfig(
            format=self.config.audio_format,
            settings=self.config.settings,
            partials=True,
            stability=self.config.stability,
            speech_ended=self.config.server_turns,
            word_times=self.config.logprobs or (self._item is not None and self._item.with_logprobs),
        )
        return await streams.open(self._new_items(), config)

    def _new_items(self) -> ServerTurns | ClientTurns:
        offset_ms = round(self._received_ms)
        if self.config.server_turns:
            return ServerTurns(self.chain, offset_ms, self.config.logprobs)
        if self._item is None:
            self._item = Item(new_id("item"), self.config.logprobs)
        return ClientTurns(self._item, offset_ms)

    async def _send(self, event: JsonObject) -> bool:
        """Send an event; return whether the client is connected."""
        if not self._is_lost and self.socket.application_state is WebSocketState.CONNECTED:
            try:
                await self.socket.send_text(json.dumps({"event_id": new_id("event"), **event}, ensure_ascii=False))
            except (WebSocketDisconnect, RuntimeError):  # the client has closed the connection
                self._is_lost = True
        return not self._is_lost

    def _description(self) -> JsonObject:
        return {
            "id": self.id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "expires_at": 0,
            **self.config.description,
        }
