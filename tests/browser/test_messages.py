"""Messages of the dictation page in the language of the page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import ASSETS
from tests.browser.sheet_pages import INFO, SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

NOTICE_MS = 10_000  # longer than a notice is shown
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


async def test_corners_of_a_notice_do_not_touch_the_text_of_several_lines(browser: Browser) -> None:
    async with sheet_page(browser, width=360, permissions=["microphone"]) as sheet:
        stream, notice = await sheet.record(), sheet.page.locator("#notice")
        stream.notice("The server is busy. " * 10)
        await expect(notice).to_contain_text("busy")
        radius, padding = await notice.evaluate(
            "(notice) => [getComputedStyle(notice).borderRadius, getComputedStyle(notice).paddingLeft].map(parseFloat)"
        )
        assert radius <= padding


async def test_full_server_is_explained_in_words_of_the_page(russian: SheetPage) -> None:
    message = "All 1 slots of this server are in use: try again later, or use another server."
    russian.stream.rejection = lambda _: {"reason": "RESOURCE_EXHAUSTED", "message": message, "retryAfter": "25s"}
    await russian.page.click("#record")
    state = russian.page.locator("#state")
    kept = "На сервере слишком много записей; текст появится позже. Сохранено [0-9]+ с"
    await expect(state).to_have_text(re.compile(f"Идёт запись. {kept}"))
    await russian.page.click("#record")
    await expect(state).to_have_text(re.compile(f"^{kept}"))


async def test_taken_captions_name_is_explained_in_words_of_the_page(russian: SheetPage) -> None:
    message = "Invalid captions.name='dup': another publisher uses it; choose another name."
    russian.stream.rejection = lambda opening: (
        {"reason": "INVALID_ARGUMENT", "message": message, "field": "captions.name"} if "captions" in opening else None
    )
    await open_publishing(russian.page)
    await russian.page.fill("[name=captionsName]", "dup")
    await russian.press("Tab", "Escape")
    await russian.record("Идёт запись")
    await expect(russian.page.locator("#notice")).to_have_text(
        "Субтитры не публикуются: имя «dup» уже занято. Выберите другое в настройках."
    )


async def test_rejected_settings_are_explained_with_the_sentence_of_the_server(russian: SheetPage) -> None:
    russian.stream.rejection = lambda _: {"reason": "INVALID_ARGUMENT", "message": "Invalid language='xx'."}
    await russian.page.click("#record")
    await expect(russian.page.locator("#state")).to_contain_text(
        "Идёт запись без распознавания. Сервер не принял настройки: измените их. (Invalid language='xx'.)"
    )


async def test_server_that_is_not_ready_is_explained_in_words_of_the_page(russian: SheetPage) -> None:
    await russian.page.route(
        "**/api/info", lambda route: route.fulfill(json={**INFO, "notReady": "The server is draining: use another."})
    )
    await russian.page.reload()
    await expect(russian.page.locator("#notice")).to_have_text(
        "Сервер ещё не готов. Записывать уже можно: текст появится позже."
    )


async def test_recording_that_an_operator_stops_has_a_notice_that_stays_until_the_next_one(browser: Browser) -> None:
    async with sheet_page(browser, permissions=["microphone", "clipboard-write"]) as sheet:
        page, notice, state = sheet.page, sheet.page.locator("#notice"), sheet.page.locator("#state")
        await page.clock.install()
        stream = await sheet.record()
        stream.final(0, "One.")
        await stream.fail("ABORTED", "An operator ended the stream; results of earlier speech have been sent.")
        await expect(notice).to_have_text("The operator stopped your recording. Press the button to record again.")
        await expect(state).to_have_text(re.compile("^Stopped by the operator(, [0-9]+ s kept)?$"))
        assert not await page.evaluate("() => JSON.parse(localStorage['stt-settings']).recordsOnOpen")
        await page.click("#copy")
        await expect(notice).to_have_text("Copied.")
        await page.clock.run_for(NOTICE_MS)
        await expect(notice).to_have_text("The operator stopped your recording. Press the button to record again.")
        await page.clock.run_for(NOTICE_MS)
        await expect(notice).to_be_visible()
        await page.click("#open-settings")
        await page.select_option("[name=interfaceLanguage]", "ru")
        await expect(notice).to_have_text("Администратор остановил вашу запись. Нажмите кнопку, чтобы начать новую.")
        await page.select_option("[name=interfaceLanguage]", "en")
        await sheet.press("Escape")
        await sheet.record()
        await expect(notice).to_be_hidden()
