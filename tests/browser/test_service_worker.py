"""The service worker in Chromium: a slow network, a lost server, and an upgrade of the server's files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from stt_service.access.listen_address import ListenAddress
from stt_service.http.listener import HttpListener
from stt_service.http.page.files import ASSETS, SERVICE_WORKER, PageFiles
from stt_service.http.page.headers import SecurityHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

pytestmark = pytest.mark.process

SCRIPT = "/assets/app.js"
OTHER = "/assets/other.js"  # the page does not refer to it: it has no copy
ALL = "all"
INSTALLED = """async () => {
    const changed = new Promise((resolve) => {
        navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
    });
    const registration = await navigator.serviceWorker.register("/service-worker.js", { scope: "/" });
    await registration.update();
    await changed;
    const worker = navigator.serviceWorker.controller;
    while (worker.state !== "activated") {
        await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
    }
}"""
# Starts a request; its text follows.
START = "(path) => { window.answers ??= {}; answers[path] = fetch(path).then((response) => response.text()); }"
TEXT = "(path) => fetch(path).then((response) => response.text())"
SHOWN = "() => `${document.title} ${document.documentElement.dataset.script}`"


class Site:
    """The files of one version at a time; paths can fail, and wait before their headers or before their body."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._app: ASGIApp = self._files("one")
        self.failing: set[str] = set()
        self.held_headers: dict[str, asyncio.Event] = {}
        self.held_bodies: dict[str, asyncio.Event] = {}

    def upgrade(self) -> None:
        """Serve other files."""
        self._app = self._files("two")

    def _files(self, version: str) -> ASGIApp:
        folder = self._root / version
        folder.mkdir()
        source = (ASSETS / SERVICE_WORKER).read_text()
        assert "NETWORK_TIMEOUT_MS = 3000" in source
        (folder / SERVICE_WORKER).write_text(source.replace("NETWORK_TIMEOUT_MS = 3000", "NETWORK_TIMEOUT_MS = 200"))
        script = '<link rel="icon" href="data:,"><script src="/assets/app.js"></script>'
        (folder / "index.html").write_text(f"<!doctype html><title>{version}</title>{script}")
        (folder / "app.js").write_text(f'document.documentElement.dataset.script = "{version}";')
        (folder / "other.js").write_text("other")
        return SecurityHeaders(Starlette(routes=PageFiles(folder).routes([])))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self.failing & {path, ALL}:
            await PlainTextResponse("failed", 503)(scope, receive, send)
            return
        if held := self.held_headers.get(path):
            await held.wait()

        async def send_later(message: Message) -> None:
            if message["type"] == "http.response.body" and path in self.held_bodies:
                await self.held_bodies[path].wait()
            await send(message)

        await self._app(scope, receive, send_later)


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest_asyncio.fixture
async def page(browser: Browser, site: Site) -> AsyncIterator[Page]:
    """Return the page of the first version, with its service worker installed."""
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), site)
    listener.start()
    context = await browser.new_context()
    opened = await context.new_page()
    opened.set_default_timeout(10_000)
    await opened.goto(f"http://{listener.address}/")
    await opened.evaluate(INSTALLED)
    yield opened
    await context.close()
    await listener.stop()


async def exceed_timeout(site: Site, page: Page) -> None:
    """Wait until the timeout of requests that are open now has passed: that of a later one has."""
    site.held_headers["/"] = asyncio.Event()
    assert "<title>one</title>" in await page.evaluate(TEXT, "/")
    site.held_headers.pop("/").set()


async def test_slow_body_arrives_whole(site: Site, page: Page) -> None:
    url = f"{SCRIPT}?uncached"
    site.held_bodies[SCRIPT] = asyncio.Event()
    async with page.expect_response(lambda response: response.url.endswith(url)):
        await page.evaluate(START, url)
    await exceed_timeout(site, page)
    site.held_bodies[SCRIPT].set()
    assert "one" in await page.evaluate("(url) => answers[url]", url)


async def test_file_without_a_copy_is_awaited(site: Site, page: Page) -> None:
    site.held_headers[OTHER] = asyncio.Event()
    await page.evaluate(START, OTHER)
    await exceed_timeout(site, page)
    site.held_headers[OTHER].set()
    assert await page.evaluate("(path) => answers[path]", OTHER) == "other"


async def test_copy_has_the_files_of_one_version(site: Site, page: Page) -> None:
    site.upgrade()
    site.failing = {ALL}
    await page.reload()
    assert await page.evaluate(SHOWN) == "one one"
    site.failing = set()
    await page.evaluate(INSTALLED)
    site.failing = {ALL}
    await page.reload()
    assert await page.evaluate(SHOWN) == "two two"


@pytest.mark.parametrize("is_reloaded", [False, True], ids=["opened before the worker", "opened with the worker"])
async def test_open_page_keeps_the_version_of_its_document(site: Site, page: Page, is_reloaded: bool) -> None:
    if is_reloaded:
        await page.reload()
    site.upgrade()
    assert "one" in await page.evaluate(TEXT, SCRIPT)
    await page.evaluate(INSTALLED)
    assert "one" in await page.evaluate(TEXT, SCRIPT)


async def test_page_of_the_next_version_keeps_that_version(site: Site, page: Page) -> None:
    site.upgrade()
    await page.reload()
    await page.evaluate(INSTALLED)
    site.failing = {ALL}
    assert "two" in await page.evaluate(TEXT, SCRIPT)


async def test_document_from_the_copy_gets_its_files_from_there(site: Site, page: Page) -> None:
    site.upgrade()
    site.failing = {"/"}
    await page.reload()
    assert await page.evaluate(SHOWN) == "one one"


async def test_failed_installation_leaves_the_former_copy(site: Site, page: Page) -> None:
    site.upgrade()
    site.failing = {SCRIPT}
    states = """async () => {
        const registration = await navigator.serviceWorker.ready;
        const found = new Promise((resolve) => registration.addEventListener("updatefound", resolve, { once: true }));
        await registration.update().catch(() => {});
        await found;
        const worker = registration.installing;
        while (worker && worker.state !== "redundant") {
            await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
        }
        const copies = (await caches.keys()).filter((name) => name.startsWith("stt-page-"));
        return [worker?.state ?? "redundant", copies.length];
    }"""
    assert await page.evaluate(states) == ["redundant", 1]
    site.failing = {ALL}
    await page.reload()
    assert await page.evaluate(SHOWN) == "one one"


async def test_document_from_the_copy_keeps_its_version_after_the_worker_was_stopped(site: Site, page: Page) -> None:
    site.upgrade()
    site.failing = {"/"}
    await page.reload()
    site.failing = set()
    session = await page.context.new_cdp_session(page)
    await session.send("ServiceWorker.enable")
    await session.send("ServiceWorker.stopAllWorkers")
    assert "one" in await page.evaluate(TEXT, SCRIPT)


async def test_document_from_the_copy_keeps_its_version_after_an_upgrade(site: Site, page: Page) -> None:
    site.upgrade()
    site.failing = {"/"}
    await page.reload()
    site.failing = set()
    await page.evaluate(INSTALLED)
    assert "one" in await page.evaluate(TEXT, SCRIPT)
    await page.reload()
    assert await page.evaluate(SHOWN) == "two two"


async def test_document_of_the_next_version_gets_no_file_from_the_copy(site: Site, page: Page) -> None:
    former = await page.context.new_page()
    await former.goto(page.url)
    site.upgrade()
    await page.reload()
    assert await page.evaluate(SHOWN) == "two two"
    site.held_headers[SCRIPT] = asyncio.Event()
    await page.evaluate(START, SCRIPT)
    await exceed_timeout(site, former)
    site.held_headers[SCRIPT].set()
    assert "two" in await page.evaluate("(path) => answers[path]", SCRIPT)


async def test_copies_that_no_page_uses_are_deleted_and_caches_of_others_are_kept(site: Site, page: Page) -> None:
    await page.evaluate("() => caches.open('others')")
    site.upgrade()
    await page.reload()
    await page.evaluate(INSTALLED)
    names = await page.evaluate("() => caches.keys()")
    assert len([name for name in names if name.startswith("stt-page-")]) == 1
    assert "others" in names
