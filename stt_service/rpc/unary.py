"""One Recognize call: a whole recording in, all that is told of it out."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat
from stt_service.audio.recordings import check_headerless
from stt_service.rpc import convert
from stt_service.rpc.recognizer import StreamRecognizer
from stt_service.rpc.recording_decoder import RecordingDecoders
from stt_service.session.events import Final, Suppressed
from stt_service.vad.types import Endpoint


async def recognised(
    recognition: StreamRecognizer, request: pb.RecognizeRequest, model: str, decoders: RecordingDecoders
) -> pb.RecognizeResponse:
    """Return the answer to the request.

    Raises:
        InvalidRequest: the recording cannot be decoded, or is too long.
        ExceptionGroup: the same, or EngineFailed.
    """
    headerless = request.HasField("format")
    audio_format = convert.audio_format(request.format) if headerless else AudioFormat()
    if headerless:
        check_headerless(len(request.audio), audio_format)
    response = pb.RecognizeResponse(model=model)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(recognition, response))
        try:
            async with recognition:
                if headerless:
                    await recognition.feed(request.audio, audio_format)
                else:
                    await _push_decoded(recognition, request.audio, decoders, response)
                await recognition.finish(Endpoint.END_OF_AUDIO)
        finally:
            recognition.send_queue.close()
    response.audio_duration.CopyFrom(convert.duration(recognition.audio_received_ms / 1000))
    return response


async def _collect(recognition: StreamRecognizer, response: pb.RecognizeResponse) -> None:
    while (told := await recognition.send_queue.next_event()) is not None:
        match told.payload:
            case Final() as event:
                response.utterances.append(convert.final(event))
            case Suppressed() as event:
                response.suppressed.append(convert.suppressed(event))


async def _push_decoded(
    recognition: StreamRecognizer, audio: bytes, decoders: RecordingDecoders, response: pb.RecognizeResponse
) -> None:
    def warn(phrase: str) -> None:
        response.warnings.append(f"The recording {phrase}")

    async with aclosing(decoders.decoded(audio, warn)) as chunks:
        async for chunk in chunks:
            await recognition.feed(chunk, AudioFormat())
