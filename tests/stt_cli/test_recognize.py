"""A running recognition over time: real-time pace, signals, a closed reader, a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import termios
import time
from itertools import count
from pathlib import Path

import pytest

from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import DICTATE, Outcome, outcome, run, start
from tests.support.servers.scripted_server import (
    Stream,
    final,
    partial,
    replies,
    serving,
    suppressed,
    until_canceled,
)

STYLE = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(encode(tmp_path / "talk.wav"))


async def test_realtime_takes_as_long_as_speech(recording: str) -> None:
    started_at = time.monotonic()
    result, _ = await run(replies(final("Раз.")), "--realtime", recording)
    assert result.stdout == "Раз.\n"
    assert time.monotonic() - started_at >= 2


async def test_ctrl_c_ends_a_recording_and_prints_pending_finals(recording: str) -> None:
    received = asyncio.Event()

    async def send_final_after_audio(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        received.set()
        await stream.receive_audio()
        await stream.send(final("Раз."))

    async with serving(send_final_after_audio) as server:
        process = await start("recognize", "--server", server.address, "--realtime", recording)
        await received.wait()
        process.send_signal(signal.SIGINT)
        assert await outcome(process) == Outcome(130, "Раз.\n", "")
        assert server.streams[0].half_closed
        assert len(server.streams[0].audio) < 64_000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_second_signal_quits_immediately(recording: str, number: signal.Signals, code: int) -> None:
    reached, half_closed = asyncio.Event(), asyncio.Event()

    async def never_answers(stream: Stream) -> None:
        await stream.accept()
        reached.set()
        await stream.receive_audio()
        half_closed.set()
        await until_canceled(stream)

    async with serving(never_answers) as server:
        process = await start("recognize", "--server", server.address, "--realtime", recording)
        await reached.wait()
        process.send_signal(number)
        await half_closed.wait()
        process.send_signal(number)
        assert (await outcome(process)).code == code


async def test_ctrl_c_ends_a_pipe_without_audio() -> None:
    received = asyncio.Event()

    async def receive_audio_only(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        received.set()
        await stream.receive_audio()

    async with serving(receive_audio_only) as server:
        process = await start("recognize", "--server", server.address, "--raw", "16000", "-")
        assert process.stdin is not None
        process.stdin.write(bytes(3200))
        await received.wait()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await process.wait() == 130
        process.stdin.close()


async def test_ctrl_c_ends_dictation() -> None:
    received = asyncio.Event()

    async def receive_audio_only(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(5 * 9600)
        received.set()
        await stream.receive_audio()
        await stream.send(final("Раз."))

    async with serving(receive_audio_only) as server:
        process = await start("recognize", "--server", server.address, main=DICTATE)
        await received.wait()
        process.send_signal(signal.SIGINT)
        assert await outcome(process) == Outcome(0, "Раз.\n", "device stopped\n")
        assert server.streams[0].config.format.sample_rate_hz == 48_000


async def test_restarted_server_receives_all_uncommitted_audio_again(recording: str) -> None:
    async with serving(until_canceled) as server:
        process = await start("recognize", "--server", server.address, recording)
        async with asyncio.timeout(30):
            await server.called.wait()
    async with serving(replies(final("Раз.")), port=int(server.address.rpartition(":")[2])) as server:
        result = await outcome(process)
    assert (result.code, result.stdout) == (0, "Раз.\n")
    assert len(server.streams[0].audio) == 64_000


async def test_closed_stdout_reader_ends_recognition_without_an_error(recording: str) -> None:
    async def talks_on(stream: Stream) -> None:
        await stream.accept()
        for utterance in count():
            await stream.send(final("Раз.", utterance))

    read_end, write_end = os.pipe()
    async with serving(talks_on) as server:
        process = await start("recognize", "--server", server.address, recording, stdout=write_end)
        os.close(write_end)
        assert await asyncio.to_thread(os.read, read_end, 8) == "Раз.\n".encode()
        os.close(read_end)
        result = await outcome(process)
    assert (result.code, result.stderr) == (0, "")


async def test_terminal_shows_partials_and_keeps_only_finals(recording: str) -> None:
    """A pseudo-terminal of 30 columns receives stdout and stderr."""
    partial_shown = asyncio.Event()

    async def send_partial_and_final(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        await stream.send(partial("очень длинное начало, которое не помещается ", "и конец"))
        await partial_shown.wait()
        await stream.receive_audio()
        await stream.send(final("Раз, два."), suppressed("you"))

    terminal, process_end = pty.openpty()
    fcntl.ioctl(process_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    async with serving(send_partial_and_final) as server:
        process = await start(
            "recognize",
            "--server",
            server.address,
            recording,
            stdout=process_end,
            stderr=process_end,
            TERM="xterm",
        )
        os.close(process_end)
        output = await asyncio.to_thread(read_until, terminal, "и конец")
        partial_shown.set()
        output += await asyncio.to_thread(read_until, terminal, None)
        assert await process.wait() == 0
    os.close(terminal)
    lines = [line.rpartition("\r\x1b[2K")[2] for line in output.replace("\r\n", "\n").split("\n")]
    assert [STYLE.sub("", line) for line in lines] == ["Раз, два.", "Suppressed (NO_SPEECH): you", ""]
    printed = [STYLE.sub("", part) for part in output.split("\r\x1b[2K") if "и конец" in part]
    assert printed
    assert all(len(line) <= 29 for line in printed)
    assert server.streams[0].config.partials


def read_until(terminal: int, expected: str | None) -> str:
    """Read until the text was printed, or to the end."""
    output = b""
    while expected is None or expected not in output.decode(errors="replace"):
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux raises it when the last writer has closed the terminal
            part = b""
        if not part:
            break
        output += part
    return output.decode()
