"""Dictations whose network stalls for 1 to 20 s, or whose client is stopped for 1 to 45 s, at a random moment.

They run in real time, several concurrently: a stall takes time, but no compute.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import tempfile
import wave
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.fault_proxy import proxying
from benchmarks.faults.interrupted_dictations import (
    BYTES_MS,
    CHUNK_MS,
    ClientOutput,
    Proof,
    RestartableServer,
    played,
    recognized_from,
    seconds,
)
from stt_client.events import Final, Latency, Suppressed

AT_ONCE = 6
STALL_S = (1.0, 20.0)
STOP_S = (1.0, 45.0)
CHUNK_BYTES = CHUNK_MS * BYTES_MS
CLIENT = "from stt_cli.commands.main import main; main()"
OPENING_S = 2.0  # for the client to start and the stream to open

Disturbed = Callable[[str, bytes, random.Random], Awaitable[ClientOutput]]


async def disturbed(
    name: str,
    disturb: Disturbed,
    server_process: RestartableServer,
    pcms: Sequence[bytes],
    undisturbed: Sequence[ClientOutput],
) -> Proof:
    """Return the results of the dictations, with a few running concurrently."""
    proof, slots = Proof(name), asyncio.Semaphore(AT_ONCE)

    async def one(number: int, pcm: bytes, expected: ClientOutput) -> None:
        async with slots:
            output = await disturb(server_process.address, pcm, random.Random(number))
        proof.add(expected, output)

    async with asyncio.TaskGroup() as tasks:
        for number, (pcm, expected) in enumerate(zip(pcms, undisturbed, strict=True)):
            tasks.create_task(one(number, pcm, expected))
    return proof


async def stalled_network(server: str, pcm: bytes, chance: random.Random) -> ClientOutput:
    """Dictate through a network that stalls once, within a word or between two."""
    return await stalled_at(
        server, pcm, stall_position(pcm, chance, loud=chance.random() < 0.5), chance.uniform(*STALL_S)
    )


async def stalled_at(server: str, pcm: bytes, at: int, length_s: float) -> ClientOutput:
    """Dictate through a network that stalls for the given time once the client has recorded so many bytes."""
    async with proxying([server], lambda: None) as proxy, asyncio.TaskGroup() as stalls:

        async def spoken() -> AsyncIterator[bytes]:
            recorded = 0
            async for chunk in played(pcm, speed=1):
                if recorded <= at < recorded + len(chunk):
                    stalls.create_task(proxy.stall(length_s))
                yield chunk
                recorded += len(chunk)

        return await recognized_from(proxy.address, spoken(), ClientOutput())


def stall_position(pcm: bytes, chance: random.Random, *, loud: bool) -> int:
    """Return a byte in a loud chunk of the dictation, which is within a word, or in a quiet one, between words."""
    whole = len(pcm) // CHUNK_BYTES * CHUNK_BYTES
    chunks = np.frombuffer(pcm[:whole], "<i2").astype(np.float64).reshape(-1, CHUNK_BYTES // 2)
    loudness = (chunks**2).mean(axis=1)
    wanted = loudness >= np.quantile(loudness, 0.7) if loud else loudness <= np.quantile(loudness, 0.4)
    return int(chance.choice(np.flatnonzero(wanted).tolist())) * CHUNK_BYTES


async def stopped_client(server: str, pcm: bytes, chance: random.Random) -> ClientOutput:
    """Dictate with a stt-cli process that is stopped once and continued."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "dictation.wav"
        write_wav(recording, pcm)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, "recognize", "--realtime", "--format", "json", "--server", server),
            recording,
            stdin=DEVNULL,
            stdout=PIPE,
        )
        try:
            await asyncio.sleep(OPENING_S + chance.uniform(0, seconds(pcm)))
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(*STOP_S))
            process.send_signal(signal.SIGCONT)
            return parse_output((await process.communicate())[0].decode())
        finally:
            if process.returncode is None:
                process.kill()


def write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(pcm)


def parse_output(text: str) -> ClientOutput:
    """Return the events that a client printed as JSON."""
    output = ClientOutput()
    for line in text.splitlines():
        if (event := _event(json.loads(line))) is not None:
            output.add(event)
    return output


def _event(event: Mapping[str, Any]) -> Final | Suppressed | None:
    """Return the end of an utterance in a line of JSON, without its times."""
    match event["event"]:
        case "suppressed":
            return Suppressed(event["utterance"], 0, 0, event["reason"], event["text"])
        case "final":
            unknown = Latency(0, 0, 0, speculative=False, batch=0)
            return Final(event["utterance"], event["text"], 0, 0, event["language"], 1, 1, event["endpoint"], unknown)
    return None
