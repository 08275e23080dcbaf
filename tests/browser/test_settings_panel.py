"""The settings of the dictation page: values that are not accepted, the list of keys, and the texts of the fields."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.microphone_spy import SLOW_MICROPHONE
from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

OBSERVE_PROTOCOLS = """() => {
  window.offered = [];
  window.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      offered.push(...protocols);
    }
  };
}"""
STORED = "(name) => JSON.parse(localStorage['stt-settings'])[name] ?? null"


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser) as opened:
        await opened.page.click("#open-settings")
        yield opened


async def enter(sheet: SheetPage, name: str, value: str) -> None:
    await sheet.page.fill(f"[name={name}]", value)
    await sheet.press("Tab")


async def reopen(sheet: SheetPage) -> None:
    await sheet.page.click("#settings [data-close]")
    await sheet.page.click("#open-settings")


@pytest.mark.parametrize(
    ("name", "accepted", "rejected", "error"),
    [
        ("silence", "0.75", "99", "Not saved: must be from 0.1 to 10 seconds."),
        ("captionsName", "talk", "доклад", "Not saved: only Latin letters, digits, hyphens and underscores."),
        ("hotwords", "Ada", "a\n" * 101, "Not saved. Terms: 101 of at most 100. Characters: 301 of at most 2000."),
    ],
)
async def test_rejected_value_has_an_error_at_its_field_and_is_not_shown_as_saved(
    sheet: SheetPage, name: str, accepted: str, rejected: str, error: str
) -> None:
    page = sheet.page
    field, alert = page.locator(f"[name={name}]"), page.locator(f"#{name}-error")
    await page.check("[name=publish]")
    await enter(sheet, name, accepted)
    await expect(alert).to_be_hidden()
    stored = await page.evaluate(STORED, name)
    await enter(sheet, name, rejected)
    await expect(alert).to_have_text(error)
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_error_message(error)
    assert await page.evaluate(STORED, name) == stored
    await reopen(sheet)
    await expect(field).to_have_value(accepted)
    await expect(alert).to_be_hidden()
    await expect(field).not_to_have_attribute("aria-invalid", "true")


async def test_corrected_value_is_saved_and_removes_the_error(sheet: SheetPage) -> None:
    await enter(sheet, "silence", "99")
    await expect(sheet.page.locator("#silence-error")).to_be_visible()
    await enter(sheet, "silence", "0.75")
    await expect(sheet.page.locator("#silence-error")).to_be_hidden()
    assert await sheet.page.evaluate(STORED, "silence") == 0.75


async def test_error_of_a_field_follows_the_language_of_the_page(sheet: SheetPage) -> None:
    await enter(sheet, "silence", "99")
    await sheet.page.select_option("[name=interfaceLanguage]", "ru")
    await expect(sheet.page.locator("#silence-error")).to_contain_text("Не сохранено")


async def test_captions_help_promises_the_privacy_that_the_server_provides(browser: Browser) -> None:
    for token, readers in (("", "Anyone who knows the name can read along."), ("t", "Anyone with the link can read")):
        async with sheet_page(browser, token=token) as sheet:
            if token:
                await sheet.page.click("#token-dialog [data-close]")
            await sheet.page.click("#open-settings")
            await sheet.page.check("[name=publish]")
            await expect(sheet.page.locator("#captions-help")).to_contain_text(readers)
            await sheet.page.select_option("[name=interfaceLanguage]", "ru")
            await expect(sheet.page.locator("#captions-help")).to_contain_text("ссылка" if token else "имя")


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


async def test_settings_and_token_that_change_while_the_microphone_opens_apply_to_the_recording(
    browser: Browser,
) -> None:
    async with sheet_page(browser, permissions=["microphone"], script=SLOW_MICROPHONE) as sheet:
        await sheet.page.evaluate(OBSERVE_PROTOCOLS)
        await sheet.page.click("#record")
        await sheet.page.wait_for_function("() => window.openMicrophone")
        await sheet.page.click("#open-settings")
        await sheet.page.select_option("[name=language]", "ru")
        await enter(sheet, "hotwords", "Ada")
        await enter(sheet, "token", "secret")
        await sheet.page.evaluate("() => openMicrophone()")
        await sheet.stream.started()
        settings = sheet.stream.config["settings"]
        assert settings == {"language": "ru", "hotwords": ["Ada"], "postSpeechSilence": "1.500s"}
        assert await sheet.page.evaluate("() => offered") == ["stt.v1.json", "stt-token.c2VjcmV0"]
