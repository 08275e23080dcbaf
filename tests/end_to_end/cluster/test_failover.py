"""Killed servers, cut connections, stalled networks and clients: the text equals that of an undisturbed dictation.

A few rounds of the experiment in `lab/failures/client_resume.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
import pytest_asyncio

from benchmarks.faults.fault_proxy import proxying
from benchmarks.faults.interrupted_dictations import BYTES_MS, ClientOutput, RestartableServer, dictate, dictation
from benchmarks.faults.stalls import parse_output, stall_position, stalled_at, write_wav
from stt_client.events import Connection, ConnectionState
from tests.support.clients import cli_process

pytestmark = pytest.mark.model

SPEED = 8.0
NOTICED_S = 12.0  # eight seconds for the pings, the rest for a busy machine
SOUND = dictation(seed=3, least_ms=16_000)
SHORT_SOUND = dictation(seed=1, least_ms=5_000)
STALLS_S = 4.0  # longer than the wait for a client that cannot resume, shorter than the detection of a dead network
LASTS_S = len(SOUND) / BYTES_MS / 1000 / SPEED


@dataclass(frozen=True, slots=True)
class Replicas:
    first: RestartableServer
    second: RestartableServer
    undisturbed: ClientOutput

    @property
    def addresses(self) -> list[str]:
        return [self.first.address, self.second.address]

    @property
    def both(self) -> str:
        return ",".join(self.addresses)


@pytest_asyncio.fixture(scope="module")
async def replicas() -> AsyncIterator[Replicas]:
    """Return two servers and the text that either gives for the dictation."""
    first, second = RestartableServer(), RestartableServer()
    try:
        await asyncio.gather(first.start(), second.start())
        undisturbed = await dictate(first.address, SOUND, SPEED)
        assert len(undisturbed.texts) >= 3
        yield Replicas(first, second, undisturbed)
    finally:
        first.kill()
        second.kill()


def assert_same(replicas: Replicas, output: ClientOutput) -> None:
    assert output.texts == replicas.undisturbed.texts
    assert output.numbers == replicas.undisturbed.numbers


@pytest.mark.parametrize("seed", range(4))
async def test_connection_cut_at_any_point_loses_no_word(replicas: Replicas, seed: int) -> None:
    chance = random.Random(seed)
    limits = iter([chance.randint(100, len(SOUND)) for _ in range(2)])
    async with proxying(replicas.addresses, partial(next, limits, None)) as proxy:
        output = await dictate(proxy.address, SOUND, SPEED)
        assert proxy.cuts >= 1
    assert_same(replicas, output)
    assert all(each.resumed_s - each.lost_s < 1 for each in output.breaks)


async def test_network_that_stops_responding_is_detected_within_seconds(replicas: Replicas) -> None:
    async with proxying(replicas.addresses, lambda: None) as proxy:
        output = ClientOutput()
        speaking = asyncio.create_task(dictate(proxy.address, SOUND, SPEED, output))
        await asyncio.sleep(LASTS_S / 2)
        silent_s = monotonic()
        proxy.fall_silent()
        await speaking
    assert_same(replicas, output)
    [broken] = output.breaks
    assert broken.lost_s - silent_s < NOTICED_S


async def test_draining_server_hands_over_its_streams_between_utterances(replicas: Replicas) -> None:
    output = ClientOutput()
    speaking = asyncio.create_task(dictate(replicas.both, SOUND, SPEED, output))
    await asyncio.sleep(LASTS_S / 3)
    replicas.first.drain()
    await speaking
    assert_same(replicas, output)
    assert ConnectionState.DRAINING in [event.state for event in output.events if isinstance(event, Connection)]
    assert all(each.resumed_s - each.lost_s < 1 for each in output.breaks)
    replicas.first.kill()
    await replicas.first.start()


async def test_server_that_is_killed_and_restarted_loses_no_word(replicas: Replicas) -> None:
    output, killed = ClientOutput(), replicas.second
    speaking = asyncio.create_task(dictate(killed.address, SOUND, SPEED, output))
    await asyncio.sleep(LASTS_S / 2)
    killed.kill()
    await killed.start()
    await speaking
    assert_same(replicas, output)
    [broken] = output.breaks
    assert broken.resumed_s - killed.listening_s[-1] < 1


async def stopped(server: str, recording: Path) -> ClientOutput:
    """Return the output of a stt-cli process that is suspended in the middle of its first utterance."""
    options = ("--realtime", "--partials", "--format", "json", "--server", server)
    process = await cli_process.start("recognize", *options, str(recording))
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while json.loads(await process.stdout.readline())["event"] != "partial":
            pass
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(STALLS_S)
    process.send_signal(signal.SIGCONT)
    outcome = await cli_process.outcome(process)
    assert outcome.code == 0
    return parse_output(outcome.stdout)


async def test_stalled_network_and_stalled_client_lose_no_word(replicas: Replicas, tmp_path: Path) -> None:
    recording = tmp_path / "dictation.wav"
    write_wav(recording, SHORT_SOUND)
    undisturbed = await dictate(replicas.first.address, SHORT_SOUND, SPEED)
    in_a_word = stall_position(SHORT_SOUND, loud=True, chance=random.Random(1))
    output = await asyncio.gather(
        stalled_at(replicas.first.address, SHORT_SOUND, in_a_word, STALLS_S),
        stopped(replicas.first.address, recording),
    )
    for each in output:
        assert (each.texts, each.numbers) == (undisturbed.texts, undisturbed.numbers)
    assert not output[0].breaks  # the connection has survived
