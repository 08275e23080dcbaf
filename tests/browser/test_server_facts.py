"""What the dictation page knows of its server: a page that was opened without the server learns it later."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from tests.browser.sheet_pages import INFO, Json, SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

NETWORK = "net::ERR_"  # what Chromium reports for a server that does not answer
UNREACHABLE = "Not recording; server unreachable"
LONGEST_RETRY_MS = 30_000
NOTICE_MS = 10_000  # longer than a notice is shown


class ScriptedInfo:
    """Answers requests for the server's facts; None: not at all."""

    def __init__(self, facts: Json | None) -> None:
        self.facts = facts
        self.requests = 0

    async def __call__(self, route: Route) -> None:
        self.requests += 1
        if self.facts is None:
            await route.abort("connectionrefused")
        else:
            await route.fulfill(body=json.dumps(self.facts), content_type="application/json")


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        await opened.page.evaluate("""() => localStorage["stt-settings"] = '{"language": "ru"}'""")
        yield opened
        opened.problems[:] = [text for text in opened.problems if NETWORK not in text]


async def reload(sheet: SheetPage, facts: Json | None) -> ScriptedInfo:
    """Open the page again, with a clock that the test moves."""
    await sheet.context.route("**/api/info", info := ScriptedInfo(facts))
    await sheet.page.clock.install()
    await sheet.page.reload()
    await sheet.page.wait_for_selector("#sheet:focus", state="attached")
    return info


async def test_page_reports_a_server_that_does_not_answer_before_a_recording(sheet: SheetPage) -> None:
    info = await reload(sheet, None)
    await expect(sheet.page.locator("#state")).to_have_text(UNREACHABLE)
    info.facts = INFO
    await sheet.page.clock.run_for(LONGEST_RETRY_MS)
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def test_page_learns_the_facts_of_a_server_that_returns(sheet: SheetPage) -> None:
    info = await reload(sheet, None)
    await expect(sheet.page.locator("#state")).to_have_text(UNREACHABLE)
    await expect(sheet.page.locator("#version")).to_have_text("")
    info.facts = INFO
    await sheet.page.clock.run_for(LONGEST_RETRY_MS)
    await expect(sheet.page.locator("#version")).to_have_text("Server 0.1.0, model base")
    asked = info.requests
    await sheet.page.clock.run_for(10 * LONGEST_RETRY_MS)
    assert info.requests == asked


async def test_facts_are_read_again_when_a_stream_connects(sheet: SheetPage) -> None:
    info = await reload(sheet, INFO)
    await expect(sheet.page.locator("#version")).to_have_text("Server 0.1.0, model base")
    info.facts = {**INFO, "version": "0.2.0", "languages": ["de", "en"]}
    await sheet.record()
    await expect(sheet.page.locator("#version")).to_have_text("Server 0.2.0, model base")
    assert await sheet.page.locator("[name=language] option[value=de]").count() == 1


async def test_page_learns_the_languages_of_a_server_that_was_loading(sheet: SheetPage) -> None:
    info = await reload(sheet, {**INFO, "languages": [], "notReady": "The server is loading its models."})
    await expect(sheet.page.locator("#notice")).to_contain_text("not ready yet")
    german = sheet.page.locator("[name=language] option[value=de]")
    assert await german.count() == 0
    info.facts = {**INFO, "languages": ["de", "en"]}
    await sheet.page.clock.run_for(LONGEST_RETRY_MS)
    await expect(german).to_have_count(1)
    await expect(sheet.page.locator("#notice")).to_be_hidden()


async def test_notice_of_a_loading_server_is_gone_with_the_first_text(sheet: SheetPage) -> None:
    info = await reload(sheet, {**INFO, "notReady": "The server is loading its models."})
    stream = await sheet.record()
    await sheet.page.clock.run_for(NOTICE_MS)
    await expect(sheet.page.locator("#notice")).to_contain_text("not ready yet")
    info.facts = INFO
    stream.final(0, "One.")
    await expect(sheet.page.locator("#notice")).to_be_hidden()


async def test_server_that_returns_asks_for_its_token(sheet: SheetPage) -> None:
    info = await reload(sheet, None)
    await expect(sheet.page.locator("#state")).to_have_text(UNREACHABLE)
    info.facts = {**INFO, "tokensRequired": True, "authorized": False}
    await sheet.page.clock.run_for(LONGEST_RETRY_MS)
    await expect(sheet.page.locator("#token-dialog")).to_be_visible()


@pytest.mark.parametrize("facts", [None, {**INFO, "languages": ["en"]}], ids=["unreachable", "English only"])
async def test_chosen_language_is_shown_also_if_the_server_does_not_report_it(
    sheet: SheetPage, facts: Json | None
) -> None:
    await reload(sheet, facts)
    await sheet.page.click("#open-settings")
    language = sheet.page.locator("[name=language]")
    await expect(language).to_have_value("ru")
    await expect(language.locator("option:checked")).to_have_text("Russian")
