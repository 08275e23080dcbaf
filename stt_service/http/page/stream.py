"""GET /api/stream (WebSocket): StreamingRecognize for browsers, as JSON and binary audio.

The connection is one stream. A reader passes messages to the stream through a short queue: while the stream does not
take audio, the queue is full, the reader stops, and TCP flow control holds the client back. A client that disconnects
cancels the stream, as in gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect
from stt.v1 import stt_pb2 as pb

from stt_service.errors import DeadlineExceededError, SttError
from stt_service.http.page.caption_hub import CaptionHub, Publisher
from stt_service.http.page.captions import Publication
from stt_service.http.page.errors import close_code
from stt_service.http.page.messages import ClientMessage, decode, encode, encode_published
from stt_service.recognition.failures import failure, public_errors
from stt_service.recognition.speech_service import Call, SpeechService
from stt_service.telemetry.metrics import Api

if TYPE_CHECKING:
    from starlette.types import Message
    from starlette.websockets import WebSocket

SUBPROTOCOL = "stt.v1.json"
MAX_QUEUED_MESSAGES = 4
CLOSE_TIMEOUT_S = 2.0  # for a client to read the end of its stream
NORMAL_CLOSURE = 1000
GONE = (WebSocketDisconnect, RuntimeError)  # the client, or uvicorn after an unanswered ping, closed the connection


class PageStream:
    """The endpoint.

    Args:
        service: Recognizes the streams.
        hub: Publishes streams as captions.
        close_timeout_s: How long a client has to read the end of its stream.
    """

    def __init__(self, service: SpeechService, hub: CaptionHub, close_timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        self._service, self._hub, self._close_timeout_s = service, hub, close_timeout_s

    async def connect(self, socket: WebSocket) -> None:
        """Serve a connection to its end."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        with self._service.call(socket.scope["client_name"], Api.PAGE) as call, ExitStack() as publishing:
            connection = _Connection(socket, self._hub, publishing, self._close_timeout_s)
            try:
                async with public_errors():
                    await connection.run(self._service, call)
            except SttError as error:
                await connection.fail(error)
            else:
                await connection.close()


@dataclass(slots=True, eq=False)
class _Connection:
    """The WebSocket of a stream; the `ResponseWriter` of it."""

    socket: WebSocket
    hub: CaptionHub
    publishing: ExitStack
    close_timeout_s: float
    _publication: Publication | None = None
    _publisher: Publisher | None = None
    _received: asyncio.Queue[Message] = field(default_factory=lambda: asyncio.Queue(MAX_QUEUED_MESSAGES))

    async def run(self, service: SpeechService, call: Call) -> None:
        """Recognize the stream to its end; return also when the client disconnects.

        Raises:
            ExceptionGroup: the reason of the failure.
        """
        async with asyncio.TaskGroup() as tasks:
            stream = tasks.create_task(service.recognize_stream(call, self._requests(), self))
            reading = tasks.create_task(self._read(stream))
            stream.add_done_callback(lambda _: reading.cancel())

    async def write(self, response: pb.StreamingRecognizeResponse, /) -> None:
        """Send a response; wait while the client does not read. Cancels the stream of a disconnected client."""
        text = encode(response)
        self._publish(response, text)
        try:
            await self.socket.send_text(text)
        except GONE:
            raise asyncio.CancelledError("The client has closed the connection.") from None

    async def fail(self, error: SttError) -> None:
        """Send the failure and close the connection.

        Raises:
            SttError: the error, if the client does not read.
        """
        response = pb.StreamingRecognizeResponse(failure=failure(error))
        try:
            async with asyncio.timeout(self.close_timeout_s):
                with suppress(*GONE):
                    await self.socket.send_text(encode(response))
                    await self.socket.close(close_code(error), response.failure.reason)
        except TimeoutError:
            raise error from None

    async def close(self) -> None:
        """Close the connection after the last response.

        Raises:
            DeadlineExceededError: the client does not read.
        """
        try:
            async with asyncio.timeout(self.close_timeout_s):
                with suppress(*GONE):
                    await self.socket.close(NORMAL_CLOSURE)
        except TimeoutError:
            raise DeadlineExceededError("The client did not read the end of the stream.") from None

    async def _read(self, stream: asyncio.Task[None]) -> None:
        """Queue the client's messages, also after the end of its audio, to notice that it disconnects."""
        while (message := await self.socket.receive())["type"] != "websocket.disconnect":
            await self._received.put(message)
        stream.cancel()

    async def _requests(self) -> AsyncIterator[pb.StreamingRecognizeRequest]:
        """Yield the requests up to the end of the audio.

        Raises:
            InvalidRequestError: a message is not one of the protocol.
        """
        while (message := _message(await self._received.get())).request is not None:
            self._publication = self._publication or message.publication
            yield message.request

    def _publish(self, response: pb.StreamingRecognizeResponse, text: str) -> None:
        """Publish a response that captions show; a stream is published when it starts, not before it is accepted.

        Raises:
            SttError: the stream cannot be published.
        """
        if self._publication is None:
            return
        if response.HasField("started"):
            self._publisher = self.publishing.enter_context(self.hub.publish(self._publication))
        elif self._publisher is not None and (published := _published(response)) is not None:
            kind, utterance = published
            self._publisher.publish(kind, encode_published(text, self._publication.recording), utterance)


def _message(received: Message) -> ClientMessage:
    text = received.get("text")
    return ClientMessage(pb.StreamingRecognizeRequest(audio=received["bytes"])) if text is None else decode(text)


def _published(response: pb.StreamingRecognizeResponse) -> tuple[str, int] | None:
    """Return the kind and the utterance of a response that captions show."""
    match response.WhichOneof("event"):
        case "speech_started":
            return "speechStarted", response.speech_started.utterance
        case "partial":
            return "partial", response.partial.utterance
        case "final":
            return "final", response.final.utterance
        case "suppressed":
            return "suppressed", response.suppressed.utterance
        case _:
            return None
