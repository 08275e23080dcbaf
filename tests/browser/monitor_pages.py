"""The monitor page in Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from playwright.async_api import Browser, Locator, Page

# What Chromium reports for a response that the test provokes; everything else is an error of the page.
EXPECTED = ("Failed to load resource: the server responded with a status of 4", "net::ERR_")


@asynccontextmanager
async def opened(
    browser: Browser, address: str, width: int = 1280, theme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Page]:
    """Open the monitor; fail if it reports an error or a violation of its policy on exit."""
    context = await browser.new_context(color_scheme=theme, viewport={"width": width, "height": 800})
    page, problems = await context.new_page(), list[str]()
    page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_default_timeout(20_000)
    await page.goto(f"http://{address}/monitor")
    yield page
    await context.close()
    assert [text for text in problems if not any(part in text for part in EXPECTED)] == []


def fact(page: Page, name: str) -> Locator:
    """Return a value of the summary."""
    return page.locator(f"#health div:has(dt:text-is('{name}')) dd")
