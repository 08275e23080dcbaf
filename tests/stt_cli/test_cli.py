"""stt-cli as a separate process against a scripted server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import grpc
import pytest
import srt
import webvtt
from stt.v1 import stt_pb2

from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import Outcome, outcome, run, start
from tests.support.servers.scripted_server import (
    Stream,
    failure,
    final,
    notice,
    partial,
    replies,
    serving,
    suppressed,
)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(encode(tmp_path / "talk.wav"))


async def test_finals_are_the_only_output_on_stdout_and_stderr(recording: str) -> None:
    result, (stream,) = await run(
        replies(partial("раз"), final("Раз."), suppressed(""), final("Два.", utterance=3)), recording
    )
    assert result == Outcome(0, "Раз.\nДва.\n", "")
    assert (len(stream.audio), stream.config.partials, stream.config.word_times) == (64_000, False, False)


async def test_command_line_options_reach_the_server(recording: str) -> None:
    options = "--language en --prompt Hi. --hotwords Ann,Bob --hotwords Cy --translate --words --partials"
    _, (stream,) = await run(replies(), *options.split(), recording)
    assert stream.config == stt_pb2.StreamingConfig(
        format=stt_pb2.AudioFormat(encoding=stt_pb2.AudioFormat.ENCODING_PCM_S16LE, sample_rate_hz=16_000, channels=1),
        settings=stt_pb2.Settings(language="en", initial_prompt="Hi.", hotwords=["Ann", "Bob", "Cy"], translate=True),
        partials=True,
        word_times=True,
        resumable=True,
    )


async def test_partials_option_prints_partials_to_stderr(recording: str) -> None:
    result, _ = await run(replies(partial("раз", " два"), final("Раз.")), "--partials", recording)
    assert (result.stdout, result.stderr) == ("Раз.\n", "раз два\n")


async def test_notice_is_printed_to_stderr(recording: str) -> None:
    result, _ = await run(replies(notice("PARTIALS_SHED", "The server is busy."), final("Раз.")), recording)
    assert (result.stdout, result.stderr) == ("Раз.\n", "Notice: The server is busy.\n")


async def test_suppressed_words_are_reported_on_stderr(recording: str) -> None:
    result, _ = await run(replies(final("Раз."), suppressed("no no no no")), recording)
    assert (result.stdout, result.stderr) == ("Раз.\n", "Suppressed (NO_SPEECH): no no no no\n")


async def test_suppressed_utterance_without_text_is_reported_with_verbose_only(recording: str) -> None:
    result, _ = await run(replies(suppressed("")), recording)
    assert result.stderr == f"No speech found in {recording}.\n"


async def test_verbose_prints_the_model_and_suppressed_text(recording: str) -> None:
    result, _ = await run(replies(suppressed("you")), "-v", recording)
    assert result.stderr == "Model base, language ru\nSuppressed (NO_SPEECH): you\n"


async def test_json_has_one_object_per_event_with_its_file(recording: str) -> None:
    script = replies(partial("раз"), final("Раз."), suppressed("you"))
    result, _ = await run(script, "--format", "json", "--partials", recording)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["partial", "final", "suppressed"]
    assert {line["file"] for line in lines} == {recording}
    assert result.stderr == ""


async def test_captions_request_word_times_and_are_written_to_a_file(recording: str, tmp_path: Path) -> None:
    target = tmp_path / "talk.srt"
    result, (stream,) = await run(replies(final("Раз, два.")), "--format", "srt", "-o", str(target), recording)
    assert (result, stream.config.word_times) == (Outcome(0, "", ""), True)
    assert [cue.content for cue in srt.parse(target.read_text())] == ["Раз, два."]


async def test_captions_of_several_recordings_are_written_into_one_folder(tmp_path: Path) -> None:
    for name in ("b/talk.wav", "a/talk.flac"):
        (tmp_path / name).parent.mkdir()
        encode(tmp_path / name, "flac" if name.endswith("flac") else "pcm_s16le")
    target = tmp_path / "captions"
    result, streams = await run(
        replies(final("Раз.")), "--format", "vtt", "-o", f"{target}/", str(tmp_path / "b"), str(tmp_path / "a")
    )
    assert (result.code, len(streams)) == (0, 2)
    files = sorted(target.iterdir())
    assert [file.name for file in files] == ["talk-2.vtt", "talk.vtt"]
    assert all(webvtt.read(str(file)).captions[0].text == "Раз." for file in files)


async def test_unreadable_file_is_reported_and_other_files_are_recognized(recording: str, tmp_path: Path) -> None:
    bad, missing = tmp_path / "bad.wav", tmp_path / "missing.wav"
    bad.write_text("text " * 100)
    result, streams = await run(replies(final("Раз.")), str(bad), str(missing), recording)
    assert (result.code, result.stdout, len(streams)) == (1, "Раз.\n", 1)
    assert result.stderr.splitlines() == [
        f"Error: {bad} is not a supported recording, or is damaged: Invalid data found when processing input.",
        f"Error: {missing} cannot be read: No such file or directory.",
        f"# {recording}",
    ]


async def test_non_audio_file_in_a_folder_is_skipped_with_a_note(recording: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text " * 100)
    result, _ = await run(replies(final("Раз.")), str(tmp_path))
    assert (result.code, result.stdout) == (0, "Раз.\n")
    assert f"Skipped: {tmp_path / 'notes.txt'} is not a supported recording" in result.stderr


async def test_rejected_recording_does_not_stop_the_next_one(recording: str) -> None:
    async def reject_first(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio()
        if len(streams) == 1:
            await stream.send(failure(grpc.StatusCode.INVALID_ARGUMENT, "No such language."))
            await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "No such language.")
        await stream.send(final("Раз."))

    async with serving(reject_first) as server:
        streams = server.streams
        result = await outcome(await start("recognize", "--server", server.address, recording, recording))
    assert (result.code, result.stdout) == (1, "Раз.\n")
    assert f"Error: {recording}: No such language.\n" in result.stderr


async def test_stdin_accepts_containers_and_raw_audio(recording: str) -> None:
    content = await asyncio.to_thread(Path(recording).read_bytes)
    result, (stream,) = await run(replies(final("Раз.")), "-", stdin=content)
    assert (result.stdout, len(stream.audio)) == ("Раз.\n", 64_000)
    _, (stream,) = await run(replies(), "--raw", "8000:2:mulaw", "-", stdin=content)
    assert bytes(stream.audio) == content
    assert (stream.config.format.sample_rate_hz, stream.config.format.channels) == (8_000, 2)
    assert stream.config.format.encoding == stt_pb2.AudioFormat.ENCODING_MULAW


async def test_empty_stdin_is_an_error() -> None:
    result, _ = await run(replies(), "-")
    assert result.code == 1
    assert result.stderr.startswith("Error: standard input is ")


async def test_unreachable_server_is_exit_code_3(recording: str) -> None:
    async with serving(replies()) as server:
        address = server.address
    message = f"Error: cannot reach {address}: is stt-server running?\n"
    for command in (["recognize", recording], ["status"]):
        assert await outcome(await start(*command, "--server", address)) == Outcome(3, "", message)


async def test_status_prints_the_status_that_the_server_reports() -> None:
    async with serving(replies()) as server:
        result = await outcome(await start("status", "--server", server.address))
    first, second, third = result.stdout.splitlines()
    assert (result.code, first) == (0, f"{server.address}: serving")
    assert second == "services: grpc.health.v1.Health, stt.v1.SpeechToText"
    assert third.startswith("round trip: ")


async def test_server_that_is_not_serving_is_exit_code_1() -> None:
    async with serving(replies(), serves=False) as server:
        result = await outcome(await start("status", "--server", server.address))
    assert (result.code, result.stdout.splitlines()[0]) == (1, f"{server.address}: not serving")


async def test_recording_is_not_overwritten(recording: str) -> None:
    result, streams = await run(replies(), "-o", recording, recording)
    assert (result.code, streams) == (1, [])
    assert "would overwrite the recording" in result.stderr


async def test_file_that_cannot_be_written_is_reported(recording: str, tmp_path: Path) -> None:
    result, _ = await run(replies(final("Раз.")), "-o", str(tmp_path / "no" / "talk.txt"), recording)
    assert result == Outcome(1, "", f"Error: {tmp_path}/no/talk.txt cannot be written: No such file or directory.\n")


async def test_text_of_several_recordings_goes_to_one_file(recording: str, tmp_path: Path) -> None:
    target = tmp_path / "all.txt"
    await run(replies(final("Раз.")), "-o", str(target), recording, recording)
    assert target.read_text() == "Раз.\nРаз.\n"
