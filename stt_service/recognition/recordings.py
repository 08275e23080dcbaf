"""Recognition of whole recordings: decode, feed, and collect the events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import BinaryIO

from stt_service.audio.pcm import AudioFormat
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.recording_decoder import RecordingDecoders
from stt_service.session.events import OutgoingEvent
from stt_service.vad.types import Endpoint


async def recognize_recording(
    recognizer: StreamRecognizer,
    feed: Callable[[StreamRecognizer], Awaitable[None]],
    on_event: Callable[[OutgoingEvent], None],
) -> None:
    """Recognize a recording that `feed` passes to the recognizer; every event goes to `on_event`.

    Raises:
        SttError: the recording cannot be decoded, or is too long.
        ExceptionGroup: the same, or InferenceError.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(recognizer, on_event))
        try:
            async with recognizer:
                await feed(recognizer)
                await recognizer.finish(Endpoint.END_OF_AUDIO)
        finally:
            recognizer.send_queue.close()


async def feed_recording(
    recognizer: StreamRecognizer, recording: bytes | BinaryIO, decoders: RecordingDecoders, warn: Callable[[str], None]
) -> None:
    """Decode a recording in a container and feed it; `warn` receives sentences about damage.

    Raises:
        InvalidRequestError: the recording cannot be decoded, or is too long.
        ResourceExhaustedError: too many recordings are being decoded.
    """
    async with aclosing(decoders.decode(recording, lambda phrase: warn(f"The recording {phrase}"))) as chunks:
        async for chunk in chunks:
            await recognizer.feed(chunk, AudioFormat())


async def _collect(recognizer: StreamRecognizer, on_event: Callable[[OutgoingEvent], None]) -> None:
    while (event := await recognizer.send_queue.next_event()) is not None:
        on_event(event)
