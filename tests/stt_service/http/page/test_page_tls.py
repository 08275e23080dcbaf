"""The page over TLS, with and without a client certificate."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from stt_service.access.tokens import line, new_token
from tests.support.clients.page_client import config, page_stream, parsed, request
from tests.support.environment.certificates import CertificateAuthority
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TOKEN = new_token()
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True, slots=True)
class Secured:
    """The address of a server that requires tokens and client certificates, and two clients' TLS."""

    address: str
    anonymous: ssl.SSLContext
    certified: ssl.SSLContext


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = CertificateAuthority(folder)
    server, client = authority.issue("server"), authority.issue("client")
    (folder / "tokens").write_text(line("ann", TOKEN))
    files = {
        "tls_cert": server.cert_file,
        "tls_key": server.key_file,
        "tls_client_ca": authority.file,
        "auth_tokens_file": folder / "tokens",
    }
    anonymous, certified = (ssl.create_default_context(cafile=str(authority.file)) for _ in range(2))
    certified.load_cert_chain(client.cert_file, client.key_file)
    more = {name: str(path) for name, path in files.items()}
    async with running_server(BlockingServerEngine(), 2, more=more) as running:
        yield Secured(running.http.address, anonymous, certified)


async def test_page_loads_without_a_certificate_and_knows_that_it_may_not_open_streams(secured: Secured) -> None:
    assert (await request(secured.address, "/", tls=secured.anonymous)).status == 200
    info = (await request(secured.address, "/api/info", headers=BEARER, tls=secured.anonymous)).json
    assert (info["secure"], info["authorized"]) == (True, False)
    assert "settings" not in info


async def test_client_with_certificate_and_token_opens_a_stream(secured: Secured) -> None:
    info = (await request(secured.address, "/api/info", headers=BEARER, tls=secured.certified)).json
    assert info["authorized"] is True
    origin = f"https://{secured.address}"
    async with page_stream(secured.address, token=TOKEN, origin=origin, tls=secured.certified) as stream:
        await stream.send(config())
        assert parsed(await stream.recv()).HasField("started")


@pytest.mark.parametrize(("is_certified", "token"), [(False, TOKEN), (True, "")])
async def test_stream_needs_both(secured: Secured, is_certified: bool, token: str) -> None:
    tls = secured.certified if is_certified else secured.anonymous
    with pytest.raises(InvalidStatus) as raised:
        async with page_stream(secured.address, token=token, tls=tls):
            pass
    assert raised.value.response.status_code == 401


async def test_captions_without_a_certificate_need_the_key(secured: Secured) -> None:
    response = await request(secured.address, "/api/captions/talk", headers={}, tls=secured.anonymous)
    assert response.status == 401
