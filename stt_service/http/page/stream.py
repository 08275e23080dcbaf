"""GET /api/stream (WebSocket): StreamingRecognize for browsers, as JSON and binary audio.

The connection is one stream. A reader passes messages to the stream through a short queue: while the stream does not
take audio, the queue is full, the reader stops, and TCP flow control holds the client back. A client that disconnects
cancels the stream, as in gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect
from stt.v1 import stt_pb2 as pb

from stt_service.errors import SttError
from stt_service.http.page.errors import close_code
from stt_service.http.page.messages import decode, encode
from stt_service.rpc.speech_service import Call, SpeechService
from stt_service.rpc.status_mapping import failure, public_errors
from stt_service.telemetry.metrics import Api

if TYPE_CHECKING:
    from starlette.types import Message
    from starlette.websockets import WebSocket

SUBPROTOCOL = "stt.v1.json"
MAX_QUEUED_MESSAGES = 4
CLOSE_TIMEOUT_S = 2.0  # for a client that does not read to receive the failure


class PageStream:
    """The endpoint.

    Args:
        service: Recognizes the streams.
    """

    def __init__(self, service: SpeechService) -> None:
        self._service = service

    async def connect(self, socket: WebSocket) -> None:
        """Serve a connection to its end."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        connection = _Connection(socket)
        with self._service.call(socket.scope["client_name"], Api.PAGE) as call:
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
        try:
            await self.socket.send_text(encode(response))
        except (WebSocketDisconnect, RuntimeError):
            raise asyncio.CancelledError("The client has closed the connection.") from None

    async def fail(self, error: SttError) -> None:
        """Send the failure and close the connection."""
        response = pb.StreamingRecognizeResponse(failure=failure(error))
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.write(response)
        await self.close(close_code(error), response.failure.reason)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; nothing happens if the client has closed it."""
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.socket.close(code, reason)

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
        while (request := _request(await self._received.get())) is not None:
            yield request


def _request(message: Message) -> pb.StreamingRecognizeRequest | None:
    text = message.get("text")
    return pb.StreamingRecognizeRequest(audio=message["bytes"]) if text is None else decode(text)
