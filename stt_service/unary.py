"""One Recognize call: a whole recording in, all that is told of it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from stt.v1 import stt_pb2 as pb

from stt_service import wire
from stt_service.audio import AudioFormat
from stt_service.events import Final, Suppressed
from stt_service.recognition import Recognition
from stt_service.recordings import decoded
from stt_service.segmentation import Endpoint


async def recognised(recognition: Recognition, request: pb.RecognizeRequest, model: str) -> pb.RecognizeResponse:
    """Return the answer to the request.

    Raises:
        InvalidRequest: the recording cannot be decoded.
        ExceptionGroup: the same, or EngineFailed.
    """
    headerless = request.HasField("format")
    audio_format = wire.audio_format(request.format) if headerless else AudioFormat()
    response = pb.RecognizeResponse(model=model)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(recognition, response))
        try:
            async with recognition:
                async for stretch in _stretches(request.audio, headerless):
                    await recognition.push(stretch, audio_format)
                await recognition.finish(Endpoint.END_OF_AUDIO)
        finally:
            recognition.outbox.close()
    response.audio_duration.CopyFrom(wire.duration(recognition.heard_ms / 1000))
    return response


async def _collect(recognition: Recognition, response: pb.RecognizeResponse) -> None:
    while (told := await recognition.outbox.take()) is not None:
        match told.event:
            case Final() as event:
                response.utterances.append(wire.final(event))
            case Suppressed() as event:
                response.suppressed.append(wire.suppressed(event))


async def _stretches(audio: bytes, headerless: bool) -> AsyncIterator[bytes]:
    if headerless:
        yield audio
        return
    stretches = decoded(audio)
    while (stretch := await asyncio.to_thread(next, stretches, None)) is not None:
        yield stretch
