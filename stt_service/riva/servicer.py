"""Riva's method paths on the data port: the adapter of `SpeechService` for Riva's clients."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat
from stt_service.recognition.recording_decoder import RecordingDecoders
from stt_service.recognition.speech_service import RecordingSlot, SpeechService
from stt_service.riva.audio import declared_audio, is_recording
from stt_service.riva.options import MULTILINGUAL, check_id, check_model, pb_format, settings
from stt_service.riva.responses import models_response, recording_response
from stt_service.riva.stream import RivaStream
from stt_service.rpc.auth_interceptor import client_name
from stt_service.rpc.speech_servicer import RECORDING_TIMEOUT_S, recognize_request
from stt_service.rpc.status_mapping import discard_requests, map_errors_to_status, no_op
from stt_service.settings.schema import AUTO
from stt_service.telemetry.metrics import Api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stt_service.riva.stream import Context
    from stt_service.rpc.request_reader import Request

    RecordingContext = grpc.aio.ServicerContext[riva.RecordingRequest, riva.RecordingResponse]
    ModelsContext = grpc.aio.ServicerContext[riva.ModelsRequest, riva.ModelsResponse]

SERVICE = "nvidia.riva.asr.RivaSpeechRecognition"
STREAM, RECORDING, MODELS = "StreamingRecognize", "Recognize", "GetRivaSpeechRecognitionConfig"
# Methods that bound their calls and messages themselves: rpc/request_reader.py.
SELF_BOUNDED = frozenset(f"/{SERVICE}/{method}" for method in (STREAM, RECORDING))


class RivaSpeechRecognition:
    """The servicer.

    Args:
        service: Recognizes streams and recordings.
        decoders: Decode containers in separate processes.
    """

    def __init__(self, service: SpeechService, decoders: RecordingDecoders) -> None:
        self._service, self._decoders = service, decoders

    def add_to(self, server: grpc.aio.Server) -> None:
        """Add the methods to a server, as generated code does."""
        handlers = self.handlers()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_registered_method_handlers(SERVICE, handlers)  # type: ignore[attr-defined]  # missing in the stubs

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """Return the handler of each method."""
        stream, unary = grpc.stream_stream_rpc_method_handler, grpc.unary_unary_rpc_method_handler
        return {
            STREAM: stream(self.stream, riva.StreamRequest.FromString, riva.StreamResponse.SerializeToString),
            RECORDING: unary(
                self.recognize, riva.RecordingRequest.FromString, riva.RecordingResponse.SerializeToString
            ),
            MODELS: unary(self.models, riva.ModelsRequest.FromString, riva.ModelsResponse.SerializeToString),
        }

    async def stream(self, requests: AsyncIterator[riva.StreamRequest], context: Context) -> None:
        """Recognize a stream."""
        with self._service.call(client_name(context), Api.RIVA) as call:
            async with map_errors_to_status(context, partial(discard_requests, requests)):
                stream = RivaStream(requests, context, lambda: self._service.model_name)
                async with aclosing(stream.requests()) as translated:
                    await self._service.recognize_stream(call, translated, stream)

    async def recognize(
        self, request: Request[riva.RecordingRequest], context: RecordingContext
    ) -> riva.RecordingResponse:
        """Recognize a recording, which is received once the call has a slot."""
        with self._service.call(client_name(context), Api.RIVA) as call:
            async with map_errors_to_status(context, no_op):
                with self._service.recording_slot(call) as slot:
                    return await self._recognize(slot, await request.read(RECORDING_TIMEOUT_S))
        raise AssertionError("unreachable: map_errors_to_status aborts the call")

    async def _recognize(self, slot: RecordingSlot, request: riva.RecordingRequest) -> riva.RecordingResponse:
        check_id(request.id)
        check_model(request.options, slot.model)
        recognized = await recognize_request(slot, _recognize_request(request), self._decoders)
        response = recording_response(recognized, words=request.options.word_times)
        if request.id.text:
            response.id.CopyFrom(request.id)
        return response

    async def models(self, request: riva.ModelsRequest, _context: ModelsContext) -> riva.ModelsResponse:
        """List the model of this server.

        Raises:
            NotFoundError: the request names another one.
        """
        check_model(riva.Options(model=request.name), self._service.model_name)
        code = self._service.default_language
        return models_response(self._service.model_name, MULTILINGUAL if code == AUTO else code)


def _recognize_request(request: riva.RecordingRequest) -> pb.RecognizeRequest:
    """Return the request for the service. It takes the audio: a recording may be large."""
    options, audio = request.options, request.audio
    request.ClearField("audio")
    converted = pb.RecognizeRequest(audio=audio, settings=settings(options), word_times=options.word_times)
    if not is_recording(options, audio):
        converted.format.CopyFrom(pb_format(declared_audio(options).headerless or AudioFormat()))
    return converted
