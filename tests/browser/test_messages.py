"""Messages of the dictation page in the language of the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import ASSETS
from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
IN_WORDS = """async (message) => {
    const { errorInWords, inWords } = await import("/assets/ui/messages.js");
    return [inWords(message), errorInWords(message)];
}"""


@pytest_asyncio.fixture
async def russian(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, locale="ru-RU", permissions=["microphone"]) as opened:
        yield opened


def kinds() -> list[str]:
    """Return the kinds that the modules of the recording name."""
    sources = "".join(path.read_text() for path in (ASSETS / "recording").glob("*.js"))
    found = re.findall(r"""kind: "([a-z-]+)"|RecordingError\("([a-z-]+)"|null, "([a-z-]+)"\)""", sources)
    return sorted({kind for match in found for kind in match if kind})


async def test_messages_of_the_recording_are_in_the_language_of_the_page(russian: SheetPage) -> None:
    named = [*kinds(), "gap-paused", "gap-busy", "token-invalid", "token-required", "full", "unavailable"]
    assert {"muted", "deleted", "page-outdated", "stopped"} < {*named}
    for kind in [*named, "DRAIN", "PARTIALS_SHED", "PARTIALS_RESTORED"]:
        for text in await russian.page.evaluate(IN_WORDS, {"kind": kind, "message": "English."}):
            assert CYRILLIC.search(text), kind
    assert await russian.page.evaluate(IN_WORDS, {"kind": "new", "message": "English."}) == ["English."] * 2


async def test_notices_and_failures_are_in_the_language_of_the_page(russian: SheetPage) -> None:
    page, notice = russian.page, russian.page.locator("#notice")
    await page.click("#record")
    await russian.stream.started()
    russian.stream.notice("The server is shutting down.", "DRAIN")
    await expect(notice).to_contain_text("Сервер завершает работу. Запись продолжается")
    russian.stream.notice("A sentence of the server.")
    await expect(notice).to_have_text("A sentence of the server.")


async def open_publishing(page: Page) -> None:
    await page.click("#open-settings")
    await page.locator("[name=publish]").check()


async def test_copied_link_is_confirmed(browser: Browser) -> None:
    async with sheet_page(browser, permissions=["clipboard-read", "clipboard-write"]) as sheet:
        await open_publishing(sheet.page)
        await sheet.page.click("#copy-captions-link")
        await expect(sheet.page.locator("#captions-link-copied")).to_have_text("Copied.")
        assert "#key=" in await sheet.page.evaluate("() => navigator.clipboard.readText()")


async def test_link_is_selected_without_a_clipboard(browser: Browser) -> None:
    async with sheet_page(browser) as sheet:
        await open_publishing(sheet.page)
        await sheet.page.evaluate(
            """() => {
                Object.defineProperty(navigator, "clipboard", { value: undefined });
                document.execCommand = () => false;
            }"""
        )
        await sheet.page.click("#copy-captions-link")
        await expect(sheet.page.locator("#captions-link-copied")).to_contain_text("The link is selected")
        assert "#key=" in await sheet.page.evaluate("() => String(getSelection())")


async def test_recovery_is_offered_after_another_dialog_and_shows_its_errors(browser: Browser) -> None:
    async with sheet_page(browser) as sheet:
        await sheet.page.click("#open-settings")
        await sheet.page.evaluate(
            """async () => {
                const { offerRecovery } = await import("/assets/ui/recovery.js");
                const fail = () => Promise.reject(Object.assign(new Error("gone"), { kind: "deleted" }));
                const recording = { startedAt: 0, unrecognizedMs: 5000, resume: fail, discard: fail };
                await offerRecovery({ recoverable: async () => [recording] });
            }"""
        )
        await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()
        await sheet.press("Escape")
        await expect(sheet.page.locator("#recover-dialog")).to_be_visible()
        await sheet.page.locator("#recordings .primary").click()
        await expect(sheet.page.locator("#recordings [role=alert]")).to_have_text("The recording was deleted.")


async def test_corners_of_a_notice_do_not_touch_the_text_of_several_lines(browser: Browser) -> None:
    async with sheet_page(browser, width=360, permissions=["microphone"]) as sheet:
        stream, notice = await sheet.record(), sheet.page.locator("#notice")
        stream.notice("The server is busy. " * 10)
        await expect(notice).to_contain_text("busy")
        radius, padding = await notice.evaluate(
            "(notice) => [getComputedStyle(notice).borderRadius, getComputedStyle(notice).paddingLeft].map(parseFloat)"
        )
        assert radius <= padding
