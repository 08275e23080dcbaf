"""The client as other programs use it: the examples of the documentation, and the plain iterator."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import stt_client
from stt_client import Connection, ConnectionFailedError, Event, Final, Input, RetryPolicy, Started, recognize_sync
from tests.support.audio_files import encode
from tests.support.scripted_server import (
    Script,
    Stream,
    abort_stream,
    final,
    in_sequence,
    partial,
    replies,
    serving,
    until_cancelled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # gRPC does not like to change its loop
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


async def example(name: str, path: Path, server: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / name), str(path), server, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def loses(stream: Stream) -> None:
    await stream.accept()
    await stream.receive_audio(3200)
    await stream.send(final("Раз.", 0, 0, 1000))
    await abort_stream(stream)


async def test_the_plain_example_prints_each_sentence_once_although_the_server_is_lost(tmp_path: Path) -> None:
    talk = encode(tmp_path / "talk.wav")
    async with serving(in_sequence(loses, replies(partial("два"), final("Два.", 1, 1000, 2000)))) as server:
        code, stdout, stderr = await example("dictate.py", talk, server.address)
    assert (code, stdout) == (0, "Раз.\nДва.\n")
    told = [line.split(" ")[0] for line in stderr.splitlines()]
    assert told == ["connecting", "connected", "reconnecting", "resumed", "…"]


async def test_the_asynchronous_example_ends_its_last_utterance(tmp_path: Path) -> None:
    talk = encode(tmp_path / "talk.wav")
    async with serving(replies(final("Раз.", 0, 0, 1000))) as server:
        code, stdout, stderr = await example("dictate_async.py", talk, server.address)
        commands = [command.WhichOneof("request") for command in server.streams[0].commands]
    assert (code, stdout, stderr, commands) == (0, "Раз.\n", "", ["finalize"])


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)


async def test_everything_public_can_be_had_and_gRPC_is_loaded_only_when_it_is_used() -> None:  # noqa: N802
    done = run(
        "import sys, stt_client; print('grpc' in sys.modules); stt_client.recognize; print('grpc' in sys.modules)"
    )
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")
    assert all(hasattr(stt_client, name) for name in stt_client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'transcribe'"):
        _ = stt_client.transcribe


async def plainly(script: Script, source: Iterator[Input]) -> list[Event]:
    """Iterate in a thread, as a program without a loop does in its only one."""
    async with serving(script) as server:
        return await asyncio.to_thread(lambda: list(recognize_sync(server.address, source)))


async def test_a_plain_iterator_yields_what_the_asynchronous_one_does() -> None:
    events = await plainly(replies(final("Раз.", 0, 0, 1000)), iter([bytes(32_000)]))
    assert [type(event) for event in events] == [Connection, Connection, Started, Final]


async def test_what_the_source_raises_is_raised() -> None:
    def source() -> Iterator[Input]:
        yield bytes(32_000)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await plainly(replies(), source())


async def test_without_a_server_it_says_so() -> None:
    with pytest.raises(ConnectionFailedError, match=r"cannot reach 127\.0\.0\.1:1"):
        list(recognize_sync("127.0.0.1:1", [], retry_policy=RetryPolicy(connect_s=0)))


async def test_leaving_the_iterator_ends_the_stream_although_the_source_blocks() -> None:
    cancelled, never = asyncio.Event(), threading.Event()

    async def waits(stream: Stream) -> None:
        await stream.accept()
        try:
            await until_cancelled(stream)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def source() -> Iterator[Input]:
        never.wait()
        yield b""

    def begin(server: str) -> None:
        events = recognize_sync(server, source())
        while not isinstance(next(events), Started):
            pass
        events.close()

    async with serving(waits) as server:
        await asyncio.to_thread(begin, server.address)
        async with asyncio.timeout(10):
            await cancelled.wait()
    never.set()
