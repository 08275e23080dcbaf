"""SIGTERM during speech: clients get pending finals and the reason, and resume elsewhere without a lost word."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import grpc
import pytest
import pytest_asyncio
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from stt.v1 import stt_pb2 as pb

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Recording
from tests.support.audio.encoded_audio import silence
from tests.support.clients.wire_client import Call, StreamResult, Stub, assert_event_order, config, connected
from tests.support.servers.server_process import COMMON, Server

pytestmark = pytest.mark.model

FIRST, SECOND = "en/riva-question", "en/austen-0930"
PAUSE_S = 0.5  # too short to end an utterance


@dataclass(frozen=True, slots=True)
class Drained:
    """Observations of a server that received SIGTERM while three streams were open."""

    in_pause: StreamResult  # after FIRST and half a second of silence
    in_word: StreamResult  # cut off in the middle of SECOND
    unopened: StreamResult  # no config sent
    states: list[int]  # of a Health/Watch call, as a load balancer opens it; it never closes on its own
    exit_code: int
    took_s: float
    lines: list[str]


def audio_before_drain(recordings: Mapping[str, Recording]) -> bytes:
    return recordings[FIRST].pcm() + silence(PAUSE_S)


async def watch(address: str, watched: asyncio.Event) -> list[int]:
    """Return the health states that the server reports until it exits."""
    states: list[int] = []
    async with grpc.aio.insecure_channel(address) as channel:
        question = health_pb2.HealthCheckRequest(service="stt.v1.SpeechToText")
        call = health_pb2_grpc.HealthStub(channel).Watch(question)
        with suppress(grpc.aio.AioRpcError):
            while True:
                states.append((await call.read()).status)
                watched.set()
    return states


async def terminated(server: Server, calls: Sequence[Call]) -> Drained:
    """Shut the server down while the calls are open."""
    watched = asyncio.Event()
    watching = asyncio.create_task(watch(server.address, watched))
    await watched.wait()
    started = monotonic()
    server.terminate()
    in_pause, in_word, unopened = [await call.read_to_end() for call in calls]
    exit_code = await server.wait_for_exit()
    took_s = monotonic() - started
    return Drained(in_pause, in_word, unopened, await watching, exit_code, took_s, server.lines)


@pytest_asyncio.fixture(scope="module")
async def drained(recordings: Mapping[str, Recording]) -> Drained:
    with Server({**COMMON, "MAX_STREAMS": "4"}) as server:
        await asyncio.to_thread(server.wait_until_listening)
        async with connected(server.address) as stub:
            in_pause, in_word, _ = calls = [Call(stub) for _ in range(3)]
            await in_pause.send(config())
            await in_pause.send_audio(audio_before_drain(recordings))
            await in_word.send(config())
            await in_word.send_audio(recordings[SECOND].pcm()[:48_000])
            await in_pause.sync()
            await in_word.sync()
            return await terminated(server, calls)


def test_drain_sends_pending_finals_then_the_failure(drained: Drained, recordings: Mapping[str, Recording]) -> None:
    for result in (drained.in_pause, drained.in_word):
        assert [kind for kind in result.kinds if kind != "settings"] == [
            "started", "speech_started", "notice", "final", "failure",
        ]  # fmt: skip
        assert [final.endpoint for final in result.finals] == [pb.ENDPOINT_STALLED]  # no more events
        assert result.code is StatusCode.UNAVAILABLE
        assert result.failure_message() == "The server is draining: resume on another server."
        assert_event_order(result)
    assert result.responses[-1].failure.retry_after.ToMilliseconds() > 0
    expected = normalize(recordings[FIRST].text, "en")
    assert count_errors(expected, normalize(drained.in_pause.text, "en")).count == 0


def test_drain_notice_has_the_remaining_time(drained: Drained) -> None:
    (notice,) = [r.notice for r in drained.in_pause.responses if r.HasField("notice")]
    assert notice.reason == "DRAIN"
    assert 0 < notice.remaining.ToSeconds() <= 60


def test_stream_without_a_config_does_not_delay_the_drain(drained: Drained) -> None:
    assert drained.unopened.kinds == ["failure"]
    assert drained.unopened.code is StatusCode.UNAVAILABLE


def test_server_exits_promptly_with_open_health_watches(drained: Drained) -> None:
    assert drained.exit_code == 0
    assert drained.took_s < 20
    assert not [line for line in drained.lines if "Traceback" in line or "ERROR" in line]


def test_health_changes_to_not_serving_before_streams_end(drained: Drained) -> None:
    serving = health_pb2.HealthCheckResponse
    assert drained.states == [serving.SERVING, serving.NOT_SERVING]


async def test_another_server_resumes_the_stream_without_lost_or_repeated_words(
    drained: Drained, stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    audio_sent = audio_before_drain(recordings) + recordings[SECOND].pcm()
    before = drained.in_pause
    settled_ms = before.responses[-2].committed_ms  # the last event before the failure
    assert 0 <= len(audio_before_drain(recordings)) // 32 - settled_ms < 32  # only whole frames
    resume = pb.Resume(audio_offset_ms=settled_ms, next_utterance=before.finals[-1].utterance + 1)
    call = Call(stub)
    await call.send(config(resume=resume))
    await call.send_audio(audio_sent[settled_ms * 32 :])
    after = await call.end()
    (first,), (second,) = before.finals, after.finals
    assert (first.utterance, second.utterance) == (0, 1)
    assert first.end_ms <= settled_ms <= second.start_ms
    expected = normalize(recordings[FIRST].text + " " + recordings[SECOND].text, "en")
    assert count_errors(expected, normalize(first.text + " " + second.text, "en")).count == 0
    assert after.responses[-1].committed_ms == len(audio_sent) // 32
    assert_event_order(after)
