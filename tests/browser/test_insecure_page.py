"""The dictation page over http from another machine: browsers offer it no microphone and no clipboard API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

UNTRUSTED_HOST = "0.0.0.0"  # noqa: S104  (this machine, but to browsers not a loopback address)


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, host=UNTRUSTED_HOST) as opened:
        assert await opened.page.evaluate("isSecureContext") is False
        yield opened


async def test_recording_reports_that_it_needs_a_secure_connection(sheet: SheetPage) -> None:
    sentence = re.compile("^The microphone needs a secure connection.")
    await expect(sheet.page.locator("#banner")).to_have_text(sentence)
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#notice")).to_have_text(sentence)
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def test_text_is_copied_and_its_selection_stays(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one two")
    await sheet.press("Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft")
    await sheet.page.click("#copy")
    await expect(sheet.page.locator("#notice")).to_have_text("Copied.")
    await sheet.press("Delete", "Control+v", "Control+v")
    await sheet.expect_text("one twotwo")


async def test_whole_text_is_copied_without_a_selection(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one\ntwo")
    await sheet.press("Control+Shift+S", "Control+v")
    await sheet.expect_text("one\ntwoone\ntwo")


async def test_link_of_captions_is_copied(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.locator("[name=publish]").check()
    await sheet.page.click("#copy-captions-link")
    await expect(sheet.page.locator("#captions-link-copied")).to_have_text("Copied.")
    await sheet.press("Escape")
    await sheet.page.locator("#sheet").focus()
    await sheet.press("Control+v")
    await expect(sheet.text).to_have_text(re.compile("^http://.*/captions/live-.*#key=[0-9a-f]{32}$"))
