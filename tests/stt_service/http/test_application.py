"""The application over real sockets: what holds for every surface, and pages of other sites that may use them."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stt_service.access import tokens
from stt_service.http.page.headers import SECURITY_HEADERS
from stt_service.server import Server
from tests.support.clients.page_client import request
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TOKEN, PAGE = tokens.new_token(), "https://app.example"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,x-stainless-lang",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def protected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that requires tokens, and that pages of two origins may use."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(tokens.line("ann", TOKEN))
    more = {"auth_tokens_file": str(file), "http_allowed_origins": f"http://localhost:3000, {PAGE}"}
    async with running_server(BlockingServerEngine(), 2, more=more) as running:
        yield running


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:3000"])
async def test_page_of_an_allowed_origin_may_send_a_token(protected: Server, origin: str) -> None:
    headers = {"Origin": origin, **PREFLIGHT}
    preflight = await request(protected.http.address, "/v1/audio/transcriptions", "OPTIONS", headers)
    assert preflight.status == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == PREFLIGHT["Access-Control-Request-Headers"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/v1/models", AUTHORIZED, 200), ("/v1/models", {}, 401), ("/none", AUTHORIZED, 404)],
)
async def test_page_of_an_allowed_origin_may_read_every_response(
    protected: Server, path: str, headers: dict[str, str], status: int
) -> None:
    response = await request(protected.http.address, path, headers={"Origin": PAGE, **headers})
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    assert "Origin" in response.headers["Vary"]
    assert response.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_page_of_another_origin_gets_no_permission(protected: Server, origin: str) -> None:
    preflight = await request(protected.http.address, "/v1/models", "OPTIONS", {"Origin": origin, **PREFLIGHT})
    response = await request(protected.http.address, "/v1/models", headers={"Origin": origin, **AUTHORIZED})
    assert (preflight.status, response.status) == (400, 403)
    for each in (preflight, response):
        assert "Access-Control-Allow-Origin" not in each.headers


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/audio/transcriptions/", "/healthz/"])
async def test_path_with_a_slash_at_its_end_is_not_redirected(protected: Server, path: str) -> None:
    response = await request(protected.http.address, path, headers=AUTHORIZED)
    assert response.status == 404
    assert json.loads(response.body)["error"]["code"] in ("unknown_url", "not_found")


async def test_unknown_path_is_unauthorized_without_a_token(protected: Server) -> None:
    """A wrong base URL looks like a wrong key, as docs/integrations.md notes: unauthorized requests learn no paths."""
    assert (await request(protected.http.address, "/v2/none")).status == 401
    assert (await request(protected.http.address, "/v2/none", headers=AUTHORIZED)).status == 404


@pytest.mark.parametrize("path", ["/v1/realtime", "/api/stream"])
async def test_rejected_handshake_has_the_security_headers_and_leaves_no_line(
    protected: Server, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as rejected:
        async with connect(f"ws://{protected.http.address}{path}", proxy=None):
            pass
    response = rejected.value.response
    assert response.status_code == 401
    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
