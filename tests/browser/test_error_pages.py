"""Pages of errors in Chromium, with a server in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from stt_service.server import Server
from tests.browser.accessibility import violations
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with running_server(BlockingServerEngine(), 1) as running:
        yield running


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (1440, "dark")])
@pytest.mark.parametrize(
    ("host", "path", "heading", "status"),
    [
        ("127.0.0.1", "/captions/нет-такого", "Страница не найдена", "404 (Not Found)"),
        ("other.localhost", "/", "Этот адрес не принимается", "400 (Bad Request)"),
    ],
    ids=["unknown path", "foreign host"],
)
async def test_error_is_an_accessible_page_within_the_policy(
    browser: Browser,
    server: Server,
    width: int,
    theme: Literal["light", "dark"],
    host: str,
    path: str,
    heading: str,
    status: str,
) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 740}, color_scheme=theme, locale="ru-RU")
    page, reported = await context.new_page(), list[str]()
    page.on("console", lambda line: reported.append(line.text) if line.type == "error" else None)
    await page.goto(f"http://{host}:{server.http.number}{path}")
    await expect(page.get_by_role("heading")).to_have_text(heading)
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert reported == [f"Failed to load resource: the server responded with a status of {status}"]  # the document
    await context.close()
