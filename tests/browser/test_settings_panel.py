"""The settings of the dictation page: the list of keys, and the texts of the fields."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser) as opened:
        await opened.page.click("#open-settings")
        yield opened


async def test_list_of_keys_has_each_key_of_the_page(sheet: SheetPage) -> None:
    keys, actions = sheet.page.locator("#keys dt"), sheet.page.locator("#keys dd")
    assert [*zip(await keys.all_inner_texts(), await actions.all_inner_texts(), strict=True)] == [
        ("Ctrl+Enter", "start and stop recording"),
        ("Esc", "stop recording"),
        ("Space", "record while the key is held, outside of the text"),
        ("Ctrl+Shift+S", "copy the selection, or the whole text"),
        ("Ctrl+Z", "undo"),
        ("Ctrl+Shift+Z", "redo"),
        ("Ctrl+Shift+⌫", "remove the last utterance"),
        ("Ctrl+S", "download the text"),
        ("Alt+Enter", "open the doubtful word at the cursor"),
    ]


@pytest.mark.parametrize(("key", "action"), [("F2", "record while the key is held"), ("none", None)])
async def test_list_of_keys_has_the_chosen_key_to_hold(sheet: SheetPage, key: str, action: str | None) -> None:
    await sheet.page.select_option("[name=pushToTalk]", key)
    rows = sheet.page.locator("#keys dd", has_text="while the key is held")
    if action is None:
        await expect(rows).to_have_count(0)
    else:
        await expect(rows).to_have_text(action)
        await expect(sheet.page.locator("#keys dt", has_text=key)).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_headings_of_sections_and_names_of_fields_are_different(sheet: SheetPage, language: str) -> None:
    await sheet.page.select_option("[name=interfaceLanguage]", language)
    await expect(sheet.page.locator("html")).to_have_attribute("lang", language)
    names = await sheet.page.locator(
        "#settings h3, #settings .field > span, #settings .switch > span"
    ).all_inner_texts()
    areas = [await sheet.page.locator(area).get_attribute("aria-label") for area in (".tools", "#sheet")]
    assert len({*names, *areas}) == len([*names, *areas])
