"""Chromium with a microphone that plays a file, and pages that load the modules of the web page."""

from __future__ import annotations

import mimetypes
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, Route, async_playwright

ASSETS = Path(__file__).parents[2] / "stt_service" / "http" / "page" / "assets"
CHROMIUM = shutil.which("chromium")
BLANK_ORIGIN = "http://localhost:1"  # nothing listens there: each request is answered from ASSETS
FLAGS = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

Launch = Callable[[Path | None], Awaitable[Browser]]


@pytest_asyncio.fixture(scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """Return Playwright; the tests are skipped without the Debian package chromium."""
    if CHROMIUM is None:
        pytest.skip("needs the Debian package chromium")
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def launch(playwright: Playwright) -> AsyncIterator[Launch]:
    """Return a function that starts a browser whose microphone plays a WAV file once, and then silence."""
    async with AsyncExitStack() as browsers:

        async def start(recording: Path | None) -> Browser:
            file = () if recording is None else (f"--use-file-for-fake-audio-capture={recording}%noloop",)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *file])
            browsers.push_async_callback(browser.close)
            return browser

        yield start


@pytest_asyncio.fixture(scope="session")
async def browser(launch: Launch) -> Browser:
    """Return a browser whose microphone beeps."""
    return await launch(None)


@pytest_asyncio.fixture
async def blank_page(browser: Browser) -> AsyncIterator[Page]:
    """Return an empty page that can import the modules of the web page: `await import("/assets/…")`."""
    context = await browser.new_context()
    await context.route(f"{BLANK_ORIGIN}/**", _answer_from_assets)
    page = await context.new_page()
    await page.goto(BLANK_ORIGIN)
    yield page
    await context.close()


async def _answer_from_assets(route: Route) -> None:
    path = route.request.url.removeprefix(BLANK_ORIGIN).removeprefix("/assets")
    file = ASSETS / path.lstrip("/")
    if path == "/":
        await route.fulfill(body="<!doctype html><title>blank</title>", content_type="text/html")
    elif file.is_file():
        await route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0])
    else:
        await route.fulfill(status=404)
