"""`stt-cli doctor`: its checks of server, microphone and machine, each passing and each failing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from stt_cli.doctor.machine import check_clipboard, check_cuda, check_versions
from stt_cli.doctor.microphone import check_level
from stt_cli.doctor.results import Verdict
from stt_client.audio.devices import AudioSink
from stt_client.audio.microphone import open_device
from tests.stt_cli.test_dictation import desktop_environment
from tests.support.audio.audio_files import encode
from tests.support.clients.cli_process import Outcome, outcome, start
from tests.support.servers.scripted_server import Stream, abort_stream, replies, serving


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return encode(tmp_path / "talk.wav", seconds=1.2)


async def doctor(address: str, *arguments: str, more: Mapping[str, str] | None = None) -> Outcome:
    return await outcome(await start("doctor", "--server", address, *arguments, more=more))


def lines(result: Outcome) -> Mapping[str, str]:
    """Return the output lines, keyed by the first word of the check's name."""
    parted = (line.split(maxsplit=2) for line in result.stdout.splitlines())
    return {thing.rstrip(":"): f"{verdict} {sentence}" for verdict, thing, sentence in parted}


async def test_doctor_without_problems_prints_only_passed_checks(recording: Path, tmp_path: Path) -> None:
    async with serving(replies()) as server:
        result = await doctor(
            server.address, "--device", f"file:{recording}", more=desktop_environment(tmp_path, "exit 1")
        )
    expected = lines(result)
    assert (result.code, result.stderr) == (0, "")
    assert expected["versions"].startswith("ok stt-cli ")
    assert expected["server"] == f"ok {server.address}: recognizes with base, language ru; partials with no model."
    assert server.streams[0].config.partials, "without partials, the server reports no partial model"
    assert f"ok   server {server.address}: serving; round trip " in result.stdout
    assert expected["level"] == "ok of talk.wav: peak -10 dB in one second."
    assert expected["clipboard"] == "ok desktop tool xclip."


async def test_unreachable_server_fails_the_check() -> None:
    async with serving(replies()) as server:
        address = server.address
    result = await doctor(address)
    assert result.code == 1
    assert lines(result)["server"].startswith(f"fail {address}: cannot reach {address}: ")


async def test_server_that_is_not_serving_fails_the_check() -> None:
    async with serving(replies(), serves=False) as server:
        result = await doctor(server.address)
    assert result.code == 1
    assert lines(result)["server"].startswith(f"fail {server.address}: not serving.")


async def test_serving_server_that_fails_recognition_fails_the_check() -> None:
    async def abort(stream: Stream) -> None:
        await abort_stream(stream)

    async with serving(abort) as server:
        result = await doctor(server.address)
    assert result.code == 1
    assert lines(result)["server"].startswith(f"fail {server.address}: ")


async def test_each_of_several_servers_is_checked() -> None:
    async with serving(replies()) as server:
        result = await doctor(f"{server.address},127.0.0.1:1")
    assert result.code == 1
    assert result.stdout.count(f"ok   server {server.address}: ") == 2
    assert "fail server 127.0.0.1:1: cannot reach" in result.stdout


class Once:
    """A microphone that records one chunk and then disconnects."""

    name, sample_rate_hz = "Once", 16_000

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk

    def start(self, ears: AudioSink) -> None:
        ears.deliver(self._chunk)
        ears.device_lost()

    def stop(self) -> None: ...


@pytest.mark.parametrize(
    ("peak", "verdict", "sentence"),
    [
        (0, Verdict.WARN, "only zeros."),
        (10, Verdict.WARN, "peak -70 dB in one second."),
        (3_277, Verdict.OK, "peak -20 dB in one second."),
        (32_767, Verdict.WARN, "peak -0 dB in one second."),
    ],
)
async def test_microphone_level_is_rated(peak: int, verdict: Verdict, sentence: str) -> None:
    device = Once(np.full(1_600, peak, "<i2").tobytes())
    finding = await check_level(lambda _: device, None)
    assert (finding.verdict, finding.subject, finding.message) == (verdict, "level of Once", sentence)


async def test_microphone_that_cannot_be_opened_is_a_warning() -> None:
    finding = await check_level(open_device, "file:no/talk.wav")
    assert (finding.verdict, finding.message) == (
        Verdict.WARN,
        "no/talk.wav cannot be read: No such file or directory.",
    )


@pytest.mark.parametrize(
    ("program", "verdict", "expected"),
    [
        ("""print('{"devices": 2, "missing": ""}')""", Verdict.OK, "a server on this machine can use 2 devices."),
        ("""print('{"devices": 1, "missing": ""}')""", Verdict.OK, "a server on this machine can use 1 device."),
        (
            """print('{"devices": 1, "missing": "libcublas.so.12 is missing"}')""",
            Verdict.WARN,
            "libcublas.so.12 is missing.",
        ),
        ("import no_server_here", Verdict.OK, "no server is installed on this machine; a client does not need one."),
    ],
)
async def test_cuda_is_checked_where_the_server_is_installed(program: str, verdict: Verdict, expected: str) -> None:
    finding = await check_cuda([sys.executable, "-c", program])
    assert (finding.verdict, finding.hint or finding.message) == (verdict, expected)


async def test_locally_installed_server_is_checked() -> None:
    assert "no server is installed" not in (await check_cuda()).message


async def test_missing_tmux_does_not_forward_the_clipboard() -> None:
    environment = {"PATH": os.environ["PATH"], "TMUX": "/nowhere/default,1,0", "TMUX_TMPDIR": "/nowhere"}
    (finding,) = [finding async for finding in check_clipboard(environment)]
    assert (finding.verdict, finding.message) == (Verdict.WARN, "tmux does not pass text to its terminal.")


async def test_versions_of_used_packages_are_printed() -> None:
    finding = check_versions()
    assert finding.verdict is Verdict.OK
    assert "grpcio 1." in finding.message
