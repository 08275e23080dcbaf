"""Limits: too many clients, long streams, idle or killed clients, and clients that do not read."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from time import monotonic

import psutil
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.recordings import FOLDER, Recording
from tests.support.audio.encoded_audio import silence
from tests.support.clients.wire_client import (
    Call,
    Request,
    Stub,
    audio,
    chunks,
    config,
    connected,
    send_recording,
    send_requests,
)
from tests.support.servers.server_process import COMMON, Server

pytestmark = pytest.mark.model

IDLE_S = 8  # a final of a stalled utterance is due after 3 s, and its decode may take long on a busy machine
LIMITS = {"MAX_STREAMS": "2", "IDLE_TIMEOUT": str(IDLE_S), "MAX_STREAM_DURATION": "20"}
KILLED_CLIENT = Path(__file__).parents[2] / "support" / "clients" / "killed_client.py"


@pytest_asyncio.fixture(scope="module")
async def small() -> AsyncIterator[Server]:
    """Return a server with short timeouts and two slots."""
    with Server({**COMMON, **LIMITS}) as server:
        await asyncio.to_thread(server.wait_until_listening)
        yield server


@pytest_asyncio.fixture
async def stub(small: Server) -> AsyncIterator[Stub]:
    async with connected(small.address) as connection:
        yield connection


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/brooklyn-bridge"]


async def mid_utterance(stub: Stub, recording: Recording) -> tuple[Call, str]:
    """Return a stream with an open utterance, and its id in the log."""
    call = Call(stub)
    await call.send(config(), *chunks(recording.pcm(), 8_000))
    await call.until("speech_started")
    return call, call.responses[0].started.stream_id


async def test_stream_over_the_limit_is_rejected_immediately(stub: Stub, question: Recording) -> None:
    first, _ = await mid_utterance(stub, question)
    second, _ = await mid_utterance(stub, question)
    started_at = monotonic()
    rejected = Call(stub)
    await rejected.send(config())
    failure = (await rejected.until("failure")).failure
    assert monotonic() - started_at < 1
    assert failure.retry_after.ToSeconds() > 0
    assert "All 2 slots of this server are in use" in (await rejected.end()).failure_message()
    for call in (first, second):
        result = await call.end()
        assert (result.code, len(result.finals)) == (StatusCode.OK, 1)
    assert (await send_recording(stub, question)).code is StatusCode.OK


async def test_client_that_stops_sending_gets_its_final_and_may_continue(stub: Stub, question: Recording) -> None:
    call, _ = await mid_utterance(stub, question)
    stalled = (await call.until("final")).final
    assert stalled.endpoint == pb.ENDPOINT_STALLED
    assert "Brooklyn" in stalled.text
    await call.send_audio(question.pcm())
    result = await call.end()
    assert [final.endpoint for final in result.finals] == [pb.ENDPOINT_STALLED, pb.ENDPOINT_END_OF_AUDIO]
    assert result.code is StatusCode.OK


async def test_idle_client_receives_a_failure_and_its_stream_ends(stub: Stub, question: Recording) -> None:
    """One client is idle inside an utterance, another before its config."""
    started_at = monotonic()
    call, _ = await mid_utterance(stub, question)
    unopened = Call(stub)
    result, nothing = await asyncio.gather(call.read_to_end(), unopened.read_to_end())
    assert IDLE_S - 1 < monotonic() - started_at < IDLE_S + 5
    assert [final.endpoint for final in result.finals] == [pb.ENDPOINT_STALLED]
    assert result.code is nothing.code is StatusCode.DEADLINE_EXCEEDED
    assert f"No audio received for {IDLE_S} s" in result.failure_message()
    assert f"No config received within {IDLE_S} s" in nothing.failure_message()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([audio(silence(1))] * 30, id="audio"),
        pytest.param([Request(silence=pb.Silence(duration=Duration(seconds=6)))] * 5, id="silence messages"),
    ],
)
async def test_stream_ends_at_its_maximum_duration(stub: Stub, sent: list[Request]) -> None:
    result = await send_requests(stub, config(), *sent)
    assert result.code is StatusCode.DEADLINE_EXCEEDED
    assert "Stream duration exceeded: at most 20 s" in result.failure_message()


async def test_stream_cancelled_in_mid_utterance_releases_its_slot(
    small: Server, stub: Stub, question: Recording
) -> None:
    calls = [await mid_utterance(stub, question) for _ in range(2)]
    for call, stream_id in calls:
        call.cancel()
        await small.wait_for_line(f"stream closed id={stream_id}")
    result = await asyncio.gather(send_recording(stub, question), send_recording(stub, question))
    assert [each.code for each in result] == [StatusCode.OK] * 2
    assert all("Brooklyn" in each.text for each in result)


async def test_killed_client_releases_its_slot(small: Server, stub: Stub, question: Recording) -> None:
    """The client is a separate process in mid-utterance and cannot close its stream."""
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        KILLED_CLIENT,
        small.address,
        question.name,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent.parent)},
    )
    assert client.stdout is not None
    stream_id = (await client.stdout.readline()).decode().strip()
    assert stream_id
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await small.wait_for_line(f"stream closed id={stream_id}")
    result = await asyncio.gather(send_recording(stub, question), send_recording(stub, question))
    assert [each.code for each in result] == [StatusCode.OK] * 2


async def test_client_that_does_not_read_is_blocked_and_then_disconnected(
    small: Server, stub: Stub, question: Recording
) -> None:
    """Each update is answered with 2 kB; unread responses fill the connection, then the server stops reading."""
    update = Request(update=pb.Settings(initial_prompt="x" * 2000))
    await send_recording(stub, question)  # the model has allocated its memory
    before = psutil.Process(small.pid).memory_info().rss
    async with connected(small.address, small_flow_window=True) as other:
        blocked = Call(other)
        await blocked.send(config())
        await blocked.until("started")
        written = await blocked.send_until_blocked([update] * 2000)
        assert written < 1000
        assert (await send_recording(stub, question)).code is StatusCode.OK  # other clients are served at the same time
        await small.wait_for_line(f"stream closed id={blocked.responses[0].started.stream_id}")
        result = await blocked.read_to_end()
    assert result.code is StatusCode.DEADLINE_EXCEEDED
    assert result.message == f"The client read no response for {IDLE_S} s: read responses while sending."
    assert psutil.Process(small.pid).memory_info().rss - before < 32 * 2**20
    assert not [line for line in small.lines if "Traceback" in line]
