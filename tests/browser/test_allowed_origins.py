"""Pages of other sites in Chromium: those of HTTP_ALLOWED_ORIGINS can use the REST API with a token, others cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from starlette.applications import Starlette

from stt_service.access import tokens
from stt_service.access.listen_address import ListenAddress
from stt_service.http.listener import HttpListener
from stt_service.http.page.files import PageFiles
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

pytestmark = pytest.mark.process
TOKEN = tokens.new_token()
# OpenAI's client for browsers sends such headers of its own; the server has to allow them.
UPLOAD = """async ([address, token]) => {
  const body = new FormData();
  body.append("model", "whisper-1");
  const headers = { Authorization: `Bearer ${token}`, "X-Stainless-Lang": "js" };
  try {
    const response = await fetch(`http://${address}/v1/audio/transcriptions`, { method: "POST", headers, body });
    return [response.status, (await response.json()).error.param];
  } catch (error) {
    return [0, error.name];
  }
}"""


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[str]:
    """The address of another site, with an empty page."""
    (tmp_path / "index.html").write_text("<!doctype html><title>site</title>")
    app = Starlette(routes=PageFiles(tmp_path).routes([]))
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), app)
    listener.start()
    yield listener.address
    await listener.stop()


@pytest.mark.parametrize(("name", "answered"), [("127.0.0.1", [400, "file"]), ("localhost", [0, "TypeError"])])
async def test_page_of_an_allowed_origin_can_upload_with_a_token(
    browser: Browser, site: str, tmp_path: Path, name: str, answered: list[object]
) -> None:
    """The same page is of another origin under another name of its host, which is not allowed."""
    file = tmp_path / "tokens"
    file.write_text(tokens.line("ann", TOKEN))
    more = {"auth_tokens_file": str(file), "http_allowed_origins": f"https://app.example, http://{site}"}
    async with running_server(BlockingServerEngine(), 2, more=more) as server:
        page = await browser.new_page()
        await page.goto(f"http://{site.replace('127.0.0.1', name)}/")
        assert await page.evaluate(UPLOAD, [server.http.address, TOKEN]) == answered
        await page.close()
