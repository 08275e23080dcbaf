"""A server on one host and clients on another: admitted clients, and the messages for rejected ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.recordings import FOLDER
from benchmarks.service import ANY_PORTS
from stt_service.access.tokens import line, new_token
from stt_service.rpc.auth_interceptor import REJECTION
from tests.support.environment.certificates import DAY, CertificateAuthority
from tests.support.environment.network_hosts import Host, hosts, require_hosts
from tests.support.servers.server_process import COMMON, STT_SERVER, Server

require_hosts()
pytestmark = pytest.mark.model

CLIENT = Path(__file__).parents[2] / "support" / "clients" / "credentials_client.py"
TOKEN, OPERATOR = new_token(), new_token()
LET_IN = {"status": "OK", "events": ["started"], "said": [""]}
REJECTED = {"status": "UNAUTHENTICATED", "said": [REJECTION]}


@dataclass(frozen=True)
class Network:
    server: Host
    client: Host
    folder: Path
    authority: CertificateAuthority
    data: str = ""
    control: str = ""

    def ask(self, token: str, client_files: str = "client") -> list[dict[str, object]]:
        """Return the answers of both ports to a client on the other host."""
        key_pair = str(self.folder / client_files) if client_files else ""
        arguments = [self.server.address, self.data, self.control, token, str(self.authority.file), key_pair]
        finished = subprocess.run(
            [*self.client.command_prefix, sys.executable, CLIENT, *arguments],
            env={"PYTHONPATH": f"{FOLDER.parent.parent}:{FOLDER.parent}", "GRPC_VERBOSITY": "NONE"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert finished.returncode == 0, finished.stderr
        return [json.loads(message) for message in finished.stdout.splitlines()]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Host, ...]]:
    with hosts(2) as pair_of_hosts:
        yield pair_of_hosts


@pytest.fixture(scope="module")
def network(pair: tuple[Host, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Run a server that requires TLS, client certificates and tokens on a separate host."""
    folder = tmp_path_factory.mktemp("network")
    authority = CertificateAuthority(folder)
    certificate = authority.issue("server", pair[0].address)
    authority.issue("client")
    authority.issue("expired", begins=-9 * DAY, ends=-DAY)
    for name, token in (("tokens", TOKEN), ("operators", OPERATOR)):
        (folder / name).write_text(line("ann", token))
        (folder / name).chmod(0o600)
    settings = {
        "SERVER_BIND": pair[0].address,
        "TLS_CERT": str(certificate.cert_file),
        "TLS_KEY": str(certificate.key_file),
        "TLS_CLIENT_CA": str(authority.file),
        "AUTH_TOKENS_FILE": str(folder / "tokens"),
        "CONTROL_TOKENS_FILE": str(folder / "operators"),
    }
    with Server(
        {**COMMON, "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en", **settings}, inside=pair[0].command_prefix
    ) as server:
        server.wait_until_listening()
        (control,) = [answers for answers in server.lines if answers.startswith("Control on")]
        yield Network(
            pair[0], pair[1], folder, authority, server.address.rpartition(":")[2], control.rpartition(":")[2]
        )


def test_unprotected_port_on_other_hosts_requires_explicit_consent(pair: tuple[Host, ...], tmp_path: Path) -> None:
    finished = subprocess.run(
        [*pair[0].command_prefix, STT_SERVER],
        cwd=tmp_path,
        env={**ANY_PORTS, "SERVER_BIND": pair[0].address},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 1
    assert re.fullmatch(r"Error: SERVER_BIND=10\.77\.0\.1 lets anyone on that network connect: .*\n", finished.stderr)


def test_client_with_certificate_and_token_of_a_port_is_admitted(network: Network) -> None:
    data, control = network.ask(TOKEN)
    assert data == LET_IN
    assert control == {**REJECTED, "events": []}, "the token is one of the data port"


def test_operator_token_is_valid_only_for_control(network: Network) -> None:
    data, control = network.ask(OPERATOR)
    assert data == {**REJECTED, "events": ["failure"]}
    assert control["status"] == "OK"


@pytest.mark.parametrize("token", ["", "wrong"])
def test_client_without_a_valid_token_receives_one_message_only(network: Network, token: str) -> None:
    assert network.ask(token) == [{**REJECTED, "events": ["failure"]}, {**REJECTED, "events": []}]


@pytest.mark.parametrize("client_files", ["", "expired"])
def test_client_without_a_valid_certificate_fails_in_the_handshake(network: Network, client_files: str) -> None:
    for answer in network.ask(TOKEN, client_files):
        assert (answer["status"], answer["events"]) == ("UNAVAILABLE", [])
        assert re.search(r"Socket closed|Connection reset|End of TCP stream", str(answer["said"]))
