"""The state that the dictation page shows in words and announces: no audio, the end of a recording, failures."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.microphone_spy import SPY
from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

SUSPEND = """async () => {
    window.attempts = 0;
    contexts[0].resume = async () => {
        attempts += 1;
        throw new DOMException("interrupted", "InvalidStateError");
    };
    await contexts[0].suspend();
}"""
UNPLUG = "() => streams[0].getTracks()[0].dispatchEvent(new Event('ended'))"


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"], script=SPY) as opened:
        yield opened


async def test_state_names_missing_audio_as_long_as_it_is_missing(sheet: SheetPage) -> None:
    page, state = sheet.page, sheet.page.locator("#state")
    await sheet.record()
    await expect(page.locator("#timer")).to_have_text("0:01")
    await page.evaluate(SUSPEND)
    await expect(state).to_have_text("Nothing is recorded. The browser paused the recording.")
    await expect(page).to_have_title("⚠ No audio · Dictation")
    timer = await page.locator("#timer").text_content()
    await page.wait_for_function("() => attempts >= 3")  # one at once, then one every three seconds
    await expect(state).to_have_text("Nothing is recorded. The browser paused the recording.")
    await expect(page.locator("#timer")).to_have_text(timer or "")  # of the audio
    await page.evaluate("() => { delete contexts[0].resume; return contexts[0].resume(); }")
    await expect(state).to_have_text("Recording")
    await expect(page).to_have_title("● Recording · Dictation")


async def test_state_names_missing_audio_and_a_lost_connection_together(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await stream.refuse()
    await sheet.page.evaluate(SUSPEND)
    shown = "Nothing is recorded. The browser paused the recording. Server unreachable, [0-9]+ s kept"
    await expect(sheet.page.locator("#state")).to_have_text(re.compile(shown))


async def test_reason_of_an_ended_recording_is_shown_until_the_next_one(sheet: SheetPage) -> None:
    state = sheet.page.locator("#state")
    reason = "The microphone was disconnected, or its permission was revoked."
    stream = await sheet.record()
    stream.hold_end()
    await sheet.page.evaluate(UNPLUG)
    await expect(state).to_have_text(f"Not recording. {reason}")
    await expect(sheet.page.locator("#record")).to_have_attribute("aria-label", "Record")
    await stream.refuse()
    await expect(state).to_have_text(re.compile(f"Not recording. {reason} Server unreachable, [0-9]+ s kept"))
    stream.allow()
    await expect(state).to_have_text(f"Not recording. {reason}")
    await sheet.record()
    await expect(state).to_have_text("Recording")


async def test_missing_audio_and_the_end_of_a_recording_are_named_in_russian(browser: Browser) -> None:
    async with sheet_page(browser, permissions=["microphone"], locale="ru-RU", script=SPY) as sheet:
        state = sheet.page.locator("#state")
        await sheet.page.click("#record")
        await expect(state).to_have_text("Идёт запись")
        await sheet.page.evaluate(SUSPEND)
        await expect(state).to_have_text("Речь не записывается. Браузер приостановил запись.")
        await sheet.page.evaluate(UNPLUG)
        await expect(state).to_have_text("Запись не идёт. Микрофон отключён, или доступ к нему закрыт.")
