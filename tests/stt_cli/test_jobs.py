"""Parallel recognition of recordings: number of jobs, order of the texts, and progress bars in a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from pathlib import Path

import grpc
import pyte
import pytest

from tests.stt_cli.test_recognize import read_until
from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import Outcome, run, start
from tests.support.servers.scripted_server import Script, Stream, failure, final, replies, serving

LENGTHS_S = {"a": 0.3, "b": 0.2, "c": 0.1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seconds in LENGTHS_S.items():
        encode(tmp_path / f"{name}.wav", seconds=seconds)
    return tmp_path


def answer_in_reverse_order(shown: asyncio.Event | None = None) -> Script:
    """Wait for the event, then answer the recordings with their names, the last one first."""
    answered_count = {name: asyncio.Event() for name in [*LENGTHS_S, "d"]}
    answered_count["d"] = shown or answered_count["d"]
    if shown is None:
        answered_count["d"].set()

    async def script(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio()
        name = next(name for name, seconds in LENGTHS_S.items() if len(stream.audio) == round(seconds * 32_000))
        await answered_count[chr(ord(name) + 1)].wait()
        await stream.send(final(name.upper()))
        answered_count[name].set()

    return script


async def test_texts_are_in_the_order_of_the_recordings(folder: Path) -> None:
    result, _ = await run(answer_in_reverse_order(), "--jobs", "3", str(folder))
    headlines = "".join(f"# {folder}/{name}.wav\n" for name in LENGTHS_S)
    assert result == Outcome(0, "A\nB\nC\n", headlines)


async def test_no_more_jobs_run_at_once_than_requested(folder: Path) -> None:
    running, most = 0, 0
    both = asyncio.Event()

    async def counts(stream: Stream) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            both.set()
        await stream.accept()
        await stream.receive_audio()
        await both.wait()
        await stream.send(final("Раз."))
        running -= 1

    result, streams = await run(counts, "--jobs", "2", str(folder))
    assert (result.code, len(streams), most) == (0, 3, 2)


async def test_failed_job_is_reported_and_the_others_continue(folder: Path) -> None:
    async def reject_shortest(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio()
        if len(stream.audio) == 3200:
            await stream.send(failure(grpc.StatusCode.INVALID_ARGUMENT, "Too short."))
            await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Too short.")
        await stream.send(final("Раз."))

    result, _ = await run(reject_shortest, "--jobs", "3", str(folder))
    assert (result.code, result.stdout) == (1, "Раз.\nРаз.\n")
    assert f"Error: {folder}/c.wav: Too short.\n" in result.stderr


async def test_each_recording_has_its_own_file_in_a_folder(folder: Path) -> None:
    target = folder / "texts"
    await run(
        answer_in_reverse_order(), "--jobs", "3", "-o", f"{target}/", *(f"{folder}/{name}.wav" for name in LENGTHS_S)
    )
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        f"{name}.txt": f"{name.upper()}\n" for name in LENGTHS_S
    }


async def test_terminal_shows_one_bar_per_recording_and_keeps_only_the_texts(folder: Path) -> None:
    shown = asyncio.Event()
    terminal, process_end = pty.openpty()
    fcntl.ioctl(process_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    screen = pyte.Screen(60, 24)
    screen.set_mode(pyte.modes.LNM)
    async with serving(answer_in_reverse_order(shown)) as server:
        arguments = ["recognize", "--jobs", "3", "--server", server.address, str(folder), "--format", "vtt"]
        arguments += ["-o", f"{folder}/texts/"]
        process = await start(*arguments, stderr=process_end, TERM="xterm", COLUMNS="60")
        os.close(process_end)
        output = await asyncio.to_thread(read_until, terminal, "c.wav")
        shown.set()
        output += await asyncio.to_thread(read_until, terminal, None)
        assert await process.wait() == 0
    os.close(terminal)
    pyte.Stream(screen).feed(output)
    assert all(f"{name}.wav" in output for name in LENGTHS_S)
    assert [line for line in screen.display if line.strip()] == []
    assert len(list((folder / "texts").iterdir())) == 3


async def test_outputs_are_written_in_argument_order_for_every_kind_of_source(folder: Path) -> None:
    named = [str(folder / "c.wav"), str(folder / "a.wav")]
    result, _ = await run(replies(final("Раз.")), "--jobs", "2", "--format", "json", *named)
    assert [line.split('"')[3] for line in result.stdout.splitlines()] == named
