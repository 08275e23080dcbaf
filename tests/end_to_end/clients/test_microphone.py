"""A microphone through PulseAudio, ALSA, PortAudio, stt-cli and stt-server; only its audio is virtual."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import pytest

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Recording
from benchmarks.service import Service
from tests.support.audio import virtual_room
from tests.support.audio.virtual_room import VirtualRoom

LACKING = virtual_room.missing_requirement()
pytestmark = [pytest.mark.model, pytest.mark.skipif(LACKING is not None, reason=f"This machine lacks {LACKING}.")]

STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
TIMEOUT_S = 60.0


@pytest.fixture
def room(tmp_path: Path) -> Iterator[VirtualRoom]:
    with virtual_room.open_room(tmp_path) as room:
        yield room


async def dictation(room: VirtualRoom, service: Service) -> Process:
    """Return stt-cli once the microphone is open and the server has answered."""
    environment = {**room.environment(), "SERVER_HOST": service.address}
    options = ["--device", "ROOM", "--language", "en", "--verbose"]
    process = await asyncio.create_subprocess_exec(
        STT_CLI, "recognize", *options, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment
    )
    await wait_for_line(process, "Model base")
    return process


async def wait_for_line(process: Process, message: str) -> str:
    """Wait for the line on stderr that starts like this; return it."""
    assert process.stderr is not None
    received = list[str]()
    async with asyncio.timeout(TIMEOUT_S):
        while line := (await process.stderr.readline()).decode():
            received.append(line)
            if line.startswith(message):
                return line
    raise AssertionError(f"stt-cli exited without {message!r}; its output: {received}.")


async def next_text(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        return (await process.stdout.readline()).decode()


async def test_speech_played_in_the_room_is_recognized(
    room: VirtualRoom, service: Service, recordings: Mapping[str, Recording]
) -> None:
    question = recordings["en/brooklyn-bridge"]
    process = await dictation(room, service)
    await asyncio.to_thread(room.play, question.path)
    text = await next_text(process)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    assert count_errors(normalize(question.text, "en"), normalize(text, "en")).percent <= 20


async def test_microphone_that_is_unplugged_and_reconnected_continues(
    room: VirtualRoom, service: Service, recordings: Mapping[str, Recording]
) -> None:
    question = recordings["en/brooklyn-bridge"]
    process = await dictation(room, service)
    await asyncio.to_thread(room.unplug)
    assert "reconnect it" in await wait_for_line(process, "The microphone room was disconnected")
    await asyncio.to_thread(room.plug_in)
    await wait_for_line(process, "Listening to room")
    await asyncio.to_thread(room.play, question.path)
    text = await next_text(process)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    assert count_errors(normalize(question.text, "en"), normalize(text, "en")).percent <= 20


async def run(room: VirtualRoom, *arguments: str) -> str:
    """Return the output of stt-cli."""
    process = await asyncio.create_subprocess_exec(STT_CLI, *arguments, stdout=PIPE, env=room.environment())
    stdout, _ = await process.communicate()
    return stdout.decode()


async def test_microphone_is_listed_with_its_native_rate(room: VirtualRoom) -> None:
    lines = (await run(room, "devices")).splitlines()
    assert any(line.split()[1:3] == ["44100", "Hz"] and line.endswith("  room") for line in lines)
    listed = json.loads(await run(room, "devices", "--format", "json"))
    assert ("room", 44_100) in [(device["name"], device["sample_rate_hz"]) for device in listed]


@asynccontextmanager
async def playing_on(room: VirtualRoom, path: Path) -> AsyncIterator[None]:
    """Play the file again and again."""
    is_ended = Event()

    def play() -> None:
        while not is_ended.is_set():
            room.play(path)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(play))
        try:
            yield
        finally:
            is_ended.set()


async def test_doctor_measures_the_microphone_level(
    room: VirtualRoom, service: Service, recordings: Mapping[str, Recording]
) -> None:
    arguments = ["doctor", "--device", "room", "--server", service.address]
    received = await run(room, *arguments)
    assert "warn level of room: only zeros." in received
    async with playing_on(room, recordings["en/brooklyn-bridge"].path):
        received = await run(room, *arguments)
    assert re.search(r"level of room: peak -\d+ dB", received), received
