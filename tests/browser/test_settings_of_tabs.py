"""Settings of the dictation page in several tabs: saved together, and shown and used in each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

READ = "() => JSON.parse(localStorage['stt-settings'])"
WITHOUT_STORAGE_EVENTS = "addEventListener('storage', (event) => event.stopImmediatePropagation(), true)"


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        yield opened


async def other_tab(sheet: SheetPage, script: str = "") -> Page:
    """Return another tab of the page, with a script that runs first."""
    page = await sheet.context.new_page()
    sheet.watch(page)
    await page.add_init_script(script)
    await page.goto(sheet.origin)
    await page.wait_for_selector("#sheet:focus", state="attached")
    return page


async def test_tab_overwrites_no_setting_that_another_tab_saved_since(sheet: SheetPage) -> None:
    other = await other_tab(sheet, WITHOUT_STORAGE_EVENTS)
    await sheet.page.click("#open-settings")
    await sheet.page.fill("[name=hotwords]", "Ada")
    await sheet.press("Tab")
    await other.click("#record")
    assert (await other.evaluate(READ))["recordsOnOpen"]
    assert (await other.evaluate(READ))["hotwords"] == ["Ada"]
    await sheet.stream.started()
    assert sheet.stream.config["settings"] == {"hotwords": ["Ada"]}


async def test_setting_of_another_tab_is_shown_and_applies_to_the_recording(sheet: SheetPage) -> None:
    stream = await sheet.record()
    other = await other_tab(sheet)
    await other.click("#open-settings")
    await other.select_option("[name=language]", "ru")
    assert (await stream.next_update())["language"] == "ru"
    await other.select_option("[name=theme]", "dark")
    await other.select_option("[name=interfaceLanguage]", "ru")
    await expect(sheet.page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(sheet.page.locator("#state")).to_have_text("Идёт запись")
    await sheet.page.click("#open-settings")
    await expect(sheet.page.locator("[name=theme]")).to_have_value("dark")
    await expect(sheet.page.locator("[name=language]")).to_have_value("ru")
    await expect(sheet.page.locator("[name=language] option").first).to_have_text("Как на сервере")


async def test_text_that_is_typed_in_a_setting_is_not_replaced_by_that_of_another_tab(sheet: SheetPage) -> None:
    other = await other_tab(sheet)
    for page in (sheet.page, other):
        await page.click("#open-settings")
    field = sheet.page.locator("[name=hotwords]")
    await field.press_sequentially("Bab")
    await other.fill("[name=hotwords]", "Ada")
    await other.keyboard.press("Tab")
    await other.select_option("[name=theme]", "dark")  # applied after the vocabulary
    await expect(sheet.page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(field).to_have_value("Bab")
