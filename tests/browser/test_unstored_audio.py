"""Speech without text that only memory has: the page warns while it can be lost, and asks before it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.sheet_pages import WAIT_FOR_STORED_AUDIO, SheetPage, answer_dialogs, begin_sheets, choose, sheet_page
from tests.browser.test_sheets_of_recordings import reload, stop_without_server

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

QUESTION = re.compile(r"[1-9] s of speech are neither recognized nor stored: they will be lost\. Continue\?")
WARNING = "message.full"  # key of the notice
# The storage has no room for audio until `isFull` is false or a sheet is deleted. A quota would not be exact: Chromium
# may permit writes above one that is set while the page is open.
FILL_STORAGE = """() => {
  window.isFull = true;
  const { put, delete: remove } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (row) {
    if (window.isFull && this.name === "chunks") throw new DOMException("", "QuotaExceededError");
    return put.call(this, row);
  };
  IDBObjectStore.prototype.delete = function (key) {
    if (this.name === "sheets") window.isFull = false;
    return remove.call(this, key);
  };
}"""


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    """Return a page that does not record when it is opened."""
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        await opened.context.add_init_script("localStorage.removeItem('stt-settings')")
        await reload(opened.page)
        yield opened


async def keep_speech_in_memory(sheet: SheetPage, text: str) -> None:
    """Record after the text, without storage, until the server is lost: the speech has no text."""
    await sheet.page.evaluate(FILL_STORAGE)
    await sheet.page.keyboard.type(text)
    await sheet.record()
    await stop_without_server(sheet)


async def expect_kept_speech(sheet: SheetPage, questions: list[str]) -> None:
    """Let the server recognize the speech after the typed text; the user was asked about it once."""
    sheet.stream.permit()
    await sheet.stream.started()
    sheet.stream.hold_end()
    sheet.stream.final(0, "Spoken.")
    await sheet.expect_text("Typed. Spoken.")
    assert len(questions) == 1
    assert QUESTION.fullmatch(questions[0])


async def test_new_sheet_keeps_speech_that_only_memory_has_unless_the_user_confirms(sheet: SheetPage) -> None:
    await keep_speech_in_memory(sheet, "Typed.")
    questions = answer_dialogs(sheet.page.on, is_accepted=False)
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#menu")).to_be_hidden()
    await expect(sheet.page.locator("#notice")).to_have_attribute("data-t", WARNING)
    await expect_kept_speech(sheet, questions)


async def test_confirmed_loss_of_speech_is_not_asked_a_second_time(sheet: SheetPage) -> None:
    await keep_speech_in_memory(sheet, "Typed.")
    questions = answer_dialogs(sheet.page.on, is_accepted=True)
    async with sheet.page.expect_navigation():
        await choose(sheet.page, "#clear")
    await sheet.expect_text("")
    assert len(questions) == 1


async def test_earlier_sheet_is_not_opened_if_the_user_keeps_speech_that_only_memory_has(sheet: SheetPage) -> None:
    await begin_sheets(sheet, "Earlier.")
    await keep_speech_in_memory(sheet, "Typed.")
    await choose(sheet.page, "#earlier")
    questions = answer_dialogs(sheet.page.on, is_accepted=False)
    await sheet.page.click("#sheets .sheet-title")
    await expect_kept_speech(sheet, questions)


async def test_closing_asks_while_only_memory_has_speech_without_text(sheet: SheetPage) -> None:
    await keep_speech_in_memory(sheet, "Typed.")
    async with sheet.page.expect_event("dialog") as asked:
        await sheet.page.close(run_before_unload=True)
    dialog = await asked.value
    assert dialog.type == "beforeunload"
    await dialog.dismiss()
    sheet.stream.permit()
    await expect(sheet.page.locator("#state")).to_have_text("Not recording", timeout=30_000)
    async with sheet.page.expect_event("close"):
        await sheet.page.close(run_before_unload=True)


async def test_closing_does_not_ask_while_the_speech_is_stored(sheet: SheetPage) -> None:
    questions = answer_dialogs(sheet.page.on, is_accepted=False)
    await sheet.record()
    await sheet.page.evaluate(WAIT_FOR_STORED_AUDIO)
    async with sheet.page.expect_event("close"):
        await sheet.page.close(run_before_unload=True)
    assert questions == []


async def test_speech_that_the_storage_takes_again_is_kept_by_a_new_sheet(sheet: SheetPage) -> None:
    await keep_speech_in_memory(sheet, "Typed.")
    await sheet.page.evaluate("window.isFull = false")
    questions = answer_dialogs(sheet.page.on, is_accepted=False)
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    assert questions == []


async def test_speech_is_stored_once_a_deleted_sheet_has_made_room(sheet: SheetPage) -> None:
    notice = sheet.page.locator("#notice")
    await begin_sheets(sheet, "Earlier.")
    await keep_speech_in_memory(sheet, "Typed.")
    await choose(sheet.page, "#earlier")
    answer_dialogs(sheet.page.on, is_accepted=True)
    await sheet.page.get_by_role("button", name="Delete: Earlier.").click()
    await sheet.page.evaluate(WAIT_FOR_STORED_AUDIO)
    await expect(notice).not_to_have_attribute("data-t", WARNING)


async def test_warning_of_speech_in_memory_stays_until_it_is_recognized(sheet: SheetPage) -> None:
    notice = sheet.page.locator("#notice")
    await keep_speech_in_memory(sheet, "")
    await expect(notice).to_have_attribute("data-t", WARNING)
    await expect(notice).to_contain_text("audio stays in memory")
    sheet.stream.permit()
    await expect(sheet.page.locator("#state")).to_have_text("Not recording", timeout=30_000)
    await expect(notice).to_be_hidden()
