"""Values that the command line accepts, and its errors for invalid ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from stt_cli.arguments.param_types import RawFormat, ServerAddress
from stt_cli.commands.main import cli
from stt_client.events import AudioFormat, Encoding

HEAVY = ("torch", "ctranslate2", "onnxruntime", "av", "sounddevice")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("localhost", "localhost:8012"),
        ("localhost:9", "localhost:9"),
        ("10.0.0.1", "10.0.0.1:8012"),
        ("[::1]", "[::1]:8012"),
        ("[::1]:9", "[::1]:9"),
        ("::1", "[::1]:8012"),
        ("speech.example.org", "speech.example.org:8012"),
    ],
)
def test_server_without_a_port_gets_8012(given: str, address: str) -> None:
    assert ServerAddress()(given) == address


@pytest.mark.parametrize("given", ["", ":8012", "host:", "host:port", "host:0", "host:65536", "http://host"])
def test_invalid_address_is_a_usage_error(given: str) -> None:
    result = CliRunner().invoke(cli, ["status", "--server", given])
    assert result.exit_code == 2
    assert f"Invalid address {given!r}: must be HOST or HOST:PORT." in result.output


def test_the_environment_names_the_server() -> None:
    result = CliRunner().invoke(cli, ["status"], env={"SERVER_HOST": "host:0"})
    assert "Invalid address 'host:0'" in result.output


@pytest.mark.parametrize(
    ("given", "audio_format"),
    [
        ("16000", AudioFormat(16_000, 1, Encoding.S16LE)),
        ("48000:2", AudioFormat(48_000, 2, Encoding.S16LE)),
        ("8000:1:ALAW", AudioFormat(8_000, 1, Encoding.ALAW)),
    ],
)
def test_raw_formats(given: str, audio_format: AudioFormat) -> None:
    assert RawFormat()(given) == audio_format


@pytest.mark.parametrize("given", ["", "x", "16000:", "16000:2:mp3", "16000:2:s16le:1", "7999", "16000:33"])
def test_invalid_raw_format_is_a_usage_error(given: str) -> None:
    result = CliRunner().invoke(cli, ["recognize", "--raw", given, "-"])
    assert result.exit_code == 2
    assert "Invalid value for '--raw'" in result.output


@pytest.mark.parametrize("arguments", [["--raw", "16000"], ["--device", "mic", "talk.wav"], ["--format", "mp3"]])
def test_conflicting_options_are_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["recognize", *arguments]).exit_code == 2


def test_empty_folder_is_exit_code_1(tmp_path: object) -> None:
    result = CliRunner().invoke(cli, ["recognize", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path} contains no files.\n")


def test_captions_of_several_recordings_require_a_folder() -> None:
    result = CliRunner().invoke(cli, ["recognize", "--format", "srt", "a.wav", "b.wav"])
    assert result.exit_code == 1
    assert "one srt file cannot hold 2 recordings: use -o FOLDER/." in result.stderr


def test_help_of_recognize_lists_the_exit_codes() -> None:
    output = CliRunner().invoke(cli, ["recognize", "--help"]).output
    assert [line.split()[0] for line in output.partition("Exit codes:\n")[2].splitlines()] == [
        "0",
        "1",
        "2",
        "3",
        "130",
    ]


def test_recognition_imports_decoder_and_microphone_only_on_use() -> None:
    code = f"import sys, stt_cli.commands.recognize_setup; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
