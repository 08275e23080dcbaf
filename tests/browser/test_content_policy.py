"""The Content Security Policy in Chromium: code and connections of this server only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from stt_service.access.listen_address import ListenAddress
from stt_service.http.listener import HttpListener
from stt_service.http.page.files import PageFiles
from stt_service.http.page.headers import SecurityHeaders

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

pytestmark = pytest.mark.process

DOCUMENT = """<!doctype html><html lang="en"><title>test</title><link rel="icon" href="data:,">
<script>document.title = "inline"</script>
<img src="http://127.0.0.1:1/foreign.png" alt="" onerror="document.title = 'handler'">
<p style="color: red">text</p><script type="module" src="/assets/test.js"></script></html>"""
SCRIPT = """
const open = (url) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onopen = () => resolve("open");
  socket.onerror = () => resolve("blocked");
});
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
const violations = [];
const own = await open(`ws://${location.host}/echo`);
const foreign = await open("ws://127.0.0.1:1/echo");
let code = "blocked";
try { code = new Function("return 'evaluated'")(); } catch { /* as it should be */ }
document.documentElement.dataset.result = JSON.stringify({ own, foreign, code, violations });
"""


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


@pytest_asyncio.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "index.html").write_text(DOCUMENT)
    (tmp_path / "test.js").write_text(SCRIPT)
    routes = [WebSocketRoute("/echo", echo), *PageFiles(tmp_path).routes([])]
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), SecurityHeaders(Starlette(routes=routes)))
    listener.start()
    yield listener.address
    await listener.stop()


async def test_page_runs_its_own_code_and_connects_to_its_own_server_only(browser: Browser, address: str) -> None:
    page = await browser.new_page()
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text))
    await page.goto(f"http://{address}/")
    result = await page.wait_for_function("JSON.parse(document.documentElement.dataset.result ?? 'null')")
    found = await result.json_value()
    assert {key: found[key] for key in ("own", "foreign", "code")} == {
        "own": "open",
        "foreign": "blocked",
        "code": "blocked",
    }
    assert "connect-src" in found["violations"]
    assert await page.title() == "test"
    assert await page.evaluate("getComputedStyle(document.querySelector('p')).color") == "rgb(0, 0, 0)"
    assert not [text for text in warnings if "Permissions-Policy" in text]
    await page.close()
