"""One connection of a Wyoming client.

A client sends `transcribe` (optional), `audio-start`, `audio-chunk`* and `audio-stop`, any number of times; `describe`
and `ping` at any time. The states are: no transcription, receiving its audio, and sending its pending text after
`audio-stop`. The next `audio-start` waits for the text of the transcription before it. Unknown events are ignored, as
the protocol requires. An error is sent as an `error` event and ends the connection. A client that closes its side has
disconnected: its transcription is canceled, also when text is pending.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from stt.v1 import stt_pb2 as pb
from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.ping import Pong

from stt_service.access.admission import LOADING
from stt_service.errors import DeadlineExceededError, InvalidRequestError, SttError, UnavailableError
from stt_service.recognition.call_log import outcome
from stt_service.recognition.failures import public_errors
from stt_service.recognition.request_queue import RequestQueue
from stt_service.recognition.speech_service import SpeechService
from stt_service.telemetry.log_writer import LineLimiter
from stt_service.telemetry.logs import event as log_event
from stt_service.telemetry.metrics import Api
from stt_service.wyoming.description import describe
from stt_service.wyoming.events import ClientEvent, read_event
from stt_service.wyoming.requests import (
    Transcription,
    check_chunk,
    parse_audio_format,
    parse_transcribe,
    stream_config,
)
from stt_service.wyoming.transcript import GrowingTranscript

PEER_CHECK_S = 0.25  # between two checks whether the client has disconnected, while a transcription is open
DISCARD_BYTES = 2**16

log = logging.getLogger(__name__)
_adjusted_lines = LineLimiter(lines=50)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits of a connection; its streams have their own."""

    first_event_s: float = 10.0
    idle_s: float = 300.0  # between two events without a transcription, as of a gRPC connection
    write_s: float = 30.0  # for the client to read an event
    linger_s: float = 2.0  # for a client that is still sending to receive the error


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(slots=True, eq=False)
class OpenTranscription:
    """A transcription from `audio-start` until its text is sent."""

    audio_format: pb.AudioFormat
    requests: RequestQueue = field(default_factory=RequestQueue)
    task: asyncio.Task[None] | None = None
    receives_audio: bool = True


@dataclass(slots=True, eq=False)
class Connection:
    """A connection, served by the task that calls `run`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    service: SpeechService
    client_name: str
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    _open: OpenTranscription | None = None
    _next: Transcription = field(default_factory=lambda: Transcription(pb.Settings()))
    _has_received: bool = False
    _waiting: asyncio.Timeout | None = None  # for the next event
    _task: asyncio.Task[None] | None = None

    @property
    def is_transcribing(self) -> bool:
        """Whether a transcription is open, which holds a slot of the server or is about to."""
        return self._open is not None

    async def run(self) -> None:
        """Serve the connection to its end, and close it."""
        self._task = asyncio.current_task()
        try:
            async with public_errors():
                await self._serve()
        except SttError as error:
            await self._fail(error)
        finally:
            self.writer.close()

    async def reject(self, error: SttError) -> None:
        """Send an error instead of serving the connection, and close it."""
        try:
            await self._fail(error)
        finally:
            self.writer.close()

    async def _serve(self) -> None:
        """Handle events until the client disconnects.

        Raises:
            SttError: why the connection fails.
            ExceptionGroup: the same.
        """
        async with asyncio.TaskGroup() as tasks:
            with suppress(ConnectionError):
                while (event := await self._next_event()) is not None:
                    self._has_received = True
                    await self._handle(event, tasks)
                    await asyncio.sleep(0)  # buffered events would be handled in one turn of the event loop
            if self._open is not None and self._open.task is not None:
                self._open.task.cancel()

    @property
    def _timeout_s(self) -> float:
        return self.timeouts.idle_s if self._has_received else self.timeouts.first_event_s

    async def _next_event(self) -> ClientEvent | None:
        """Wait for the next event, without a limit while a transcription is open: its stream has its own."""
        try:
            async with asyncio.timeout(None if self._open else self._timeout_s) as self._waiting:
                return await read_event(self.reader)
        except TimeoutError:
            raise DeadlineExceededError(f"No event received for {self._timeout_s:g} s.") from None
        finally:
            self._waiting = None

    async def _handle(self, event: ClientEvent, tasks: asyncio.TaskGroup) -> None:
        match event.type:
            case "describe":
                await self._describe()
            case "ping":
                await self._pong(event.data.get("text"))
            case "transcribe":
                self._next = self._transcribe(event)
            case "audio-start":
                await self._start(parse_audio_format(event), tasks)
            case "audio-chunk":
                await self._chunk(event)
            case "audio-stop":
                self._stop()

    async def _describe(self) -> None:
        if not (model := self.service.model_name):
            raise UnavailableError(LOADING)
        await self._send(describe(model, self.service.languages))

    async def _pong(self, text: object) -> None:
        encodable = text.encode(errors="replace").decode() if isinstance(text, str) else None
        await self._send(Pong(encodable).event())

    def _transcribe(self, event: ClientEvent) -> Transcription:
        if self._open is not None and self._open.receives_audio:
            raise InvalidRequestError("Received transcribe after audio-start: send it first, then audio-start.")
        transcription = parse_transcribe(event)
        omitted = list(transcription.omitted)
        if transcription.model not in ("", self.service.model_name):
            omitted.append(f"model {transcription.model[:40]}")
        if omitted and (dropped := _adjusted_lines.next_line()) is not None:
            fields = {"peer": self.client_name, "omitted": ", ".join(omitted), "dropped_lines": dropped}
            log.info(log_event("transcribe adjusted", fields))
        return transcription

    async def _start(self, audio_format: pb.AudioFormat, tasks: asyncio.TaskGroup) -> None:
        if self._open is not None and self._open.receives_audio:
            raise InvalidRequestError("Received a second audio-start: send audio-stop first.")
        if self._open is not None and self._open.task is not None:
            await asyncio.wait([self._open.task])
        transcription, self._next = self._next, Transcription(pb.Settings())
        opened = OpenTranscription(audio_format)
        await opened.requests.put(pb.StreamingRecognizeRequest(config=stream_config(transcription, audio_format)))
        self._open = opened
        opened.task = tasks.create_task(self._recognize(opened))

    async def _chunk(self, event: ClientEvent) -> None:
        opened = self._receiving("audio-chunk")
        check_chunk(event, opened.audio_format)
        if event.payload:
            await opened.requests.put(pb.StreamingRecognizeRequest(audio=event.payload))

    def _stop(self) -> None:
        opened = self._receiving("audio-stop")
        opened.receives_audio = False
        opened.requests.close()

    def _receiving(self, kind: str) -> OpenTranscription:
        if self._open is None or not self._open.receives_audio:
            raise InvalidRequestError(f"Received {kind} without audio-start: send audio-start first.")
        return self._open

    async def _recognize(self, opened: OpenTranscription) -> None:
        """Recognize a transcription and send its text."""
        transcript = GrowingTranscript()
        watching = asyncio.create_task(self._cancel_when_disconnected())
        try:
            with self.service.call(self.client_name, Api.WYOMING) as call:
                await self.service.recognize_stream(call, opened.requests.read(), _Writer(self, transcript))
            for event in transcript.finish():
                await self._send(event)
        finally:
            watching.cancel()
        self._open = None
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

    async def _cancel_when_disconnected(self) -> None:
        """Cancel the connection once the client has closed it, even if audio that it sent before is unread."""
        while not self._is_closed_by_client():  # noqa: ASYNC110  (a paused transport reports no end of the connection)
            await asyncio.sleep(PEER_CHECK_S)
        self._disconnect()

    def _is_closed_by_client(self) -> bool:
        if self.writer.transport.is_closing():  # its socket may be closed, and the number used by another one
            return True
        connected: socket.socket = self.writer.get_extra_info("socket")
        closed = select.poll()
        closed.register(connected.fileno(), getattr(select, "POLLRDHUP", 0))  # POLLHUP and POLLERR are implied
        return bool(closed.poll(0))

    def _disconnect(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def send_events(self, transcript: GrowingTranscript, response: pb.StreamingRecognizeResponse) -> None:
        """Send the events of a response."""
        for event in transcript.events(response):
            await self._send(event)

    async def _send(self, event: Event) -> None:
        """Send an event; wait while the client does not read.

        Raises:
            DeadlineExceededError: the client does not read.
            CancelledError: the client has disconnected.
        """
        try:
            async with asyncio.timeout(self.timeouts.write_s):
                await async_write_event(event, self.writer)
        except TimeoutError:
            raise DeadlineExceededError(f"The client read no event for {self.timeouts.write_s:g} s.") from None
        except ConnectionError:
            self._disconnect()
            raise asyncio.CancelledError("The client has disconnected.") from None

    async def _fail(self, error: SttError) -> None:
        """Send the error, and read on for a moment: closing a connection with unread data would discard it."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self.timeouts.linger_s):
                await async_write_event(Error(str(error), outcome(error)).event(), self.writer)
                self.writer.write_eof()
                while await self.reader.read(DISCARD_BYTES):
                    pass
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class _Writer:
    """Receives the responses of a stream."""

    connection: Connection
    transcript: GrowingTranscript

    async def write(self, response: pb.StreamingRecognizeResponse, /) -> None:
        """Send the events of a response; wait while the client does not read."""
        await self.connection.send_events(self.transcript, response)
