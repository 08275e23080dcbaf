"""Signals, kills and full servers: recognized text is written, and recordings wait for a free slot."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2

from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import DICTATE, MAIN, Outcome, outcome, run, start
from tests.support.servers.scripted_server import (
    Response,
    Script,
    Stream,
    failure,
    final,
    replies,
    serving,
    until_canceled,
)

SCRIPT = replies(final("Раз."))


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(encode(tmp_path / "talk.wav"))


# Signals and kills


def delayed_final(received: asyncio.Event) -> Script:
    """Set the event when audio arrives, and send the final only after the end of the audio."""

    async def script(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        received.set()
        await stream.receive_audio()
        await stream.send(final("Раз."))

    return script


@pytest.mark.parametrize("source", [["--realtime"], ["--device"]])
async def test_hangup_writes_the_pending_text_like_sigterm(recording: str, tmp_path: Path, source: list[str]) -> None:
    """The signal arrives twice: from the terminal and from its shell."""
    received, target = asyncio.Event(), tmp_path / "hup.txt"
    named = [*source, recording] if source == ["--realtime"] else [*source, f"file:{recording}"]
    async with serving(delayed_final(received)) as server:
        process = await start("recognize", "--server", server.address, *named, "-o", str(target))
        await received.wait()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        result = await outcome(process)
    assert (result.code, target.read_text()) == (129 if source == ["--realtime"] else 0, "Раз.\n")
    assert len(server.streams[0].audio) < 64_000


async def test_hangup_ignored_as_under_nohup_does_not_stop_recognition(recording: str) -> None:
    received = asyncio.Event()
    main = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {MAIN}"
    async with serving(delayed_final(received)) as server:
        process = await start("recognize", "--server", server.address, "--realtime", recording, main=main)
        await received.wait()
        process.send_signal(signal.SIGHUP)
        assert await outcome(process) == Outcome(0, "Раз.\n", "")
        assert len(server.streams[0].audio) == 64_000


@pytest.mark.parametrize("older", [None, "older"])
async def test_kill_leaves_the_recognized_text_on_disk(recording: str, tmp_path: Path, older: str | None) -> None:
    target, sent = tmp_path / "notes.txt", asyncio.Event()
    if older is not None:
        target.write_text(older)

    async def send_finals(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(3200)
        await stream.send(final("Раз."))
        await stream.receive_audio(32_000)
        sent.set()
        await until_canceled(stream)

    async with serving(send_finals) as server:
        process = await start(
            "recognize", "--server", server.address, "--device", f"file:{recording}", "-o", str(target)
        )
        await sent.wait()
        process.kill()
        await process.wait()
    growing = target if older is None else tmp_path / "notes.txt.part"
    assert growing.read_text() == "Раз.\n"
    assert older is None or target.read_text() == older


# Slots and lost servers


def full(message: str = "All 2 streams of this server are taken.") -> Response:
    sent = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
    sent.failure.retry_after.CopyFrom(Duration(nanos=1_000_000))
    return sent


def slots(count: int, text: Script) -> Script:
    """Accept this many concurrent streams, and reject the others."""
    used_slots = list[Stream]()

    async def script(stream: Stream) -> None:
        if len(used_slots) >= count:
            await stream.send(full())
            await stream.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        used_slots.append(stream)
        try:
            await text(stream)
        finally:
            used_slots.remove(stream)

    return script


async def test_recordings_of_a_batch_wait_for_slots(tmp_path: Path) -> None:
    recordings, texts = tmp_path / "recordings", tmp_path / "texts"
    recordings.mkdir()
    for number in range(8):
        encode(recordings / f"{number}.wav")
    result, _ = await run(slots(2, SCRIPT), str(recordings), "--jobs", "4", "-o", f"{texts}/")
    assert (result.code, {file.read_text() for file in texts.iterdir()}) == (0, {"Раз.\n"})
    assert len(list(texts.iterdir())) == 8
    assert result.stderr.count("All 2 streams of this server are taken. Waiting for a free slot.\n") <= 1


async def test_recording_that_waits_for_a_slot_reports_it(recording: str) -> None:
    rejected = list[Stream]()

    async def accept_second(stream: Stream) -> None:
        if len(rejected) < 3:
            rejected.append(stream)
            await stream.send(full())
            await stream.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        await SCRIPT(stream)

    result, _ = await run(accept_second, recording)
    assert result == Outcome(0, "Раз.\n", "All 2 streams of this server are taken. Waiting for a free slot.\n")


async def test_recording_that_is_rejected_leaves_no_file(tmp_path: Path) -> None:
    recordings, texts = tmp_path / "recordings", tmp_path / "texts"
    recordings.mkdir()
    for name in "ab":
        encode(recordings / f"{name}.wav")

    async def reject_first(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio()
        if len(server.streams) == 1:
            await stream.send(failure(grpc.StatusCode.INVALID_ARGUMENT, "No such language."))
            await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "No such language.")
        await stream.send(final("Раз."))

    async with serving(reject_first) as server:
        process = await start("recognize", "--server", server.address, str(recordings), "-o", f"{texts}/")
        result = await outcome(process)
    assert result.code == 1
    assert [file.name for file in texts.iterdir()] == ["b.txt"]


# Settings and silence


async def test_utterance_settings_reach_the_server(recording: str) -> None:
    options = "--silence 0.7 --min-utterance 0 --max-utterance 12.5 --sensitivity 0.4"
    _, (stream,) = await run(SCRIPT, *options.split(), recording)
    assert stream.config.settings == stt_pb2.Settings(
        post_speech_silence=Duration(nanos=700_000_000),
        min_utterance=Duration(),
        max_utterance=Duration(seconds=12, nanos=500_000_000),
        silero_sensitivity=0.4,
    )


async def test_muted_microphone_is_reported() -> None:
    received = asyncio.Event()

    async def receive_audio_only(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(5 * 9600)
        received.set()
        await stream.receive_audio()

    async with serving(receive_audio_only) as server:
        process = await start("recognize", "--server", server.address, main=DICTATE)
        await received.wait()
        process.send_signal(signal.SIGINT)
        result = await outcome(process)
    assert result.code == 0
    assert "The microphone Played delivered only silence: is it muted?\n" in result.stderr
