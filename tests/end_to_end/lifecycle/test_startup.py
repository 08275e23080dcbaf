"""Startup of the server: health, banner, and errors that prevent it."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from grpc import StatusCode
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from benchmarks.harness.ports import free_port
from benchmarks.service import Service
from stt_service.access.tokens import parse
from tests.support.clients.wire_client import StreamResult, config, connected, health, send_requests
from tests.support.environment.certificates import CertificateAuthority
from tests.support.servers.server_process import COMMON, Server, run_server

pytestmark = pytest.mark.model


@dataclass(frozen=True, slots=True)
class Started:
    """Observations of a server from the start of its process."""

    states: list[str]  # health states, each once
    early: StreamResult  # a stream opened while the models were loading
    lines: list[str]


@pytest_asyncio.fixture(scope="module")
async def started() -> Started:
    """Start a server as on a desktop without a GPU: CUDA is requested, and the locale sets LANGUAGE."""
    port = free_port()
    settings = {**COMMON, "DATA_PORT": str(port), "DEVICE": "cuda", "LANGUAGE": "en_US:en"}
    with Server({**settings, "CUDA_VISIBLE_DEVICES": "", "STT_LANGUAGE": ""}) as server:
        address = f"127.0.0.1:{port}"
        listening = asyncio.create_task(asyncio.to_thread(server.wait_until_listening))
        states = [await health(address)]
        while states[-1] == "UNAVAILABLE":  # not listening yet
            states = [await health(address)]
        async with connected(address) as stub:
            early = await send_requests(stub, config())
        while states[-1] != "SERVING":
            state = await health(address)
            states += [state] if state != states[-1] else []
        await listening
    return Started(states, early, server.lines)


def test_health_is_not_serving_until_models_are_loaded_and_tested(started: Started) -> None:
    assert started.states == ["NOT_SERVING", "SERVING"]


def test_stream_opened_too_early_is_asked_to_retry(started: Started) -> None:
    assert started.early.code is StatusCode.UNAVAILABLE
    assert "still loading its models" in started.early.failure_message()
    assert started.early.responses[-1].failure.retry_after.ToMilliseconds() > 0


def test_banner_lists_devices_models_settings_and_the_self_test(started: Started) -> None:
    banner = "\n".join(started.lines)
    for message in (
        "STT SERVER CONFIGURATION\n" + "=" * 50, "GPU STATUS:", "CUDA Available: False", "MODEL SETTINGS:",
        "Whisper Model: base", "Realtime Model: base", "Configured Device: cuda", "Actual Device: cpu",
        "VAD SETTINGS:", "QUALITY SETTINGS:", "NETWORK SETTINGS:", "MEMORY:", "SELF-TEST:",
        "Model successfully loaded on CPU!",
    ):  # fmt: skip
        assert message in banner
    assert re.search(r"Real-time factor: \d\.\d\d", banner)
    assert re.search(r"Estimated capacity: \d+ streams", banner)


def test_missing_cuda_logs_two_warnings_with_the_fallback_and_its_reason(started: Started) -> None:
    assert "WARNING: Device fallback from cuda to cpu" in started.lines
    (line,) = [line for line in started.lines if line.startswith("DEVICE FALLBACK: cuda -> cpu")]
    assert re.fullmatch(r"DEVICE FALLBACK: cuda -> cpu \(.*(missing|visible).*\)", line)


def test_desktop_language_variable_is_ignored(started: Started) -> None:
    (warning,) = [line for line in started.lines if "en_US:en" in line]
    assert "Ignored LANGUAGE=" in warning
    assert "set STT_LANGUAGE instead" in warning
    assert "  Language: ru" in started.lines


async def test_reflection_lists_the_services(service: Service) -> None:
    async with grpc.aio.insecure_channel(service.address) as channel:
        question = reflection_pb2.ServerReflectionRequest(list_services="*")
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([question]))
        names = {one.name async for answer in call for one in answer.list_services_response.service}
    assert {"stt.v1.SpeechToText", "grpc.health.v1.Health"} <= names


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("BEAM_SIZE", "0", "must be at least 1"),
        ("BEAM_SIZE", "many", "must be a whole number"),
        ("STT_LANGUAGE", "klingon", "must be a Whisper language code"),
        ("POST_SPEECH_SILENCE_DURATION", "nan", "must be a finite number"),
        ("WHISPER_MODEL", "hu:ge", "hu:ge"),
    ],
)
def test_invalid_setting_stops_the_start_with_one_message(
    tmp_path: Path, setting: str, value: str, expected: str
) -> None:
    result = run_server(tmp_path, **{setting: value, "HF_HUB_OFFLINE": "1", "DEVICE": "cpu"})
    assert (result.returncode, result.stdout) == (1, "")
    message = result.stderr.splitlines()[-1]
    assert message.startswith("Error: ")
    assert value in message
    assert expected in message
    assert "Traceback" not in result.stderr


def test_misspelled_setting_in_the_env_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WHISPER_MODLE=base\n")
    result = run_server(tmp_path)
    assert result.returncode == 1
    assert result.stderr == "Error: Unknown setting WHISPER_MODLE in .env: did you mean WHISPER_MODEL?\n"


def test_listening_on_other_interfaces_requires_explicit_consent(tmp_path: Path) -> None:
    result = run_server(tmp_path, SERVER_BIND="0.0.0.0")  # noqa: S104
    assert result.returncode == 1
    assert result.stderr.startswith("Error: SERVER_BIND=0.0.0.0 lets anyone on that network connect")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("setting", ["DATA_PORT", "CONTROL_PORT", "HTTP_PORT", "WYOMING_PORT"])
def test_port_in_use_stops_the_start_before_models_are_loaded(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run_server(tmp_path, **{setting: str(port)})
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: Cannot listen on {setting}={port} at 127.0.0.1: another program uses the port, or the "
        f"address is not one of this machine; set {setting} or SERVER_BIND.\n"
    )


def test_unreachable_hub_stops_the_start_with_a_hint(tmp_path: Path) -> None:
    hub = f"http://127.0.0.1:{free_port()}"
    result = run_server(tmp_path, DEVICE="cpu", WHISPER_MODEL="small", MODELS_DIR=str(tmp_path), HF_ENDPOINT=hub)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert message.startswith(
        f"Error: The model small is not in {tmp_path} and could not be downloaded ({hub} did not provide"
    )
    assert "run `stt-server download small` on a machine with network access and copy" in message


@pytest.mark.parametrize("command", [(), ("check",)])
def test_invalid_certificate_stops_the_start(tmp_path: Path, command: tuple[str, ...]) -> None:
    authority = CertificateAuthority(tmp_path)
    cert, key = authority.issue("server").cert_file, authority.issue("other").key_file
    result = run_server(tmp_path, *command, TLS_CERT=str(cert), TLS_KEY=str(key))
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: TLS_KEY={key} is not the key of TLS_CERT={cert}: "
        "the first certificate in the file must belong to the key.\n"
    )


def test_banner_warns_about_a_world_readable_token_file(tmp_path: Path) -> None:
    issued = run_server(tmp_path, "token", "ann", "--add", "tokens")
    (tmp_path / "tokens").chmod(0o644)
    result = run_server(tmp_path, "check", **{**COMMON, "WHISPER_MODEL": "tiny.en", "AUTH_TOKENS_FILE": "tokens"})
    network = result.stderr[result.stderr.index("NETWORK SETTINGS:") : result.stderr.index("MEMORY:")]
    assert "  Tokens: Data\n" in network
    assert "  WARNING: AUTH_TOKENS_FILE=tokens can be read by every user of this machine: chmod o-r tokens\n" in network
    assert issued.stdout.strip() not in result.stderr


def test_token_is_printed_to_stdout_and_its_line_to_stderr_or_the_file(tmp_path: Path) -> None:
    message = run_server(tmp_path, "token", "ann")
    assert parse(message.stderr.splitlines()[-1]).lookup(message.stdout.strip()) == "ann"
    added = run_server(tmp_path, "token", "bob", "--add", "tokens")
    assert added.stderr == ""
    assert parse((tmp_path / "tokens").read_text()).lookup(added.stdout.strip()) == "bob"
    bad = run_server(tmp_path, "token", "two words")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("Error: Invalid token name 'two words'")


async def test_two_servers_cannot_listen_on_one_port(service: Service, tmp_path: Path) -> None:
    port = service.address.rpartition(":")[2]
    result = await asyncio.to_thread(run_server, tmp_path, DATA_PORT=port)
    assert result.returncode == 1
    assert f"DATA_PORT={port} at 127.0.0.1: another program" in result.stderr
    assert await health(service.address) == "SERVING"


def test_check_prints_the_banner_and_the_self_test_and_exits(tmp_path: Path) -> None:
    result = run_server(tmp_path, "check", **COMMON)
    assert (result.returncode, result.stdout) == (0, "")
    for message in (
        "STT SERVER CONFIGURATION",
        "Actual Device: cpu",
        "Model successfully loaded on CPU!",
        "SELF-TEST:",
    ):
        assert message in result.stderr
    assert "Listening on" not in result.stderr
