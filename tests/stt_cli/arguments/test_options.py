"""Options shared by several commands and the values parsed from them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from stt_cli.arguments.options import server_options
from stt_cli.commands.main import cli
from stt_client.target import Target, Tls
from stt_tui.__main__ import tui


def target(*arguments: str, **variables: str) -> Target | Result:
    """Return the target built from the options, or the error output."""
    given = list[Target]()

    @click.command()
    @server_options
    def command(target: Target) -> None:
        given.append(target)

    result = CliRunner().invoke(command, arguments, env={"SERVER_HOST": None, "STT_TOKEN": None, **variables})
    return given[0] if given else result


def usage_error(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    return " ".join(result.output.split())


def test_without_options_the_server_is_on_this_machine_without_tls() -> None:
    assert target() == Target(("localhost:8012",))


def test_several_servers_are_alternatives_of_one_target() -> None:
    assert target("--server", "near, far:9,::1") == Target(("near:8012", "far:9", "[::1]:8012"))
    assert target(SERVER_HOST="near,far") == Target(("near:8012", "far:8012"))


def test_token_is_read_from_the_environment() -> None:
    word = "sesame"
    assert target("--token", word) == target(STT_TOKEN=word) == Target(("localhost:8012",), word)


def test_tls_uses_the_system_ca_unless_a_ca_file_is_given(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    assert target("--tls") == Target(("localhost:8012",), tls=Tls())
    assert target("--tls-ca", str(file)) == Target(("localhost:8012",), tls=Tls(file))
    both = ["--tls-cert", str(file), "--tls-key", str(file)]
    assert target(*both) == Target(("localhost:8012",), tls=Tls(None, file, file))


def test_client_certificate_requires_its_key(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").touch()
    assert "--tls-cert and --tls-key must be given together." in usage_error(
        "status", "--tls-cert", str(tmp_path / "cert.pem")
    )


@pytest.mark.parametrize("option", [["--device", "usb"], ["--stop-after-silence", "3"], ["--save-audio", "kept"]])
def test_microphone_options_are_rejected_for_files(option: list[str]) -> None:
    assert f"{option[0]} applies to the microphone only, but sources are given." in usage_error(
        "recognize", *option, "talk.wav"
    )


def test_raw_option_is_rejected_for_the_microphone() -> None:
    assert "--raw applies to files and standard input (-)" in usage_error("recognize", "--raw", "16000")


@pytest.mark.parametrize(
    ("option", "value", "valid"),
    [
        ("--silence", "0.05", "0.1<=x<=10"),
        ("--silence", "nan", "0.1<=x<=10"),
        ("--min-utterance", "-1", "0<=x<=20"),
        ("--max-utterance", "29", "5<=x<=28"),
        ("--sensitivity", "1.5", "0<=x<=1"),
        ("--sensitivity", "inf", "0<=x<=1"),
        ("--stop-after-silence", "nan", "0.5<=x<=3600"),
    ],
)
def test_number_out_of_range_is_an_error_that_names_the_range(option: str, value: str, valid: str) -> None:
    assert f"is not in the range {valid}." in usage_error("recognize", option, value)


@pytest.mark.parametrize("command", [cli, tui])
def test_utterance_settings_are_options_of_both_programs(command: click.Command) -> None:
    arguments = ["recognize", "--help"] if command is cli else ["--help"]
    shown = " ".join(CliRunner().invoke(command, arguments).output.split())
    for option in ("--silence SECONDS", "--min-utterance SECONDS", "--max-utterance SECONDS", "--sensitivity NUMBER"):
        assert option in shown


def test_track_option_requires_a_container(tmp_path: Path) -> None:
    assert "--track applies to recordings in containers" in usage_error("recognize", "--track", "2")
    assert "--track applies to recordings in containers" in usage_error(
        "recognize", "--track", "2", "--raw", "16000", "-"
    )
    assert "0 is not in the range" in usage_error("recognize", "--track", "0", "a.mkv")
