"""The HTTP port with TLS and tokens: wrong tokens, pages of other sites, and clients of other protocols."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import grpc
import pytest
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc
from websockets.asyncio.client import connect  # websockets.sync uses TLS in two threads: 1 of 1,000 handshakes hangs
from websockets.exceptions import InvalidStatus

from benchmarks.recordings import Recording
from stt_service.access import tokens
from stt_service.http.connections import MAX_WAITING
from tests.end_to_end.http.conftest import http_port
from tests.support.audio.encoded_audio import wav
from tests.support.clients.raw_http import TRANSCRIPTIONS, Answer, HttpPort, answer, form, head
from tests.support.environment.certificates import CertificateAuthority

pytestmark = [pytest.mark.model, pytest.mark.process]
REQUIRED = "A valid token is required: send `Authorization: Bearer TOKEN`."


@dataclass(frozen=True, slots=True)
class Secured:
    """A server with TLS and one token."""

    port: HttpPort
    token: str
    context: ssl.SSLContext

    def exchange(self, *sent: bytes) -> Answer:
        with self.port.connect() as plain, self.context.wrap_socket(plain, server_hostname="localhost") as connection:
            for part in sent:
                connection.sendall(part)
            return answer(connection)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder, token = tmp_path_factory.mktemp("secured"), tokens.new_token()
    authority, known = CertificateAuthority(folder), folder / "tokens"
    issued = authority.issue("server")
    known.write_text(tokens.line("ann", token) + "\n")
    files = {"TLS_CERT": issued.cert_file, "TLS_KEY": issued.key_file, "AUTH_TOKENS_FILE": known}
    with http_port(**{name: str(path) for name, path in files.items()}) as port:
        yield Secured(port, token, ssl.create_default_context(cafile=str(authority.file)))
        assert not [line for line in port.server.lines if "Traceback" in line]


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer ", "Bearer wrong", "Bearer stt_" + "a" * 10_000, "Basic dTpw", "bearer", "Bearer \xff"],
)
def test_missing_or_wrong_token_is_rejected_before_the_body(secured: Secured, authorization: str) -> None:
    lines = (f"Authorization: {authorization}",) if authorization else ()
    answered = secured.exchange(head(TRANSCRIPTIONS, 10**6, *lines))
    assert (answered.status, answered.message) == (401, REQUIRED)


def test_token_is_accepted(secured: Secured, question: Recording) -> None:
    body = form(wav(question.pcm()))
    answered = secured.exchange(head(TRANSCRIPTIONS, len(body), f"Authorization: Bearer {secured.token}"), body)
    assert "Brooklyn" in answered.text


def test_page_of_another_site_is_rejected_even_with_a_token(secured: Secured) -> None:
    lines = (f"Authorization: Bearer {secured.token}", "Origin: https://evil.example")
    assert secured.exchange(head("/v1/models", None, *lines, method="GET")).status == 403


async def test_websocket_without_a_token_is_rejected_in_its_handshake(secured: Secured) -> None:
    url = f"wss://localhost:{secured.port.number}/v1/realtime"
    with pytest.raises(InvalidStatus) as rejected:
        await connect(url, ssl=secured.context)
    assert rejected.value.response.status_code == 401
    headers = {"Authorization": f"Bearer {secured.token}"}
    async with connect(url, ssl=secured.context, additional_headers=headers) as session:
        assert json.loads(await session.recv())["type"] == "session.created"


def test_plaintext_on_the_encrypted_port_is_closed(secured: Secured) -> None:
    with secured.port.connect() as client:
        client.sendall(head("/healthz", None, method="GET"))
        try:
            received = client.recv(100)
        except ConnectionResetError:
            received = b""
    assert not received.startswith(b"HTTP")


def test_unfinished_handshakes_do_not_keep_others_out(secured: Secured) -> None:
    with ExitStack() as stack:
        for _ in range(2 * MAX_WAITING):
            stack.enter_context(secured.port.connect()).sendall(b"\x16\x03\x01")
        assert secured.exchange(head("/healthz", None, method="GET")).status == 200


def test_grpc_client_of_the_http_port_and_http_client_of_the_data_port_fail_at_once(shared: HttpPort) -> None:
    with grpc.insecure_channel(f"{shared.host}:{shared.number}") as channel:
        with pytest.raises(grpc.RpcError) as failed:
            stt_pb2_grpc.SpeechToTextStub(channel).Recognize(pb.RecognizeRequest(), timeout=30)
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    host, _, port = shared.server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(head("/healthz", None, method="GET"))
        received = client.recv(4096)
    assert not received.startswith(b"HTTP/1.1 200")
    assert shared.get("/healthz").status == 200


def test_tls_client_of_a_plaintext_port_fails_at_once(shared: HttpPort) -> None:
    with shared.connect() as client, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
