"""This project's server as a system of the comparison."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from importlib.metadata import version
from time import monotonic
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.comparison.latency import EndpointedFinal
from benchmarks.comparison.systems import SAMPLE_RATE_HZ, Connection, Message, MessageKind, RejectedError, System
from benchmarks.harness.channels import channel_to
from benchmarks.service import Service

ENDPOINT_S = 0.7
MODEL = "base"

Request = pb.StreamingRecognizeRequest
Response = pb.StreamingRecognizeResponse
stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub


class Ours(System):
    """A server with the default models of a CPU: base, and tiny.en for English partials."""

    def __init__(self, language: str, name: str = "ours", endpoint_s: float = ENDPOINT_S) -> None:
        self.name, self.endpoint_s = name, endpoint_s
        partials = "tiny.en" if language == "en" else MODEL
        self._language = language
        self._service = Service(
            {
                "DEVICE": "cpu",
                "LANGUAGE": language,
                "POST_SPEECH_SILENCE_DURATION": str(endpoint_s),
                "MAX_STREAMS": "64",
                "LOG_LEVEL": "warning",
            }
        )
        self._stack = ExitStack()
        installed = version("realtime-stt-grpc")
        self.about = f"{installed}: finals {MODEL}, partials {partials}, silence {endpoint_s:g} s, else defaults"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._service)
            self._service.wait_until_listening()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def pid(self) -> int:
        return self._service.pid

    def connect(self) -> Connection:
        return stream_to(self._service.address, self._language)


def stream_to(address: str, language: str, rate_hz: int = SAMPLE_RATE_HZ) -> Connection:
    """Return a stream that is not open yet; `rate_hz` is that of the audio."""
    return _Stream(address, language, rate_hz)


class _Stream(Connection):
    def __init__(self, address: str, language: str, rate_hz: int) -> None:
        self._address = address
        self._language = language
        self._rate_hz = rate_hz
        self._open_utterances: dict[int, str] = {}  # shown text of each utterance

    async def open(self) -> None:
        self._channel = channel_to(self._address)
        self._call: grpc.aio.StreamStreamCall[Request, Response] = stub_on(self._channel).StreamingRecognize()
        audio_format, settings = pb.AudioFormat(sample_rate_hz=self._rate_hz), pb.Settings(language=self._language)
        config = pb.StreamingConfig(format=audio_format, settings=settings, partials=True)
        try:
            await self._call.write(Request(config=config))
            first = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise RejectedError(f"{error.code().name}: {error.details()}") from error
        if not isinstance(first, Response) or first.WhichOneof("event") != "started":
            raise RejectedError(first.failure.message if isinstance(first, Response) else await self._call.details())

    async def send(self, pcm: bytes) -> None:
        await self._call.write(Request(audio=pcm))

    async def finish(self) -> None:
        await self._call.done_writing()

    async def messages(self) -> AsyncIterator[Message]:
        while isinstance(response := await self._call.read(), Response):
            for message in self._told(response, monotonic()):
                yield message

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close(grace=None)

    def _told(self, response: Response, at: float) -> list[Message]:
        """Return the text that a client shows. A partial may arrive while earlier finals are still pending."""
        match response.WhichOneof("event"):
            case "partial":
                partial = response.partial
                self._open_utterances[partial.utterance] = partial.stable + partial.unstable
                return [self._shown(at)]
            case "final":
                self._open_utterances.pop(response.final.utterance, None)
                final = _final(response.final, at)
                return [final, self._shown(at)] if self._open_utterances else [final]
            case "suppressed":
                self._open_utterances.pop(response.suppressed.utterance, None)
                return [self._shown(at)]
            case "notice":
                return [Message(at, MessageKind.NOTICE, f"{response.notice.reason}: {response.notice.message}")]
            case _:
                return []

    def _shown(self, at: float) -> Message:
        return Message(at, MessageKind.PARTIAL, " ".join(text.strip() for text in self._open_utterances.values()))


def _final(final: pb.Final, at: float) -> Message:
    if final.endpoint != pb.ENDPOINT_SILENCE:  # decided by the client, or repeated after a resume
        return Message(at, MessageKind.FINAL, final.text)
    decided_s = final.end_ms / 1000 + final.latency.endpoint.ToTimedelta().total_seconds()
    return EndpointedFinal(at, MessageKind.FINAL, final.text, decided_s, final.latency.speculative)
