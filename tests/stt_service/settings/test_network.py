"""Clients connect without a proxy, by any host name that the system resolves, or fail with the reason."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stt_cli.doctor.machine import check_proxies
from stt_client.transport.dns import LookupFailedError, look_up, to_ascii
from tests.support.clients.cli_process import Outcome, outcome, start
from tests.support.environment.recording_proxy import recording_proxy
from tests.support.servers.scripted_server import final, replies, serving

NSS_WRAPPER = Path("/usr/lib/x86_64-linux-gnu/libnss_wrapper.so")
AUDIO = bytes(16_000)
TOKEN = "stt_secret"  # noqa: S105
# A plain gRPC call without our options: it shows that gRPC would use the proxy.
BARE = """
import sys, grpc
call = grpc.insecure_channel(sys.argv[1]).unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
try:
    call(b"", timeout=20)
except grpc.RpcError:
    pass
"""


async def recognize(address: str, **variables: str) -> Outcome:
    process = await start("recognize", "--raw", "16000", "--server", address, "-", more=variables)
    return await outcome(process, AUDIO)


async def test_proxy_of_the_environment_receives_nothing_from_stt_cli() -> None:
    async with recording_proxy() as proxy, serving(replies(final("Text."))) as server:
        for address in (server.address, server.address.replace("127.0.0.1", "localhost")):
            done = await recognize(address, STT_TOKEN=TOKEN, **proxy.variables)
            assert (done.code, done.stdout) == (0, "Text.\n"), done.stderr
        status = await outcome(await start("status", "--server", server.address, more=proxy.variables))
        assert status.code == 0
        operator = await outcome(await start("sessions", "--control", server.address, more=proxy.variables))
        assert "is not an stt-server" in operator.stderr  # the server was asked: it has no Control
        assert await proxy.requests() == []


async def test_recording_proxy_is_used_by_plain_grpc() -> None:
    async with recording_proxy() as proxy, serving(replies()) as server:
        process = await start(server.address, main=BARE, more=proxy.variables)
        await outcome(process)
        assert (await proxy.requests())[0].startswith(b"CONNECT ")


@pytest.mark.parametrize(("tls", "message"), [(False, "UNAVAILABLE: "), (True, "<urlopen error ")])
async def test_proxy_of_the_environment_receives_nothing_from_the_health_check(
    tmp_path: Path, tls: bool, message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = str(unused.getsockname()[1])
    settings = {"DATA_PORT": port, "HTTP_PORT": port}
    settings |= {"TLS_CERT": "server.pem", "TLS_KEY": "server.key"} if tls else {}
    async with recording_proxy() as proxy:
        probe = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "stt_service.healthcheck"),
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, **proxy.variables, **settings, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        stdout, _ = await probe.communicate()
        assert stdout.decode().startswith(message)
        assert await proxy.requests() == []


@pytest.mark.parametrize("package", ["stt_client", "stt_cli", "stt_tui", "stt_service", "benchmarks", "lab"])
def test_every_channel_has_an_option_against_proxies(package: str) -> None:
    folder = Path(__file__).parents[3] / package
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.rglob("*.py")}
    opening = {name for name, text in texts.items() if re.search(r"\bgrpc(\.aio)?\.(in)?secure_channel\(", text)}
    assert opening <= {"channel.py", "healthcheck.py", "channels.py", "recordings.py", "throughput.py"}
    assert all("NO_PROXY" in texts[name] for name in opening)


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "grpc_proxy", "all_proxy"])
def test_doctor_reports_that_a_proxy_is_ignored(name: str) -> None:
    finding = check_proxies({name: "http://user:secret@proxy:3128", "PATH": "/bin"})
    assert finding is not None
    assert name in finding.message
    assert "ignored" in finding.message
    assert "secret" not in f"{finding}"


def test_doctor_reports_no_proxy_where_there_is_none() -> None:
    assert check_proxies({"PATH": "/bin", "http_proxy": ""}) is None


@pytest.mark.skipif(not NSS_WRAPPER.exists(), reason="libnss-wrapper is not installed")
@pytest.mark.parametrize(
    "hosts",
    [
        "127.0.0.1 gpu-box.local",
        "127.0.0.2 gpu-box.local\n127.0.0.3 gpu-box.local\n127.0.0.1 gpu-box.local",
        "192.0.2.1 gpu-box.local\n127.0.0.1 gpu-box.local",
        "::1 gpu-box.local\n127.0.0.1 gpu-box.local",
    ],
    ids=["one address", "the first two refuse", "the first never answers", "IPv6 refuses"],
)
async def test_server_is_found_by_a_name_that_only_the_system_knows(tmp_path: Path, hosts: str) -> None:
    (tmp_path / "hosts").write_text(f"{hosts}\n")
    wrapper = {"LD_PRELOAD": str(NSS_WRAPPER), "NSS_WRAPPER_HOSTS": str(tmp_path / "hosts")}
    async with serving(replies(final("Text."))) as server:
        done = await recognize(server.address.replace("127.0.0.1", "gpu-box.local"), **wrapper)
    assert (done.code, done.stdout) == (0, "Text.\n"), done.stderr


@pytest.mark.parametrize("setting", ["ares", "native"])
def test_resolver_chosen_by_the_user_is_kept(setting: str) -> None:
    code = "import stt_cli, os; print(os.environ['GRPC_DNS_RESOLVER'])"
    environment = {**os.environ, "GRPC_DNS_RESOLVER": setting}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{setting}\n"


@pytest.mark.parametrize("host", ["nosuch.invalid", "a" * 300, "münchen.invalid"])
async def test_error_for_an_unknown_host_name_names_it(host: str) -> None:
    done = await outcome(await start("status", "--server", f"{host}:1"))
    assert done.code == 3
    assert f"cannot reach {host}:1: there is no host of that name (" in done.stderr
    assert "is stt-server running?" not in done.stderr


async def test_resolver_that_hangs_raises_lookup_failed() -> None:
    hang = asyncio.Event()
    loop = asyncio.get_running_loop()

    def resolve(_host: str) -> list[str]:
        asyncio.run_coroutine_threadsafe(hang.wait(), loop).result()
        return []

    with pytest.raises(LookupFailedError, match="resolver of this machine does not answer"):
        await look_up("gpu-box", 0.01, resolve)
    hang.set()


def test_host_names_are_encoded_for_dns() -> None:
    assert to_ascii("münchen.example:8012") == "xn--mnchen-3ya.example:8012"
    assert to_ascii("[::1]:8012") == "[::1]:8012"
    assert to_ascii("gpu-box:8012") == "gpu-box:8012"
    assert to_ascii(f"{'ü' * 300}:1") == f"{'ü' * 300}:1"
