"""Bytes and times of the page's first load, and of the start of a recording."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from playwright.async_api import Browser, Page

from benchmarks.page.browser import STATE_TIMEOUT_MS

READ_BYTES = 65_536
MAX_FIRST_LOAD_BYTES = 150_000
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
READY_MS = "() => performance.now()"
# Resolves with the milliseconds from the click, as the browser received it, to the frame that shows the state.
CLICK_TO_RECORDING = """() => {
    window.recordingMs = new Promise((resolve) => {
        let clickedMs = 0;
        addEventListener("click", ({ timeStamp }) => (clickedMs = timeStamp), { capture: true, once: true });
        const observer = new MutationObserver(() => {
            if (document.body.dataset.state !== "recording") return;
            observer.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - clickedMs));
        });
        observer.observe(document.body, { attributes: true, attributeFilter: ["data-state"] });
    });
}"""


@dataclass(slots=True)
class Loads:
    """Measurements of repeated first loads; times in milliseconds."""

    first_paint_ms: list[float] = field(default_factory=list)
    ready_ms: list[float] = field(default_factory=list)  # the sheet accepts keys
    recording_ms: list[float] = field(default_factory=list)  # from the click
    load_bytes: int = 0  # of all responses, with their headers, until the page is idle
    recording_bytes: int = 0  # more, until the page records
    copy_bytes: int = 0  # of a load with the service worker, which copies the page for later loads without a server

    def rows(self) -> list[str]:
        return [
            _times("first contentful paint", self.first_paint_ms),
            _times("sheet accepts keys", self.ready_ms),
            _times('click to "recording"', self.recording_ms),
            f"| bytes of the first load | {self.load_bytes:,} (limit {MAX_FIRST_LOAD_BYTES:,}) | |",
            f"| more bytes until it records | {self.recording_bytes:,} | |",
            f"| bytes of a first load that installs the service worker | {self.copy_bytes:,} | |",
        ]


def _times(name: str, values_ms: list[float]) -> str:
    return f"| {name} | {median(values_ms):.0f} ms | {max(values_ms):.0f} ms |"


@asynccontextmanager
async def counting_proxy(address: str) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """Forward TCP connections to a server; yield the page's address and the bytes that the server sent so far."""
    host, _, port = address.rpartition(":")
    sent = 0

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_response: bool) -> None:
        nonlocal sent
        try:
            while data := await reader.read(READ_BYTES):
                sent += len(data) * is_response
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one side is gone: the other is closed, too
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(
            pump(reader, server_writer, is_response=False), pump(server_reader, writer, is_response=True)
        )

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as serving:
        yield f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}", lambda: sent


async def measure_loads(browser: Browser, address: str, repeat: int) -> Loads:
    """Load the page of the server with an empty cache, and start a recording, so many times."""
    loads = Loads()
    async with counting_proxy(address) as (url, sent):
        for _ in range(repeat):
            await _load(browser, url, sent, loads)
        before = sent()
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(url, wait_until="networkidle")
        await page.evaluate("() => navigator.serviceWorker.ready.then(() => {})")
        loads.copy_bytes = sent() - before
        await context.close()
    return loads


async def _load(browser: Browser, url: str, sent: Callable[[], int], loads: Loads) -> None:
    context = await browser.new_context(service_workers="block")
    page = await context.new_page()
    before = sent()
    await page.goto(url)
    await page.wait_for_selector("#sheet:focus > p", state="attached")
    loads.ready_ms.append(await page.evaluate(READY_MS))
    await page.wait_for_load_state("networkidle")
    loads.load_bytes = sent() - before
    await page.wait_for_function(FIRST_PAINT)
    loads.first_paint_ms.append(await page.evaluate(FIRST_PAINT))
    loads.recording_ms.append(await _click(page))
    loads.recording_bytes = sent() - before - loads.load_bytes
    await context.close()


async def _click(page: Page) -> float:
    await page.evaluate(CLICK_TO_RECORDING)
    await page.click("#record")
    async with asyncio.timeout(STATE_TIMEOUT_MS / 1000):
        elapsed_ms: float = await page.evaluate("() => recordingMs")
    return elapsed_ms
