"""stt-cli and stt-server as two processes: the output that a user sees."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
import srt
import webvtt

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Recording
from benchmarks.service import Service
from stt_client.audio.decode import open_file
from tests.support.audio.encoded_audio import silence, wav

pytestmark = pytest.mark.model

STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
QUESTION = "en/brooklyn-bridge"
SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "recognize.schema.json").read_text())


async def start(service: Service | str, *arguments: str) -> Process:
    address = service if isinstance(service, str) else service.address
    environment = {name: value for name, value in os.environ.items() if name != "SERVER_HOST"}
    return await asyncio.create_subprocess_exec(
        STT_CLI, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**environment, "SERVER_HOST": address}
    )


async def run(service: Service | str, *arguments: str, stdin: bytes = b"") -> tuple[int | None, str, str]:
    """Return exit code, stdout and stderr."""
    process = await start(service, *arguments)
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate(stdin)
    return process.returncode, stdout.decode(), stderr.decode()


async def test_text_is_printed_to_stdout_with_one_line_per_utterance(
    service: Service, recordings: Mapping[str, Recording]
) -> None:
    code, stdout, stderr = await run(service, "recognize", str(recordings[QUESTION].path))
    assert (code, stdout, stderr) == (0, "How old is the Brooklyn Bridge?\n", "")


async def test_pipe_gives_the_same_text_as_a_file(service: Service, recordings: Mapping[str, Recording]) -> None:
    recording = recordings["ru/vm-invalidpassword"]
    from_file = await run(service, "recognize", "--language", "ru", str(recording.path))
    from_pipe = await run(service, "recognize", "--language", "ru", "-", stdin=wav(recording.pcm()))
    headerless = await run(service, "recognize", "--language", "ru", "--raw", "16000", "-", stdin=recording.pcm())
    assert from_file == from_pipe == headerless
    assert count_errors(normalize(recording.text, "ru"), normalize(from_file[1], "ru")).percent <= 25


async def test_json_has_one_line_per_event_and_conforms_to_the_schema(
    service: Service, recordings: Mapping[str, Recording]
) -> None:
    options = ["--format", "json", "--words", "--partials", "--realtime"]
    code, stdout, _ = await run(service, "recognize", *options, str(recordings[QUESTION].path))
    *partials, final = [json.loads(line) for line in stdout.splitlines()]
    for line in [*partials, final]:
        jsonschema.validate(line, SCHEMA)
    assert {partial["event"] for partial in partials} == {"partial"}
    assert (code, final["event"], final["language"], final["endpoint"]) == (0, "final", "en", "end_of_audio")
    assert [word["text"] for word in final["words"]] == final["text"].split()


@pytest.mark.parametrize("written", ["srt", "vtt"])
async def test_captions_are_parsed_by_third_party_parsers(
    service: Service, recordings: Mapping[str, Recording], tmp_path: Path, written: str
) -> None:
    recording, path = recordings["en/jfk"], tmp_path / f"talk.{written}"
    await run(service, "recognize", "--format", written, "-o", str(path), str(recording.path))
    if written == "srt":
        texts = [
            (cue.start.total_seconds(), cue.end.total_seconds(), cue.content) for cue in srt.parse(path.read_text())
        ]
    else:
        texts = [(cue.start_in_seconds, cue.end_in_seconds, cue.text) for cue in webvtt.read(str(path)).captions]
    assert (
        count_errors(normalize(recording.text, "en"), normalize(" ".join(text for _, _, text in texts), "en")).percent
        <= 20
    )
    times_s = [time_s for start_s, end_s, _ in texts for time_s in (start_s, end_s)]
    assert times_s == sorted(times_s)
    assert times_s[-1] <= recording.duration_s


async def test_ctrl_c_prints_pending_finals(service: Service, recordings: Mapping[str, Recording]) -> None:
    """The interrupt is sent when the partials contain the first word."""
    recording = recordings["en/austen-0870"]
    process = await start(service, "recognize", "--realtime", "--partials", str(recording.path))
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while "John" not in (await process.stderr.readline()).decode():
            pass
        process.send_signal(signal.SIGINT)
        stdout, _ = await process.communicate()
    assert process.returncode == 130
    (pending_final,) = stdout.decode().splitlines()
    assert "John" in pending_final
    assert "for them" not in pending_final


async def test_request_rejected_by_the_server_is_one_line_and_exit_code_1(
    service: Service, recordings: Mapping[str, Recording]
) -> None:
    code, stdout, stderr = await run(service, "recognize", "--language", "klingon", str(recordings[QUESTION].path))
    assert (code, stdout) == (1, "")
    (line,) = stderr.splitlines()
    assert line.startswith("Error: ")
    assert "='klingon': must be" in line


async def test_file_without_audio_is_one_line_and_exit_code_1(service: Service, tmp_path: Path) -> None:
    notes = tmp_path / "notes.wav"
    notes.write_text("Buy milk.\n" * 100)
    code, stdout, stderr = await run(service, "recognize", str(notes))
    assert (code, stdout) == (1, "")
    assert "notes.wav" in stderr.splitlines()[0]
    assert "Traceback" not in stderr


@pytest.mark.parametrize("command", [["recognize", "-"], ["status"]])
async def test_unreachable_server_is_one_line_and_exit_code_3(command: list[str]) -> None:
    code, stdout, stderr = await run("127.0.0.1:1", *command, stdin=wav(bytes(32_000)))
    assert (code, stdout) == (3, "")
    assert stderr == "Error: cannot reach 127.0.0.1:1: is stt-server running?\n"


async def test_status_prints_serving_state_and_models(service: Service) -> None:
    code, stdout, _ = await run(service, "status")
    assert code == 0
    assert f"{service.address}: serving" in stdout
    assert "stt.v1.SpeechToText" in stdout


async def test_dictation_stops_by_itself_and_its_saved_audio_is_recovered(
    service: Service, recordings: Mapping[str, Recording], tmp_path: Path
) -> None:
    question, talk, saved_audio = recordings[QUESTION], tmp_path / "talk.wav", tmp_path / "kept"
    talk.write_bytes(wav(question.pcm() + silence(60)))
    options = ["--device", f"file:{talk}", "--stop-after-silence", "2", "--save-audio", str(saved_audio)]
    code, stdout, stderr = await run(service, "recognize", *options)
    assert (code, stderr) == (0, "")
    assert count_errors(normalize(question.text, "en"), normalize(stdout, "en")).percent <= 20
    (file,) = saved_audio.iterdir()
    heard_s = sum(len(chunk) for chunk in open_file(file, lambda _: None).chunks) / 32_000
    assert question.duration_s + 2 <= heard_s <= question.duration_s + 15
    assert await run(service, "recover", str(saved_audio)) == (0, stdout, "")


async def test_parallel_jobs_give_the_same_text_as_sequential_ones(
    service: Service, recordings: Mapping[str, Recording]
) -> None:
    named = [str(recordings[name].path) for name in (QUESTION, "en/go-forward", "en/riva-question", "en/lj001-0020")]
    _, alone, _ = await run(service, "recognize", *named)
    code, together, _ = await run(service, "recognize", "--jobs", "4", *named)
    assert (code, together) == (0, alone)
