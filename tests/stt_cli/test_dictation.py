"""Dictation from a file device against a scripted server: saved audio, silence, clipboard."""

from __future__ import annotations

import base64
import os
import pty
from asyncio import timeout, to_thread
from pathlib import Path

import grpc
import pytest
from stt.v1 import stt_pb2

from stt_client.audio.decode import open_file
from tests.stt_cli.test_recognize import read_until
from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import MAIN, outcome, run, start
from tests.support.servers.scripted_server import Response, Stream, failure, final, replies, serving


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return encode(tmp_path / "talk.wav", seconds=0.5)


def pcm_of(path: Path) -> bytes:
    return b"".join(open_file(path, lambda _: None).chunks)


def desktop_environment(folder: Path, script: str) -> dict[str, str]:
    """Return the environment of a desktop whose clipboard tool is this shell script."""
    tool = folder / "bin" / "xclip"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "DISPLAY": ":0", "WAYLAND_DISPLAY": "", "TMUX": ""}


async def test_recording_with_immediate_speech_is_complete_and_ends_the_dictation(recording: Path) -> None:
    result, (stream,) = await run(replies(final("Раз.")), "--device", f"file:{recording}")
    assert (result.code, result.stdout, result.stderr) == (0, "Раз.\n", "")
    assert bytes(stream.audio) == pcm_of(recording)


async def test_speech_before_the_server_is_available_is_not_lost(recording: Path) -> None:
    async with serving(replies()) as server:
        address = server.address
    terminal, other_end = pty.openpty()
    process = await start(
        "recognize", "--server", address, "--device", f"file:{recording}", stderr=other_end, TERM="xterm"
    )
    os.close(other_end)
    await to_thread(read_until, terminal, "connecting: ")  # a connection attempt has failed
    async with serving(replies(final("Раз.")), port=int(address.rpartition(":")[2])) as server:
        assert process.stdout is not None
        assert (await process.stdout.read()).decode() == "Раз.\n"
        await to_thread(read_until, terminal, None)
        assert await process.wait() == 0
    os.close(terminal)
    assert b"".join(bytes(stream.audio) for stream in server.streams) == pcm_of(recording)


async def test_microphone_stops_after_silence(tmp_path: Path) -> None:
    recording = encode(tmp_path / "talk.wav", seconds=60)

    async def send_one_word(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        await stream.send(Response(speech_started=stt_pb2.SpeechStarted(utterance=1)))
        await stream.receive_audio(3200 * 12)
        await stream.send(final("Раз.", end_ms=500))
        await stream.receive_audio()

    result, (stream,) = await run(send_one_word, "--device", f"file:{recording}", "--stop-after-silence", "1")
    assert (result.code, result.stdout, result.stderr) == (0, "Раз.\n", "")
    assert 12 <= len(stream.audio) / 3200 <= 40


async def test_saved_audio_can_be_recognized_again_with_the_same_options(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dictations"
    await run(replies(final("Раз.")), "--device", f"file:{recording}", "--save-audio", str(folder), "--language", "ru")
    async with serving(replies(final("Два."))) as server:
        options = ["--server", server.address, "--hotwords", "Анна"]
        result = await outcome(await start("recover", str(folder), *options))
    (stream,) = server.streams
    assert (result.code, result.stdout, result.stderr) == (0, "Два.\n", "")
    assert bytes(stream.audio) == pcm_of(recording)
    assert stream.config.settings == stt_pb2.Settings(language="ru", hotwords=["Анна"])


async def test_failed_server_error_names_the_saved_audio(recording: Path, tmp_path: Path) -> None:
    async def reject(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        await stream.send(failure(grpc.StatusCode.INVALID_ARGUMENT, "No."))
        await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "No.")

    result, _ = await run(reject, "--device", f"file:{recording}", "--save-audio", str(tmp_path / "kept"))
    (file,) = (tmp_path / "kept").iterdir()
    assert result.code == 1
    assert result.stderr.startswith(
        f"The audio is saved in {file}. To recognize it, run `stt-cli recover {file}`.\nError: "
    )


async def test_unwritable_saved_audio_does_not_end_the_dictation(recording: Path) -> None:
    result, (stream,) = await run(
        replies(final("Раз.")), "--device", f"file:{recording}", "--save-audio", "/dev/null/kept"
    )
    assert (result.code, result.stdout, len(stream.audio)) == (0, "Раз.\n", 16_000)
    assert "the journal in /dev/null/kept cannot be written" in result.stderr


async def test_each_final_is_copied_to_the_clipboard(recording: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"

    async def send_with_pause(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        await stream.send(final("Раз."))
        async with timeout(30):
            while not copied.exists() or copied.read_text() != "Раз.|":  # by another process
                await to_thread(os.sched_yield)
        await stream.receive_audio()
        await stream.send(final("Два.", 2))

    async with serving(send_with_pause) as server:
        arguments = ["recognize", "--copy", "--server", server.address, str(recording)]
        # xclip also leaves a process running
        variables = desktop_environment(tmp_path, f"(cat; printf '|') >> {copied}; sleep 600 &")
        result = await outcome(await start(*arguments, more=variables))
    assert (result.code, result.stdout, result.stderr) == (0, "Раз.\nДва.\n", "")
    assert copied.read_text() == "Раз.|Два.|"


async def test_clipboard_that_hangs_delays_no_text_and_is_reported(recording: Path, tmp_path: Path) -> None:
    async with serving(replies(final("Раз."), final("Два.", 2))) as server:
        arguments = ["recognize", "--copy", "--server", server.address, str(recording)]
        variables = desktop_environment(tmp_path, "exec sleep 600")
        result = await outcome(await start(*arguments, more=variables))
    assert (result.code, result.stdout) == (0, "Раз.\nДва.\n")
    assert result.stderr == "Cannot copy to a clipboard: see `stt-cli doctor`.\n"


async def test_without_a_desktop_the_text_is_copied_through_the_terminal(recording: Path) -> None:
    terminal, other_end = pty.openpty()
    open_terminal = f"import os; os.open({os.ttyname(other_end)!r}, os.O_RDWR)"  # as controlling terminal
    async with serving(replies(final("Раз."))) as server:
        arguments = ["recognize", "--copy", "--server", server.address, str(recording)]
        process = await start(*arguments, main=f"{open_terminal}; {MAIN}", DISPLAY="", WAYLAND_DISPLAY="", TMUX="")
        printed = await to_thread(read_until, terminal, "\x07")
        assert (await outcome(process)).stdout == "Раз.\n"
    os.close(terminal)
    os.close(other_end)
    assert printed == f"\x1b]52;c;{base64.b64encode('Раз.'.encode()).decode()}\x07"
