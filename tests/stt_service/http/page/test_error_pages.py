"""Errors for browsers: a person who opens an address reads a page, and other clients get JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from stt_service.access import tokens
from stt_service.http.page.headers import DOCUMENT_HEADERS, SECURITY_HEADERS
from stt_service.server import Server
from tests.support.clients.page_client import HttpResponse, request
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
SCRIPT = "*/*"
UNKNOWN_NAME = "/captions/" + quote("нет-такого")
MARKUP = "<script>alert(1)</script>.example"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with running_server(BlockingServerEngine(), 1) as running:
        yield running


async def opened(server: Server, path: str, method: str = "GET", **headers: str) -> HttpResponse:
    """Return what a browser receives that opens the path."""
    return await request(server.http.address, path, method, {"Accept": BROWSER, **headers})


def assert_is_page(response: HttpResponse, status: int) -> str:
    """Check a document; return its text."""
    assert (response.status, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    expected = SECURITY_HEADERS | DOCUMENT_HEADERS
    assert {name: response.headers[name] for name in expected} == expected
    assert response.headers["Vary"].startswith("Accept, Accept-Language")
    text = response.body.decode()
    assert "<script" not in text
    assert "style=" not in text
    return text


@pytest.mark.parametrize(
    ("language", "lang", "heading"),
    [
        ("en-US,en;q=0.9", "en", "This address is not accepted"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru", "Этот адрес не принимается"),
        ("de", "en", "This address is not accepted"),
    ],
)
async def test_foreign_host_is_explained_in_the_language_of_the_browser(
    server: Server, language: str, lang: str, heading: str
) -> None:
    response = await opened(server, "/", Host="other.example", **{"Accept-Language": language})
    text = assert_is_page(response, 400)
    assert f'<html lang="{lang}">' in text
    assert f"<h1>{heading}</h1>" in text
    assert "HTTP_ALLOWED_ORIGINS" in text
    assert "<a" not in text  # no page opens at this address


@pytest.mark.parametrize("path", [UNKNOWN_NAME, "/captions/", "/none", "/v1/none"])
async def test_unknown_path_is_a_page_that_leads_to_the_dictation(server: Server, path: str) -> None:
    text = assert_is_page(await opened(server, path), 404)
    assert "<h1>Page not found</h1>" in text
    assert '<a href="/">Dictation</a>' in text


async def test_unknown_path_is_a_page_without_the_openai_api() -> None:
    async with running_server(BlockingServerEngine(), 1, more={"http_surfaces": "page"}) as server:
        assert_is_page(await opened(server, "/none"), 404)
        other = await request(server.http.address, "/none", headers={"Accept": SCRIPT})
        assert (other.status, other.body) == (404, b"Not Found")


async def test_missing_token_is_a_page_with_the_sentence_of_the_server(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(tokens.line("ann", tokens.new_token()))
    async with running_server(BlockingServerEngine(), 1, more={"auth_tokens_file": str(file)}) as server:
        text = assert_is_page(await opened(server, "/none"), 401)
    assert "<h1>The server rejected the request</h1>" in text
    assert "A valid token is required" in text


async def test_text_of_a_request_stays_text(server: Server) -> None:
    origin = f"https://{MARKUP}"
    text = assert_is_page(await opened(server, "/", Origin=origin), 403)
    assert "&lt;script&gt;" in text


async def test_page_of_an_error_has_no_body_for_head(server: Server) -> None:
    response = await opened(server, UNKNOWN_NAME, "HEAD")
    assert (response.status, response.body) == (404, b"")


@pytest.mark.parametrize("accept", [SCRIPT, "application/json", "text/html;q=0, */*", ""])
@pytest.mark.parametrize(
    ("path", "host"), [("/", "other.example"), (UNKNOWN_NAME, "localhost"), ("/none", "localhost")]
)
async def test_other_clients_get_json(server: Server, accept: str, path: str, host: str) -> None:
    response = await request(server.http.address, path, headers={"Accept": accept, "Host": host})
    assert response.headers["Content-Type"] == "application/json"
    assert {"failure", "error"} & response.json.keys()


async def test_request_that_opens_no_page_gets_json(server: Server) -> None:
    response = await opened(server, "/none", "POST")
    assert response.headers["Content-Type"] == "application/json"


async def test_server_without_the_page_answers_browsers_in_json() -> None:
    async with running_server(BlockingServerEngine(), 1, more={"http_surfaces": "openai"}) as server:
        response = await opened(server, "/none")
        assert (response.status, response.headers["Content-Type"]) == (404, "application/json")
