"""The public interface: the examples of the documentation and the synchronous iterator."""

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
from tests.support.audio.audio_files import encode
from tests.support.servers.scripted_server import (
    Script,
    Stream,
    abort_stream,
    final,
    in_sequence,
    partial,
    replies,
    serving,
    until_canceled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # gRPC does not support a change of the loop
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


async def run_example(name: str, path: Path, server: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / name), str(path), server, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def aborts_after_final(stream: Stream) -> None:
    await stream.accept()
    await stream.receive_audio(3200)
    await stream.send(final("Раз.", 0, 0, 1000))
    await abort_stream(stream)


async def test_synchronous_example_prints_each_sentence_once_despite_a_disconnection(tmp_path: Path) -> None:
    talk = encode(tmp_path / "talk.wav")
    async with serving(
        in_sequence(aborts_after_final, replies(partial("два"), final("Два.", 1, 1000, 2000)))
    ) as server:
        code, stdout, stderr = await run_example("dictate.py", talk, server.address)
    assert (code, stdout) == (0, "Раз.\nДва.\n")
    states = [line.split(" ")[0] for line in stderr.splitlines()]
    assert states == ["connecting", "connected", "reconnecting", "resumed", "…"]


async def test_asynchronous_example_finalizes_its_last_utterance(tmp_path: Path) -> None:
    talk = encode(tmp_path / "talk.wav")
    async with serving(replies(final("Раз.", 0, 0, 1000))) as server:
        code, stdout, stderr = await run_example("dictate_async.py", talk, server.address)
        commands = [command.WhichOneof("request") for command in server.streams[0].commands]
    assert (code, stdout, stderr, commands) == (0, "Раз.\n", "", ["finalize"])


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)


async def test_public_names_are_importable_and_gRPC_is_loaded_on_first_use() -> None:  # noqa: N802
    done = run(
        "import sys, stt_client; print('grpc' in sys.modules); stt_client.recognize; print('grpc' in sys.modules)"
    )
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")
    assert all(hasattr(stt_client, name) for name in stt_client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'transcribe'"):
        _ = stt_client.transcribe


async def run_synchronously(script: Script, source: Iterator[Input]) -> list[Event]:
    """Iterate in a thread without an event loop."""
    async with serving(script) as server:
        return await asyncio.to_thread(lambda: list(recognize_sync(server.address, source)))


async def test_synchronous_iterator_yields_the_same_events() -> None:
    events = await run_synchronously(replies(final("Раз.", 0, 0, 1000)), iter([bytes(32_000)]))
    assert [type(event) for event in events] == [Connection, Connection, Started, Final]


async def test_error_of_the_source_is_raised() -> None:
    def source() -> Iterator[Input]:
        yield bytes(32_000)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await run_synchronously(replies(), source())


async def test_unreachable_server_raises_connection_failed() -> None:
    with pytest.raises(ConnectionFailedError, match=r"cannot reach 127\.0\.0\.1:1"):
        list(recognize_sync("127.0.0.1:1", [], retry_policy=RetryPolicy(connect_s=0)))


async def test_closing_the_iterator_ends_the_stream_while_the_source_blocks() -> None:
    cancelled, never = asyncio.Event(), threading.Event()

    async def waits(stream: Stream) -> None:
        await stream.accept()
        try:
            await until_canceled(stream)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def source() -> Iterator[Input]:
        never.wait()
        yield b""

    def start_and_close(server: str) -> None:
        events = recognize_sync(server, source())
        while not isinstance(next(events), Started):
            pass
        events.close()

    async with serving(waits) as server:
        await asyncio.to_thread(start_and_close, server.address)
        async with asyncio.timeout(10):
            await cancelled.wait()
    never.set()
