"""The dictation page over http from another machine: browsers offer it no microphone and no clipboard API."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.sheet_pages import WAIT_UNTIL_STORED, SheetPage, choose, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

UNTRUSTED_HOST = "0.0.0.0"  # noqa: S104  (this machine, but to browsers not a loopback address)

NOTES = "() => Object.keys(localStorage).filter((key) => key.startsWith('stt-lock:'))"  # of the locks of tabs


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


async def other_tab(sheet: SheetPage, text: str) -> Page:
    """Return another tab, which opens a sheet with the text."""
    page = await sheet.context.new_page()
    sheet.watch(page)
    await page.goto(sheet.origin)
    await page.wait_for_selector("#sheet:focus", state="attached")
    await expect(page.locator("#sheet")).to_have_text(text)
    return page


async def test_sheet_of_an_open_tab_is_neither_opened_nor_offered_in_another_tab(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("first")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "first")
    other = await other_tab(sheet, "")
    await choose(other, "#earlier")
    await expect(other.locator("#notice")).to_have_text("There are no earlier sheets.")
    await other.locator("#sheet").focus()
    await other.keyboard.type("second")
    await other.evaluate(WAIT_UNTIL_STORED, "second")
    await sheet.page.reload()
    await expect(sheet.text).to_have_text("first")


async def test_sheet_of_a_closed_tab_is_opened_and_offered_once_it_is_an_earlier_one(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("first")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "first")
    await sheet.page.close()
    other = await other_tab(sheet, "first")
    await choose(other, "#clear")
    await expect(other.locator("#sheet")).to_have_text("")
    await choose(other, "#earlier")
    await expect(other.locator("#sheets span")).to_have_text(["first"])


async def test_sheet_of_a_crashed_tab_is_opened(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("first")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "first")
    notes = await sheet.page.evaluate(NOTES)
    assert len(notes) == 1
    await sheet.page.close()
    other = await sheet.context.new_page()
    await other.add_init_script(f"localStorage.setItem('{notes[0]}', '')")
    await other.goto(sheet.origin)
    await expect(other.locator("#sheet")).to_have_text("first")
