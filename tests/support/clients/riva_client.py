"""A client of the Riva methods that sends any message in any order and records all responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import grpc
import grpc.aio
from grpc import StatusCode
from stt.riva.v1 import riva_pb2 as riva

from stt_service.riva.servicer import MODELS, RECORDING, SERVICE, STREAM

TIMEOUT_S = 60.0
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RivaResult:
    """All responses of a call and its status."""

    responses: tuple[riva.StreamResponse, ...]
    code: StatusCode
    message: str

    @property
    def results(self) -> list[riva.StreamResult]:
        return [result for response in self.responses for result in response.results]

    @property
    def text(self) -> str:
        """Return the texts of the final results, concatenated as Riva's scripts do."""
        return "".join(result.hypotheses[0].text for result in self.results if result.final)


class RivaClient:
    """A connection."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata = ()) -> None:
        self._channel, self._metadata = channel, metadata

    async def stream(self, *requests: riva.StreamRequest) -> RivaResult:
        """Return the result of a stream of these requests."""
        method = self._channel.stream_stream(
            f"/{SERVICE}/{STREAM}", riva.StreamRequest.SerializeToString, riva.StreamResponse.FromString
        )
        call: grpc.aio.StreamStreamCall[riva.StreamRequest, riva.StreamResponse]
        call = method(None, timeout=TIMEOUT_S, metadata=self._metadata)
        with suppress(
            grpc.aio.AioRpcError, asyncio.InvalidStateError
        ):  # the server has ended the call: read its status
            for request in requests:
                await call.write(request)
            await call.done_writing()
        responses: list[riva.StreamResponse] = []
        try:
            while isinstance(response := await call.read(), riva.StreamResponse):
                responses.append(response)
        except grpc.aio.AioRpcError as error:
            return RivaResult(tuple(responses), error.code(), error.details() or "")
        return RivaResult(tuple(responses), await call.code(), "")

    async def recognize(self, request: riva.RecordingRequest) -> riva.RecordingResponse:
        """Return the response for a recording."""
        method: grpc.aio.UnaryUnaryMultiCallable[riva.RecordingRequest, riva.RecordingResponse]
        method = self._channel.unary_unary(
            f"/{SERVICE}/{RECORDING}", riva.RecordingRequest.SerializeToString, riva.RecordingResponse.FromString
        )
        return await method(request, timeout=TIMEOUT_S, metadata=self._metadata)

    async def models(self, name: str = "") -> riva.ModelsResponse:
        """Return the models of the server."""
        method: grpc.aio.UnaryUnaryMultiCallable[riva.ModelsRequest, riva.ModelsResponse]
        method = self._channel.unary_unary(
            f"/{SERVICE}/{MODELS}", riva.ModelsRequest.SerializeToString, riva.ModelsResponse.FromString
        )
        return await method(riva.ModelsRequest(name=name), timeout=TIMEOUT_S, metadata=self._metadata)


@asynccontextmanager
async def riva_client(address: str, metadata: Metadata = ()) -> AsyncIterator[RivaClient]:
    """Yield a connection to the data port."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield RivaClient(channel, metadata)


def start(options: riva.Options | None = None, *, partials: bool = False, call_id: str = "") -> riva.StreamRequest:
    """Return a first request."""
    opening = riva.StreamOptions(options=options or riva.Options(), partials=partials)
    return riva.StreamRequest(start=opening, id=riva.CallId(text=call_id) if call_id else None)


def audio(data: bytes, chunk_bytes: int = 3200) -> Sequence[riva.StreamRequest]:
    """Return requests with the data, in chunks as Riva's scripts send them."""
    return [riva.StreamRequest(audio=data[at : at + chunk_bytes]) for at in range(0, len(data), chunk_bytes)]
