"""stt-cli and servers with TLS, client certificates or tokens: access with them, clear errors without them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from stt_service.access.tokens import line, new_token
from stt_service.server import Server
from tests.support.audio.encoded_audio import silence
from tests.support.clients.cli_process import Outcome, outcome, start
from tests.support.environment.certificates import DAY, CertificateAuthority
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TOKEN, OPERATOR = new_token(), new_token()


@dataclass(frozen=True)
class Secured:
    """A server that requires all three, and the CA of its certificate."""

    server: Server
    authority: CertificateAuthority
    folder: Path

    def options(self, certificate: str = "client", authority: CertificateAuthority | None = None) -> list[str]:
        """Return the options that admit a client, except its token."""
        client_files = (
            [f"--tls-cert={self.folder}/{certificate}.pem", f"--tls-key={self.folder}/{certificate}.key"]
            if certificate
            else []
        )
        return [f"--tls-ca={(authority or self.authority).file}", *client_files]

    @property
    def data(self) -> str:
        return f"--server=localhost:{self.server.data.number}"


@pytest_asyncio.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = CertificateAuthority(folder)
    server_certificate = authority.issue("server")
    authority.issue("client")
    authority.issue("expired", begins=-9 * DAY, ends=-DAY)
    (folder / "tokens").write_text(line("ann", TOKEN))
    (folder / "operators").write_text(line("root", OPERATOR))
    files = {
        "tls_cert": server_certificate.cert_file,
        "tls_key": server_certificate.key_file,
        "tls_client_ca": authority.file,
        "auth_tokens_file": folder / "tokens",
        "control_tokens_file": folder / "operators",
    }
    held = BlockingServerEngine()
    held.release()
    async with running_server(held, 4, more={name: str(path) for name, path in files.items()}) as server:
        yield Secured(server, authority, folder)


async def cli(*arguments: str, stdin: bytes = b"", **variables: str) -> Outcome:
    return await outcome(await start(*arguments, more=variables), stdin)


async def recognize(*options: str, **variables: str) -> Outcome:
    return await cli("recognize", "--raw", "16000", "-", *options, stdin=silence(1), **variables)


async def test_client_with_tls_certificate_and_token_is_served(secured: Secured) -> None:
    result = await recognize(secured.data, *secured.options(), STT_TOKEN=TOKEN)
    assert (result.code, result.stderr) == (0, "No speech found in standard input.\n")
    status = await cli("status", secured.data, *secured.options(), "--token", TOKEN)
    assert (status.code, status.stderr) == (0, "")
    assert "stt.v1.SpeechToText" in status.stdout


async def test_available_one_of_several_tls_servers_is_used(secured: Secured) -> None:
    address = f"--server=localhost:1,localhost:{secured.server.data.number}"
    result = await recognize(address, *secured.options(), STT_TOKEN=TOKEN)
    assert (result.code, result.stderr) == (0, "No speech found in standard input.\n")


async def test_operator_is_admitted_with_the_control_token_only(secured: Secured) -> None:
    control = f"--control=localhost:{secured.server.control.number}"
    result = await cli("sessions", control, *secured.options(), STT_CONTROL_TOKEN=OPERATOR)
    assert (result.code, result.stderr) == (0, "")
    rejected = await cli("sessions", control, *secured.options(), STT_CONTROL_TOKEN=TOKEN)
    assert (rejected.code, rejected.stdout) == (1, "")
    assert "Missing or invalid token" in rejected.stderr


@pytest.mark.parametrize(
    "token", [{}, {"STT_TOKEN": "wrong"}, {"STT_TOKEN": OPERATOR}], ids=["none", "wrong", "operators"]
)
async def test_missing_token_is_an_immediate_error_without_retries(secured: Secured, token: dict[str, str]) -> None:
    result = await recognize(secured.data, *secured.options(), **token)
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: standard input: Missing or invalid token: "
        "send `authorization: Bearer TOKEN` with a token of this port (stt-cli: --token).\n"
    )


@pytest.mark.parametrize("token", ["ключ", "two\nlines"])
async def test_invalid_token_format_is_an_error_before_any_connection(secured: Secured, token: str) -> None:
    result = await recognize(secured.data, *secured.options(), STT_TOKEN=token)
    assert result.code == 1
    assert result.stderr == "Error: invalid token: a token has printable ASCII characters only.\n"


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        ("", "closed the connection: it requires a client certificate: pass one with --tls-cert and --tls-key."),
        ("expired", "expired.pem: expired, or signed by another CA."),
    ],
)
async def test_client_certificate_error_names_the_problem(secured: Secured, certificate: str, sentence: str) -> None:
    result = await cli("status", secured.data, *secured.options(certificate), STT_TOKEN=TOKEN)
    assert (result.code, result.stdout) == (3, "")
    assert result.stderr.endswith(f"{sentence}\n")


async def test_server_with_an_untrusted_certificate_is_not_contacted(secured: Secured, tmp_path: Path) -> None:
    untrusted = CertificateAuthority(tmp_path)
    result = await cli("status", secured.data, *secured.options(authority=untrusted), STT_TOKEN=TOKEN)
    assert result.code == 3
    assert "is not signed by a trusted CA: name its CA with --tls-ca." in result.stderr


async def test_connection_without_tls_to_a_tls_server_suggests_tls(secured: Secured) -> None:
    result = await cli("status", secured.data)
    assert result.code == 3
    assert result.stderr.endswith("closed the connection: if it requires TLS, add --tls, or --tls-ca with its CA.\n")


async def test_tls_to_a_server_without_tls_is_reported() -> None:
    async with running_server(BlockingServerEngine(), 1) as server:
        result = await cli("status", "--tls", f"--server=localhost:{server.data.number}")
    assert result.code == 3
    assert "does not use TLS: remove the --tls options" in result.stderr


async def test_host_name_missing_from_the_certificate_is_reported(secured: Secured) -> None:
    result = await cli("status", f"--server=127.0.0.2:{secured.server.data.number}", *secured.options())
    assert result.code == 3


@pytest.mark.parametrize(("certificate", "token"), [("client", "wrong"), ("expired", TOKEN)])
async def test_doctor_prints_the_same_message(secured: Secured, certificate: str, token: str) -> None:
    result = await cli("doctor", secured.data, *secured.options(certificate), STT_TOKEN=token)
    assert result.code == 1
    expected = (
        "Missing or invalid token" if certificate == "client" else "expired.pem: expired, or signed by another CA"
    )
    (failed,) = [message for message in result.stdout.splitlines() if message.startswith("fail")]
    assert expected in failed
