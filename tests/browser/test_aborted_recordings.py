"""A recording that an operator has ended is recognized again only if the user asks for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.sheet_pages import WAIT_FOR_STORED_AUDIO, SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

ABORTED = re.compile(r"^Stopped by the operator, \d+ s kept$")


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    """Return a page whose recording an operator has ended."""
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        stream = await opened.record()
        await expect(opened.page.locator("#timer")).to_have_text(re.compile("0:0[1-9]"))
        await opened.page.evaluate(WAIT_FOR_STORED_AUDIO)
        await stream.fail("ABORTED", "An operator ended the stream.")
        await expect(opened.page.locator("#state")).to_have_text(ABORTED)
        yield opened


async def reload(sheet: SheetPage) -> None:
    """Reload the page; return once it offers the recording."""
    await sheet.page.reload()
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)


async def test_aborted_recording_is_offered_after_a_reload(sheet: SheetPage) -> None:
    await reload(sheet)
    assert len(sheet.stream.configs) == 1
    await sheet.page.click("#recordings button:text-is('Recognize')")
    await sheet.stream.started()


async def test_aborted_recording_is_offered_after_another_one(sheet: SheetPage) -> None:
    await sheet.record()
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text(ABORTED)
    await reload(sheet)
    assert len(sheet.stream.configs) == 2


async def test_changed_token_does_not_continue_an_aborted_recording(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.fill("[name=token]", "secret")
    await sheet.press("Tab", "Escape")
    await expect(sheet.page.locator("#state")).to_have_text(ABORTED)
    sheet.stream.hold_end()
    await sheet.page.click("#retry")
    await sheet.stream.started()
    assert len(sheet.stream.configs) == 2
    await sheet.page.reload()  # while it is recognized
    await sheet.stream.started()
