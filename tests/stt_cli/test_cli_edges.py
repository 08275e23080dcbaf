"""Unusual names, outputs and standard streams: no traceback, no lost text, no overwritten recording."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import MAIN, Outcome, outcome, run, start
from tests.support.servers.scripted_server import Script, final, replies, serving

SCRIPT = replies(final("Раз."))
NO_SPACE = "No space left on device."
TEXT_FOLLOWS = "The unwritten text follows:"


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(encode(tmp_path / "talk.wav"))


async def run_in_shell(script: Script, redirection: str, *arguments: str) -> Outcome:
    """Run `recognize` with redirections of a shell."""
    async with serving(script) as server:
        command = ["recognize", "--server", server.address, *arguments]
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            f'exec "$@" {redirection}',
            "sh",
            sys.executable,
            "-c",
            MAIN,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return await outcome(process)


async def unused_address() -> str:
    """Return an address where no server listens."""
    async with serving(SCRIPT) as server:
        return server.address


async def test_older_text_is_kept_without_a_server(recording: str, tmp_path: Path) -> None:
    target = tmp_path / "talk.txt"
    target.write_text("precious")
    result = await outcome(await start("recognize", "--server", await unused_address(), recording, "-o", str(target)))
    assert (result.code, target.read_text()) == (3, "precious")


async def test_recording_named_as_the_output_by_a_wildcard_is_not_overwritten(recording: str, tmp_path: Path) -> None:
    """The shell expands `recognize -o *.wav` so that the first recording is the output."""
    first = encode(tmp_path / "a.wav")
    before = first.read_bytes()
    result, streams = await run(SCRIPT, "-o", str(first), recording)
    assert (result.code, streams, first.read_bytes()) == (1, [], before)
    assert result.stderr == f"Error: -o {first} is not a text file and is not overwritten: choose another name.\n"


async def test_full_disk_at_stdout_is_an_error_and_the_text_goes_to_stderr(recording: str) -> None:
    result = await run_in_shell(SCRIPT, "> /dev/full", recording)
    message = f"Error: standard output cannot be written: {NO_SPACE} {TEXT_FOLLOWS}\nРаз.\n"
    assert result == Outcome(1, "", message)


async def test_full_disk_at_the_output_is_an_error_and_the_text_goes_to_stderr(recording: str) -> None:
    result, _ = await run(SCRIPT, recording, "-o", "/dev/full")
    assert result == Outcome(1, "", f"Error: /dev/full cannot be written: {NO_SPACE} {TEXT_FOLLOWS}\nРаз.\n")


async def test_text_of_a_failed_output_is_printed_complete_to_stderr(recording: str) -> None:
    sentence = "слово " * 1000
    result, _ = await run(replies(final(sentence)), recording, "--format", "srt", "-o", "/dev/full")
    assert result.stderr.count("слово") == 1000
    assert "\n\n2\n00:00:" in result.stderr


async def test_full_disk_at_stderr_loses_no_text(recording: str) -> None:
    result = await run_in_shell(SCRIPT, "2> /dev/full", "-v", recording, recording)
    assert result == Outcome(0, "Раз.\nРаз.\n", "")


@pytest.mark.parametrize("command", ["completion bash", "devices"])
async def test_full_disk_is_a_one_line_error_for_every_command(command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        'exec "$@" > /dev/full',
        "sh",
        sys.executable,
        "-c",
        MAIN,
        *command.split(),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    result = await outcome(process)
    assert (result.code, result.stderr.count("\n")) == (1, 1)
    assert "Traceback" not in result.stderr


async def test_closed_stdout_is_an_error_before_anything_starts(recording: str) -> None:
    result = await run_in_shell(SCRIPT, ">&-", recording)
    assert result == Outcome(1, "", "Error: standard output is closed: use -o FILE.\n")


async def test_closed_stdout_is_not_needed_with_an_output_file(recording: str, tmp_path: Path) -> None:
    target = tmp_path / "talk.txt"
    assert await run_in_shell(SCRIPT, ">&-", recording, "-o", str(target)) == Outcome(0, "", "")
    assert target.read_text() == "Раз.\n"


@pytest.mark.parametrize("redirection", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
async def test_closed_stderr_loses_no_text(recording: str, tmp_path: Path, redirection: str) -> None:
    target = tmp_path / "talk.txt"
    assert await run_in_shell(SCRIPT, redirection, "-v", recording, "-o", str(target)) == Outcome(0, "", "")
    assert target.read_text() == "Раз.\n"


async def test_closed_stdin_is_treated_as_empty() -> None:
    result = await run_in_shell(SCRIPT, "<&-", "-")
    assert result == Outcome(1, "", "Error: standard input is empty.\n")


async def test_name_that_is_not_utf_8_is_recognized_and_can_be_read_back_from_json(tmp_path: Path) -> None:
    folder, texts = tmp_path / "in", tmp_path / "texts"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.wav")
    for each in (name, "z.wav"):
        shutil.copy(encode(tmp_path / "talk.wav"), folder / each)
    result, _ = await run(SCRIPT, str(folder), "--format", "json", "-o", f"{texts}/")
    assert (result.code, {file.name for file in texts.iterdir()}) == (0, {os.fsdecode(b"caf\xe9.jsonl"), "z.jsonl"})
    message = json.loads((texts / os.fsdecode(b"caf\xe9.jsonl")).read_bytes().decode("utf-8"))
    assert (message["text"], message["file"]) == ("Раз.", str(folder / name))


async def test_name_that_is_too_long_ends_only_its_own_source(recording: str, tmp_path: Path) -> None:
    long = encode(tmp_path / "talk.wav").rename(tmp_path / ("n" * 251 + ".wav"))
    recording = str(encode(tmp_path / "talk.wav"))
    texts, too_long = tmp_path / "texts", "n" * 300
    result, streams = await run(SCRIPT, str(long), too_long, recording, "--format", "json", "-o", f"{texts}/")
    assert (result.code, len(streams)) == (1, 2)
    assert result.stderr == f"Error: {too_long} cannot be read: File name too long.\n"
    assert len(list(texts.iterdir())) == 2


async def test_empty_folder_ends_only_its_own_source(recording: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result, _ = await run(SCRIPT, str(tmp_path / "empty"), recording)
    assert (result.code, result.stdout) == (1, "Раз.\n")
    assert f"Error: {tmp_path}/empty contains no files.\n" in result.stderr


async def test_text_is_utf_8_whatever_the_locale(recording: str) -> None:
    async with serving(SCRIPT) as server:
        process = await start("recognize", "--server", server.address, recording, PYTHONIOENCODING="latin-1")
        assert await outcome(process) == Outcome(0, "Раз.\n", "")


async def test_arguments_are_read_as_utf_8_in_a_latin_1_locale(recording: str, tmp_path: Path) -> None:
    locales = tmp_path / "locales"
    locales.mkdir()
    made = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(locales / "en_US.ISO-8859-1")]
    if shutil.which("localedef") is None or await (await asyncio.create_subprocess_exec(*made)).wait() > 1:
        pytest.skip("localedef cannot create the locale")
    non_ascii = shutil.copy(recording, tmp_path / "речь.wav")
    locale = {"LOCPATH": str(locales), "LC_ALL": "en_US.ISO-8859-1"}
    async with serving(SCRIPT) as server:
        arguments = ["--server", server.address, "--prompt", "Привет", "--format", "json", str(non_ascii)]
        result = await outcome(await start("recognize", *arguments, more=locale))
        assert server.streams[0].config.settings.initial_prompt == "Привет"
    assert (json.loads(result.stdout)["file"], json.loads(result.stdout)["text"]) == (str(non_ascii), "Раз.")


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
async def test_paths_of_stdout_write_to_stdout(recording: str, name: str) -> None:
    result, _ = await run(SCRIPT, recording, "-o", name)
    assert result == Outcome(0, "Раз.\n", "")


async def test_fifo_as_output_is_written_directly(recording: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = asyncio.create_task(asyncio.to_thread(fifo.read_bytes))
    result, _ = await run(SCRIPT, recording, "-o", str(fifo))
    assert (result.code, (await reading).decode()) == (0, "Раз.\n")
    assert fifo.is_fifo()


async def test_empty_output_name_is_an_error(recording: str) -> None:
    result, streams = await run(SCRIPT, recording, "-o", "")
    assert (result.code, streams) == (1, [])
    assert result.stderr == "Error: -o requires the name of a file or folder, but it is empty.\n"
