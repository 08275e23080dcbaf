"""Checks of a page with axe-core."""

from __future__ import annotations

from importlib import resources

from playwright.async_api import Page

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


async def violations(page: Page) -> list[str]:
    """Return what axe-core reports: the rule and the first element of each violation."""
    await page.evaluate(AXE)
    found: list[str] = await page.evaluate(
        "async () => (await axe.run()).violations.map((each) => `${each.id}: ${each.nodes[0].html}`)"
    )
    return found
