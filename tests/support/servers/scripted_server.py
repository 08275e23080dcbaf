"""A real gRPC server on a free loopback port that follows a test's script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection
from stt.v1 import stt_pb2

Request = stt_pb2.StreamingRecognizeRequest
Response = stt_pb2.StreamingRecognizeResponse
Context = grpc.aio.ServicerContext[Request, Response]
OPTIONS = (("grpc.http2.bdp_probe", 0),)  # as stt-server: the receiver bounds how far a client runs ahead
SERVICE = "stt.v1.SpeechToText"


class Stream:
    """One call, with what the client has sent so far."""

    def __init__(self, requests: AsyncIterator[Request], context: Context) -> None:
        self._requests = requests
        self.context = context
        self.config = stt_pb2.StreamingConfig()
        self.audio = bytearray()
        self.commands = list[Request]()  # requests other than audio
        self.half_closed = False

    async def accept(self) -> None:
        first = await anext(self._requests)
        assert first.WhichOneof("request") == "config"
        self.config = first.config
        await self.send(Response(started=stt_pb2.Started(stream_id="s1", model="base", settings={"language": "ru"})))

    async def receive_audio(self, size_bytes: int | None = None) -> None:
        """Read this many bytes of audio, or all of it."""
        while size_bytes is None or len(self.audio) < size_bytes:
            try:
                request = await anext(self._requests)
            except StopAsyncIteration:
                self.half_closed = True
                return
            self.audio += request.audio
            if not request.HasField("audio"):
                self.commands.append(request)

    async def send(self, *responses: Response) -> None:
        for response in responses:
            if self.config.partials or not response.HasField("partial"):
                await self.context.write(response)


Script = Callable[[Stream], Awaitable[None]]


def replies(*responses: Response) -> Script:
    """Return a script that reads all audio, then sends the responses."""

    async def script(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio()
        await stream.send(*responses)

    return script


def final(text: str, utterance: int = 1, start_ms: int = 0, end_ms: int = 1000) -> Response:
    words = text.split()
    step_ms = (end_ms - start_ms) // max(1, len(words))
    timed = [
        stt_pb2.Word(
            text=word,
            start_ms=start_ms + number * step_ms,
            end_ms=start_ms + (number + 1) * step_ms,
            confidence=0.5,
        )
        for number, word in enumerate(words)
    ]
    said = stt_pb2.Final(
        utterance=utterance,
        text=text,
        start_ms=start_ms,
        end_ms=end_ms,
        language="ru",
        language_probability=0.5,
        confidence=0.75,
        words=timed,
        endpoint=stt_pb2.ENDPOINT_SILENCE,
        latency=stt_pb2.Latency(
            endpoint=Duration(seconds=1, nanos=500_000_000),
            queue=Duration(nanos=10_000_000),
            inference=Duration(nanos=250_000_000),
            speculative=True,
            batch=2,
        ),
    )
    return Response(final=said, received_ms=end_ms, committed_ms=end_ms)


def partial(stable: str, unstable: str = "", revision: int = 1) -> Response:
    said = stt_pb2.Partial(utterance=1, revision=revision, stable=stable, unstable=unstable, end_ms=500)
    return Response(partial=said, received_ms=600)


def suppressed(text: str) -> Response:
    said = stt_pb2.Suppressed(utterance=2, start_ms=1000, end_ms=2000, reason="NO_SPEECH", text=text)
    return Response(suppressed=said, received_ms=2000, committed_ms=2000)


def notice(reason: str, message: str) -> Response:
    return Response(notice=stt_pb2.Notice(reason=reason, message=message))


def failure(code: grpc.StatusCode, message: str) -> Response:
    return Response(failure=stt_pb2.Failure(code=code.value[0], reason=code.name, message=message))


def in_sequence(*scripts: Script) -> Script:
    """Return a script that follows one script per stream, in this order."""
    remaining = list(scripts)

    async def script(stream: Stream) -> None:
        await remaining.pop(0)(stream)

    return script


async def abort_stream(stream: Stream) -> None:
    """End the stream like a server that shuts down."""
    await stream.context.abort(grpc.StatusCode.UNAVAILABLE, "going away")


@asynccontextmanager
async def serving(script: Script, serves: bool = True, port: int = 0) -> AsyncIterator[RunningServer]:
    """Run a server; its streams are recorded in order of arrival."""
    running = RunningServer()

    async def recognize(requests: AsyncIterator[Request], context: Context) -> None:
        stream = Stream(requests, context)
        running.streams.append(stream)
        running.called.set()
        await script(stream)

    handler = grpc.stream_stream_rpc_method_handler(recognize, Request.FromString, Response.SerializeToString)
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"StreamingRecognize": handler}),))
    states = HealthServicer()
    state = health_pb2.HealthCheckResponse.SERVING if serves else health_pb2.HealthCheckResponse.NOT_SERVING
    await states.set("", state)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    reflection.enable_server_reflection((SERVICE, "grpc.health.v1.Health"), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        running.address = f"127.0.0.1:{port}"
        yield running
    finally:
        await server.stop(None)


class RunningServer:
    def __init__(self) -> None:
        self.address = ""
        self.streams = list[Stream]()
        self.called = asyncio.Event()


async def until_canceled(_stream: Stream) -> None:
    """Neither read nor send anything."""
    await asyncio.Event().wait()
