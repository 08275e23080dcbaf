"""POST /v1/audio/transcriptions and /v1/audio/translations, GET /v1/models."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from stt.v1 import stt_pb2 as pb

from stt_service.errors import NotFoundError, SttError
from stt_service.http.openai.errors import error_body, error_response
from stt_service.http.openai.formats import (
    MEDIA_TYPES,
    ResponseFormat,
    Transcription,
    as_json,
    as_verbose_json,
    logprobs,
    scored,
)
from stt_service.http.openai.json_input import shown
from stt_service.http.openai.options import TranscriptionOptions, parse_options
from stt_service.http.openai.subtitles import srt, vtt
from stt_service.http.openai.uploads import UploadPlaces, fields_of, read_form, recording_of
from stt_service.recognition.failures import public_errors
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.recording_decoder import RecordingDecoders
from stt_service.recognition.recordings import feed_recording, recognize_recording
from stt_service.recognition.speech_service import Call, SpeechService
from stt_service.session.events import Final, OutgoingEvent
from stt_service.telemetry.metrics import Api

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

PREFIXES = ("/v1", "")  # some clients have /v1 in their base address, others not

Put = Callable[[Final], None]
T = TypeVar("T")


class Transcriptions:
    """The endpoints for recordings.

    Args:
        service: Recognizes the recordings.
        decoders: Decode containers in separate processes.
        places: Bounds the uploads.
    """

    def __init__(self, service: SpeechService, decoders: RecordingDecoders, places: UploadPlaces | None = None) -> None:
        self._service, self._decoders = service, decoders
        self._places = places or UploadPlaces()

    @property
    def routes(self) -> list[Route]:
        """The routes of the application."""
        return [
            route
            for prefix in PREFIXES
            for route in (
                Route(f"{prefix}/audio/transcriptions", self.transcribe, methods=["POST"]),
                Route(f"{prefix}/audio/translations", self.translate, methods=["POST"]),
                Route(f"{prefix}/models", self.models),
                Route(f"{prefix}/models/{{name:path}}", self.model),
            )
        ]

    async def transcribe(self, request: Request) -> Response:
        """Recognize a recording in its language."""
        return await self._respond(request, translate=False)

    async def translate(self, request: Request) -> Response:
        """Recognize a recording and translate it to English."""
        return await self._respond(request, translate=True)

    async def models(self, _request: Request) -> Response:
        """List the model of this server; requests may name any other, which selects it too."""
        name = self._service.model_name
        return JSONResponse({"object": "list", "data": [_model(name)] if name else []})

    async def model(self, request: Request) -> Response:
        """Return the model of that name."""
        name = request.path_params["name"]
        if name != self._service.model_name:
            return error_response(
                NotFoundError(f"Invalid model={shown(name)}: this server has {self._service.model_name!r}.")
            )
        return JSONResponse(_model(name))

    async def _respond(self, request: Request, *, translate: bool) -> Response:
        client = request.scope["client_name"]
        try:
            self._service.check_admission(client, Api.OPENAI)  # a rejected client would upload in vain
            async with self._places.place(client):
                form = await read_form(request)
            return await self._respond_to_form(request, form, translate=translate)
        except SttError as error:
            return error_response(error)
        except ClientDisconnect:
            return Response(status_code=499)  # no client receives it

    async def _respond_to_form(self, request: Request, form: FormData, *, translate: bool) -> Response:
        try:
            options, recording = parse_options(fields_of(form), translate=translate), await recording_of(form)
            if options.stream:
                events = self._streamed(request, options, recording, form)
                first = await _until_disconnect(request, anext(events))
                form = FormData()  # the events close theirs; before the first one they may never have started
                return _EventStream(first, events)
            result = await _until_disconnect(request, self._recognize(request, options, recording, lambda _: None))
            return _response(result, options)
        finally:
            await form.close()

    async def _streamed(
        self, request: Request, options: TranscriptionOptions, recording: BinaryIO, form: FormData
    ) -> AsyncGenerator[str]:
        """Yield server-sent events: a delta for each final, then the whole text.

        Raises:
            SttError: the recognition failed before the first event; later it is an event.
        """
        queue: asyncio.Queue[Final | None] = asyncio.Queue()  # bounded by the recording's length
        before = ""  # between the deltas; empty before the first one
        try:
            recognizing = asyncio.create_task(self._recognize(request, options, recording, queue.put_nowait))
            recognizing.add_done_callback(lambda _: queue.put_nowait(None))
            try:
                while (final := await queue.get()) is not None:
                    delta = f"{before}{final.text.strip()}"
                    event: dict[str, object] = {"type": "transcript.text.delta", "delta": delta}
                    if options.logprobs:
                        event["logprobs"] = list(logprobs(*scored(final), before))
                    before = " "
                    yield _event(event)
                result = await recognizing
                done = {"type": "transcript.text.done", **as_json(result, with_logprobs=options.logprobs)}
                yield _event(done)
            except SttError as error:
                if not before:
                    raise
                yield _event({"type": "error", **error_body(error)})
            finally:
                recognizing.cancel()
                with suppress(asyncio.CancelledError, SttError):
                    await recognizing
        finally:
            await form.close()

    async def _recognize(
        self, request: Request, options: TranscriptionOptions, recording: BinaryIO, put: Put
    ) -> Transcription:
        """Recognize the recording; `put` receives each final.

        Raises:
            SttError: it is rejected, or cannot be decoded.
        """
        with self._service.call(request.scope["client_name"], Api.OPENAI) as call:
            async with public_errors():
                return await self._recognize_call(call, options, recording, put)
        raise AssertionError("unreachable: public_errors raises")

    async def _recognize_call(
        self, call: Call, options: TranscriptionOptions, recording: BinaryIO, put: Put
    ) -> Transcription:
        finals: list[Final] = []

        def on_event(event: OutgoingEvent) -> None:
            if isinstance(event.payload, Final) and event.payload.text.strip():
                finals.append(event.payload)
                put(event.payload)

        async def feed(recognizer: StreamRecognizer) -> None:
            await feed_recording(recognizer, recording, self._decoders, lambda _: None)

        with self._service.recording_slot(call) as slot:
            config = pb.StreamingConfig(settings=options.settings, word_times=options.needs_words)
            recognizer = slot.new_recognizer(config)
            await recognize_recording(recognizer, feed, on_event)
        task = "translate" if options.settings.translate else "transcribe"
        return Transcription(finals, recognizer.audio_received_ms / 1000, task)


async def _until_disconnect(request: Request, recognizing: Awaitable[T]) -> T:
    """Return the result; cancel the recognition when the client disconnects.

    Raises:
        ClientDisconnect: the client has disconnected.
    """
    task, gone = asyncio.ensure_future(recognizing), asyncio.create_task(_disconnect(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _EventStream(StreamingResponse):
    """A response of server-sent events; the recognition ends with it, also if the client disconnects."""

    def __init__(self, first: str, events: AsyncGenerator[str]) -> None:
        super().__init__(self._chained(first), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)

    async def _chained(self, first: str) -> AsyncGenerator[str]:
        yield first
        async for event in self._events:
            yield event


def _response(result: Transcription, options: TranscriptionOptions) -> Response:
    match options.response_format:
        case ResponseFormat.JSON:
            return JSONResponse(as_json(result, with_logprobs=options.logprobs))
        case ResponseFormat.VERBOSE_JSON:
            return JSONResponse(as_verbose_json(result, segments=options.segments, words=options.words))
        case ResponseFormat.TEXT:
            text = f"{result.text}\n"
        case ResponseFormat.SRT:
            text = srt(result.finals)
        case ResponseFormat.VTT:
            text = vtt(result.finals)
    return Response(text, media_type=MEDIA_TYPES[options.response_format])


def _event(content: dict[str, object]) -> str:
    return f"event: {content['type']}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _STARTED_S, "owned_by": "realtime-stt"}


_STARTED_S = int(time.time())
