"""The SpeechToText servicer: the gRPC adapter of `SpeechService`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from stt_service.audio.recordings import UndecodableError, check_headerless
from stt_service.errors import InvalidRequestError
from stt_service.recognition import convert
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.recording_decoder import RecordingDecoders
from stt_service.recognition.recordings import feed_recording, recognize_recording
from stt_service.recognition.speech_service import RecordingSlot, SpeechService
from stt_service.rpc.auth_interceptor import client_name
from stt_service.rpc.status_mapping import map_errors_to_status, no_op, send_failure
from stt_service.session.events import Final, OutgoingEvent, Suppressed
from stt_service.telemetry.metrics import Api

if TYPE_CHECKING:
    import grpc

    from stt_service.recognition.stream import Context, Requests
    from stt_service.rpc.request_reader import Request

    UnaryContext = grpc.aio.ServicerContext[pb.RecognizeRequest, pb.RecognizeResponse]

RECORDING_TIMEOUT_S = 120.0  # for a recording to arrive, which holds a slot: 32 MiB at 2.3 Mbit/s


class SpeechToText(stt_pb2_grpc.SpeechToTextServicer):
    """The servicer."""

    def __init__(self, service: SpeechService, decoders: RecordingDecoders) -> None:
        self._service, self._decoders = service, decoders

    async def StreamingRecognize(self, requests: Requests, context: Context) -> None:  # noqa: N802
        with self._service.call(client_name(context), Api.GRPC) as call:
            async with map_errors_to_status(context, partial(send_failure, context, requests)):
                await self._service.recognize_stream(call, requests, context)

    async def Recognize(  # noqa: N802
        self, request: Request[pb.RecognizeRequest], context: UnaryContext
    ) -> pb.RecognizeResponse:
        """Recognize a recording, which is received once the call has a slot."""
        with self._service.call(client_name(context), Api.GRPC) as call:
            async with map_errors_to_status(context, no_op):
                with self._service.recording_slot(call) as slot:
                    return await recognize_request(slot, await request.read(RECORDING_TIMEOUT_S), self._decoders)
        raise AssertionError("unreachable: map_errors_to_status aborts the call")


async def recognize_request(
    slot: RecordingSlot, request: pb.RecognizeRequest, decoders: RecordingDecoders
) -> pb.RecognizeResponse:
    """Return the response to a Recognize call.

    Raises:
        InvalidRequestError: the recording cannot be decoded, or is too long.
        ExceptionGroup: the same, or InferenceError.
    """
    config = pb.StreamingConfig(settings=request.settings, word_times=request.word_times)
    if request.HasField("format"):
        config.format.CopyFrom(request.format)
    recognizer, response = slot.new_recognizer(config), pb.RecognizeResponse(model=slot.model)

    async def feed_headerless(recognizer: StreamRecognizer) -> None:
        await recognizer.feed(request.audio, convert.audio_format(request.format))

    async def feed_decoded(recognizer: StreamRecognizer) -> None:
        try:
            await feed_recording(recognizer, request.audio, decoders, response.warnings.append)
        except UndecodableError as error:
            raise InvalidRequestError(f"{error} Headerless samples need their format.") from error

    if request.HasField("format"):
        check_headerless(len(request.audio), convert.audio_format(request.format))
    feed = feed_headerless if request.HasField("format") else feed_decoded
    await recognize_recording(recognizer, feed, partial(_add, response))
    response.audio_duration.CopyFrom(convert.duration(recognizer.audio_received_ms / 1000))
    return response


def _add(response: pb.RecognizeResponse, event: OutgoingEvent) -> None:
    match event.payload:
        case Final() as final:
            response.utterances.append(convert.final(final))
        case Suppressed() as suppressed:
            response.suppressed.append(convert.suppressed(suppressed))
