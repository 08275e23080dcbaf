"""One Riva stream: its requests as those of the service, and the service's responses as Riva's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

from stt_service.errors import DeadlineExceededError, InvalidRequestError
from stt_service.riva.audio import StreamAudio
from stt_service.riva.options import check_id, check_model, stream_config
from stt_service.riva.responses import stream_response

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[riva.StreamRequest, riva.StreamResponse]

# For the first audio, if it decides on the format. It is less than CONFIG_TIMEOUT_S of recognition/stream.py, which has
# the same purpose: until the format is known, the stream holds a slot and does nothing.
FIRST_AUDIO_TIMEOUT_S = 8.0


@dataclass(slots=True, eq=False)
class RivaStream:
    """A stream between a Riva client and the service.

    Args:
        received: Requests of the client.
        context: Receives the responses.
        model: Returns the name of the server's model.
    """

    received: AsyncIterator[riva.StreamRequest]
    context: Context
    model: Callable[[], str]
    _id: riva.CallId = field(default_factory=riva.CallId)
    _word_times: bool = False

    async def requests(self) -> AsyncGenerator[pb.StreamingRecognizeRequest]:
        """Yield the requests for the service: the config as soon as the format is known, then samples.

        Raises:
            InvalidRequestError: a request is invalid.
            NotFoundError: this server does not have the model.
            DeadlineExceededError: the format depends on the audio, and the client sends none.
        """
        if (start := await self._start()) is None:
            return  # the service reports the missing config
        audio = StreamAudio(start.options)
        if audio.format is not None:
            yield _config(start, audio)
        was_decided = audio.format is not None
        while True:
            data = await self._next_audio(None if was_decided else FIRST_AUDIO_TIMEOUT_S)
            samples = audio.finish() if data is None else audio.push(data)
            if audio.format is not None and not was_decided:
                was_decided = True
                yield _config(start, audio)
            if samples:
                yield pb.StreamingRecognizeRequest(audio=samples)
            if data is None:
                return

    async def write(self, message: pb.StreamingRecognizeResponse, /) -> None:
        """Send a response of the service if Riva has an equivalent; wait while the client does not read."""
        if (response := stream_response(message, words=self._word_times)) is not None:
            if self._id.text:
                response.id.CopyFrom(self._id)
            await self.context.write(response)

    async def _start(self) -> riva.StreamOptions | None:
        async for request in self.received:
            if request.WhichOneof("content") != "start":
                raise InvalidRequestError(
                    f"Invalid first message with {_content(request)}: must be the streaming_config."
                )
            check_id(request.id)
            check_model(request.start.options, self.model())
            self._id, self._word_times = request.id, request.start.options.word_times
            return request.start
        return None

    async def _next_audio(self, timeout_s: float | None) -> bytes | None:
        """Return the audio of the next message that has any; None at the end."""
        try:
            async with asyncio.timeout(timeout_s):
                async for request in self.received:
                    if request.WhichOneof("content") == "start":
                        raise InvalidRequestError("Received a second streaming_config: send it once, first.")
                    if request.audio:
                        return request.audio
        except TimeoutError:
            raise DeadlineExceededError(
                f"No audio received within {timeout_s:g} s of a config whose format depends on it: "
                "send encoding and sample_rate_hertz, or the audio in time."
            ) from None
        return None


def _config(start: riva.StreamOptions, audio: StreamAudio) -> pb.StreamingRecognizeRequest:
    assert audio.format is not None
    config = stream_config(start.options, audio.format, partials=start.partials)
    return pb.StreamingRecognizeRequest(config=config)


def _content(request: riva.StreamRequest) -> str:
    return "audio_content" if request.WhichOneof("content") == "audio" else "nothing"
