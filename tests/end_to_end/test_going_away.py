"""SIGTERM while people speak: each gets what is owed, knows why, and goes on elsewhere without a lost word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from time import monotonic

import grpc
import pytest
import pytest_asyncio
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from servers import COMMON, Server
from sounds import silence
from stt.v1 import stt_pb2 as pb
from wire_client import Call, Heard, Stub, assert_orderly, config, connected, health

from benchmarks.recorded import Recording
from benchmarks.words import errors, plain

pytestmark = pytest.mark.model

FIRST, SECOND = "en/riva-question", "en/austen-0930"
PAUSE_S = 0.5  # too short to end an utterance


@dataclass(frozen=True, slots=True)
class Drained:
    """What was seen of a server that was told to go while three streams were open."""

    in_pause: Heard  # FIRST was said, and half a second of silence followed
    in_word: Heard  # cut off in the middle of SECOND
    unopened: Heard  # had not sent its config
    states: list[int]  # of health, as it was watched
    exit_code: int
    took_s: float
    lines: list[str]


def sound(recordings: Mapping[str, Recording]) -> bytes:
    return recordings[FIRST].pcm() + silence(PAUSE_S) + recordings[SECOND].pcm()


@pytest_asyncio.fixture(scope="module")
async def drained(recordings: Mapping[str, Recording]) -> Drained:
    with Server(COMMON) as server:
        await asyncio.to_thread(server.wait_until_listening)
        async with connected(server.address) as stub, watched(server.address) as states:
            in_pause, in_word, unopened = Call(stub), Call(stub), Call(stub)
            await in_pause.send(config())
            await in_pause.say(sound(recordings)[: len(recordings[FIRST].pcm()) + len(silence(PAUSE_S))])
            await in_word.send(config())
            await in_word.say(recordings[SECOND].pcm()[:48_000])
            await in_pause.sync()
            await in_word.sync()
            began = monotonic()
            server.terminate()
            heard = [await call.rest() for call in (in_pause, in_word, unopened)]
            exit_code = await server.ended()
            took_s = monotonic() - began
    return Drained(*heard, states, exit_code, took_s, server.lines)


class watched:
    """Watches the health of a server, as a balancer does: its call stays open until the server is gone."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._states: list[int] = []

    async def __aenter__(self) -> list[int]:
        self._channel = grpc.aio.insecure_channel(self._address)
        question = health_pb2.HealthCheckRequest(service="stt.v1.SpeechToText")
        self._call = health_pb2_grpc.HealthStub(self._channel).Watch(question)
        self._states.append((await self._call.read()).status)
        self._watching = asyncio.create_task(self._watch())
        return self._states

    async def _watch(self) -> None:
        try:
            async for answer in self._call:
                self._states.append(answer.status)
        except grpc.aio.AioRpcError:
            return
