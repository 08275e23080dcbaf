"""A client of the protocol: sends any message in any order and records all responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.recordings import Recording

Request = pb.StreamingRecognizeRequest
Response = pb.StreamingRecognizeResponse
Stub = stt_pb2_grpc.SpeechToTextStub

stub_on: Callable[[grpc.aio.Channel], Stub] = Stub
TIMEOUT_S = 60.0  # long enough for a busy machine; a test that hangs ends here
CHUNK_BYTES = 32_000  # a second
# Flow control blocks a client that does not read after 64 KiB; by default gRPC enlarges the window.
SMALL_FLOW_WINDOW = (("grpc.http2.bdp_probe", 0),)


@dataclass(frozen=True, slots=True)
class StreamResult:
    """All responses of a stream and its status."""

    responses: tuple[Response, ...]
    code: grpc.StatusCode
    message: str

    @property
    def kinds(self) -> list[str]:
        """Return the names of the events, without progress, which has no event."""
        return kinds(self.responses)

    @property
    def finals(self) -> list[pb.Final]:
        return [response.final for response in self.responses if response.HasField("final")]

    @property
    def partials(self) -> list[pb.Partial]:
        return [response.partial for response in self.responses if response.HasField("partial")]

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals)

    def failure_message(self) -> str:
        """Return the message of a failed stream, sent in-band as the last event and again in the status."""
        failure = self.responses[-1].failure
        assert self.kinds.count("failure") == 1
        assert self.kinds[-1] == "failure"
        assert (failure.code, failure.reason) == (self.code.value[0], self.code.name)
        assert failure.message == self.message
        return self.message


class Call:
    """One StreamingRecognize call."""

    def __init__(self, stub: Stub, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self._call: grpc.aio.StreamStreamCall[Request, Response] = stub.StreamingRecognize(metadata=metadata)
        self.responses: list[Response] = []
        self.arrived = asyncio.Event()  # set on every response
        self._blocked: asyncio.Task[None] | None = None

    async def send(self, *requests: Request) -> None:
        """Write the messages; a call that has ended accepts none, and reading it gives the reason."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                for request in requests:
                    await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return

    async def send_until_blocked(self, requests: Iterable[Request]) -> int:
        """Write until flow control blocks for a second; return the number of messages written.

        The blocked write stays pending, as cancelling a write cancels the call.
        """
        for taken, request in enumerate(requests):
            self._blocked = asyncio.create_task(self.send(request))
            if (await asyncio.wait([self._blocked], timeout=1))[1]:
                return taken
        raise AssertionError("the server accepted all messages")

    async def send_audio(self, pcm: bytes, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Send audio at full speed."""
        await self.send(*chunks(pcm, chunk_bytes))

    async def until(self, kind: str) -> Response:
        """Read up to the next event of the kind."""
        while (response := await self._next()) is not None:
            if response.WhichOneof("event") == kind:
                return response
        raise AssertionError(f"the stream ended without {kind}, after {kinds(self.responses)}")

    async def sync(self) -> Response:
        """Return once the server has processed all requests: an empty update is answered in order."""
        await self.send(Request(update=pb.Settings()))
        return await self.until("settings")

    async def end(self) -> StreamResult:
        """Half-close, and read to the end."""
        await self.end_audio()
        return await self.read_to_end()

    async def end_audio(self) -> None:
        """Half-close."""
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the call has ended
            await self._call.done_writing()

    async def read_to_end(self) -> StreamResult:
        """Read until the server ends the stream."""
        try:
            while await self._next() is not None:
                pass
        except grpc.aio.AioRpcError as error:
            return StreamResult(tuple(self.responses), error.code(), error.details() or "")
        finally:
            if self._blocked is not None:
                await self._blocked
        return StreamResult(tuple(self.responses), await self._call.code(), "")

    async def headers(self) -> dict[str, str | bytes]:
        """Return the initial metadata."""
        return dict(await self._call.initial_metadata())

    def cancel(self) -> None:
        self._call.cancel()

    async def _next(self) -> Response | None:
        async with asyncio.timeout(TIMEOUT_S):
            response = await self._call.read()
        if not isinstance(response, Response):
            return None
        self.responses.append(response)
        self.arrived.set()
        return response


def kinds(responses: Iterable[Response]) -> list[str]:
    return [kind for response in responses if (kind := response.WhichOneof("event"))]


def config(language: str = "en", partials: bool = False, resume: pb.Resume | None = None) -> Request:
    """Return a first message."""
    settings = pb.Settings(language=language)
    return Request(config=pb.StreamingConfig(settings=settings, partials=partials, resume=resume))


def audio(pcm: bytes) -> Request:
    return Request(audio=pcm)


def chunks(pcm: bytes, chunk_bytes: int) -> list[Request]:
    return [audio(pcm[start : start + chunk_bytes]) for start in range(0, len(pcm), chunk_bytes)]


async def send_requests(stub: Stub, *requests: Request) -> StreamResult:
    """Return the result of a stream of these messages."""
    call = Call(stub)
    await call.send(*requests)
    return await call.end()


async def send_recording(stub: Stub, recording: Recording) -> StreamResult:
    """Return the result of the recording, sent at full speed."""
    return await send_requests(stub, config(recording.language), *chunks(recording.pcm(), CHUNK_BYTES))


@asynccontextmanager
async def connected(address: str, small_flow_window: bool = False) -> AsyncIterator[Stub]:
    async with grpc.aio.insecure_channel(address, options=SMALL_FLOW_WINDOW if small_flow_window else None) as channel:
        yield stub_on(channel)


async def health(address: str, service: str = "stt.v1.SpeechToText") -> str:
    """Return the health status of the server, or the gRPC status code if it does not answer."""
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            question = health_pb2.HealthCheckRequest(service=service)
            answer = await health_pb2_grpc.HealthStub(channel).Check(question, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return name


def assert_event_order(result: StreamResult) -> None:
    """Check the invariants of every stream: utterances in order, growing positions, one end per utterance."""
    ended = [
        response.final.utterance if response.HasField("final") else response.suppressed.utterance
        for response in result.responses
        if response.WhichOneof("event") in ("final", "suppressed")
    ]
    begun = [r.speech_started.utterance for r in result.responses if r.HasField("speech_started")]
    assert ended == begun == sorted(set(begun))
    for before, after in pairwise(result.responses):
        if not after.HasField("failure"):  # a failure has no position
            assert before.received_ms <= after.received_ms
            assert before.committed_ms <= after.committed_ms <= after.received_ms
