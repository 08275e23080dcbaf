"""A server without free slots and with busy workers: rejected streams, and the effect on admitted ones.

The server is in this process; its engine waits until it is released.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.recordings import Recording
from stt_service.rpc.status_mapping import REJECTED_HEADER
from tests.support.clients.wire_client import Call, Request, Stub, audio, connected
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

pytestmark = pytest.mark.timeout(60)
FINALIZE = Request(finalize=pb.Finalize())


def named_config(text: str) -> Request:
    """Return the config of a stream whose texts are all this name."""
    return Request(config=pb.StreamingConfig(settings=pb.Settings(language="en", initial_prompt=text)))


@asynccontextmanager
async def busy(recording: Recording, max_streams: int = 1) -> AsyncIterator[tuple[BlockingServerEngine, Stub, Call]]:
    """Yield a server whose decode of one stream's final waits for a release, and that stream."""
    held = BlockingServerEngine()
    async with running_server(held, max_streams) as server, connected(server.data.address) as stub:
        call = Call(stub)
        await call.send(named_config("first"), audio(recording.pcm()), FINALIZE)
        await held.entered()
        yield held, stub, call


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/brooklyn-bridge"]


async def test_stream_over_the_limit_is_rejected_before_it_sends_audio(question: Recording) -> None:
    async with busy(question) as (held, stub, first):
        call = Call(stub)
        rejected = await call.read_to_end()
        assert rejected.code is StatusCode.RESOURCE_EXHAUSTED
        assert (await call.headers())[REJECTED_HEADER] == "RESOURCE_EXHAUSTED"
        assert "All 1 slots of this server are in use" in rejected.failure_message()
        assert rejected.responses[-1].failure.retry_after.ToSeconds() > 0
        assert len(held.batches) == 1
        held.release()
        result = await first.end()
        assert (result.code, result.text) == (StatusCode.OK, "first")
        assert REJECTED_HEADER not in await first.headers()


async def test_recording_over_the_limit_is_rejected(question: Recording) -> None:
    async with busy(question) as (_, stub, _first):
        request = pb.RecognizeRequest(audio=question.pcm(), format=pb.AudioFormat())
        with pytest.raises(grpc.aio.AioRpcError) as failure_message:
            await stub.Recognize(request)
        assert failure_message.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_admitted_stream_is_processed_while_the_worker_is_busy(question: Recording) -> None:
    async with busy(question, max_streams=2) as (held, stub, first):
        second = Call(stub)
        await second.send(named_config("second"), audio(question.pcm()), FINALIZE)
        await second.until("speech_started")
        held.release()
        assert (await second.until("final")).final.text == "second"
        assert (await first.end()).text == "first"
        assert (await second.end()).code is StatusCode.OK


async def test_released_slot_is_used_again(question: Recording) -> None:
    async with busy(question) as (held, stub, first):
        held.release()
        await first.end()
        second = Call(stub)
        await second.send(named_config("second"), audio(question.pcm()))
        assert (await second.end()).text == "second"


async def test_real_time_stream_has_priority_over_a_recording(question: Recording) -> None:
    async with busy(question, max_streams=3) as (held, stub, first):
        settings = pb.Settings(language="en", initial_prompt="recording")
        request = pb.RecognizeRequest(audio=question.pcm(), format=pb.AudioFormat(), settings=settings)
        recording = asyncio.ensure_future(stub.Recognize(request))
        live = Call(stub)
        await live.send(named_config("live"), audio(question.pcm()), FINALIZE)
        await live.until("speech_started")
        held.release()
        assert (await live.end()).text == "live"
        assert (await recording).utterances[0].text == "recording"
        assert held.batches == [["first"], ["live"], ["recording"]]
        await first.end()
