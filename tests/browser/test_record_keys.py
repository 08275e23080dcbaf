"""Keys of the page: the hint under the button is true wherever the focus is, and none acts behind a dialog."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Download, expect

from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

# The microphone opens when a test calls `openMicrophone`.
SLOW_MICROPHONE = """() => {
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const permitted = new Promise((resolve) => (window.openMicrophone = resolve));
  navigator.mediaDevices.getUserMedia = (constraints) => permitted.then(() => open(constraints));
}"""


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        await opened.page.wait_for_selector("#sheet:focus", state="attached")
        yield opened


async def test_hint_names_a_key_that_records_where_the_focus_is(sheet: SheetPage) -> None:
    hint, state = sheet.page.locator("#hint"), sheet.page.locator("#state")
    await expect(hint).to_have_text("Ctrl+Enter starts recording")
    await sheet.press("Control+Enter")
    await expect(state).to_have_text("Recording")
    await expect(hint).to_be_hidden()
    await sheet.press("Escape")
    await sheet.page.click(".brand")
    await expect(hint).to_have_text("Hold Space to talk")
    await sheet.page.keyboard.down("Space")
    await expect(state).to_have_text("Recording")
    await sheet.page.keyboard.up("Space")
    await expect(state).to_have_text("Not recording")
    await sheet.page.focus("#undo-utterance, #more")
    await expect(hint).to_have_text("Ctrl+Enter starts recording")


async def test_key_that_is_held_again_while_the_microphone_opens_records(sheet: SheetPage) -> None:
    keyboard = sheet.page.keyboard
    await sheet.page.evaluate(SLOW_MICROPHONE)
    await sheet.page.click(".brand")
    await keyboard.down("Space")
    await keyboard.up("Space")
    await keyboard.down("Space")
    await sheet.page.evaluate("openMicrophone()")
    await expect(sheet.page.locator("#timer")).to_have_text("0:01")
    await keyboard.up("Space")
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def test_key_that_is_released_while_the_microphone_opens_records_nothing_more(sheet: SheetPage) -> None:
    await sheet.page.evaluate(SLOW_MICROPHONE)
    await sheet.page.click(".brand")
    await sheet.press("Space")
    await sheet.page.evaluate("openMicrophone()")
    await sheet.stream.started()
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def test_hint_of_a_key_that_does_not_type_is_the_same_in_the_text(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.select_option("[name=pushToTalk]", "F2")
    await sheet.press("Escape")
    await sheet.page.focus("#sheet")
    await expect(sheet.page.locator("#hint")).to_have_text("Hold F2 to talk")


async def test_recording_does_not_start_behind_a_dialog(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await sheet.press("Control+Enter")
    await expect(sheet.page.locator("#settings")).to_be_visible()
    await sheet.press("Escape")
    await sheet.press("Control+Enter")
    await sheet.stream.started()
    assert len(sheet.stream.configs) == 1
    await expect(sheet.page.locator("#state")).to_have_text("Recording")


async def test_text_is_neither_changed_nor_downloaded_behind_a_dialog(sheet: SheetPage) -> None:
    downloads: list[Download] = []
    sheet.page.on("download", lambda download: downloads.append(download))
    stream = await sheet.record()
    stream.final(0, "Spoken.")
    await sheet.expect_text("Spoken.")
    await sheet.page.click("#open-settings")
    await sheet.press("Control+s", "Control+Shift+s", "Control+Shift+Backspace", "Escape")
    await sheet.expect_text("Spoken.")
    await expect(sheet.page.locator("#notice")).to_be_hidden()
    async with sheet.page.expect_download():
        await sheet.press("Control+s")
    assert len(downloads) == 1
    await sheet.press("Control+Shift+Backspace")
    await sheet.expect_text("")


async def test_level_after_the_end_of_a_recording_is_not_shown(sheet: SheetPage) -> None:
    levels = await sheet.page.evaluate(
        """async () => {
            const { Controls } = await import("/assets/ui/controls.js");
            const state = { state: "recording", keptMs: 0, reason: "", status: "", isCapturing: true };
            const recorder = Object.assign(new EventTarget(), { isRecording: true, startedAt: 0, state });
            const preferences = Object.assign(new EventTarget(), { get: () => "F2" });
            new Controls(recorder, preferences, Object.assign(new EventTarget(), { isReachable: true }));
            const shown = () => document.getElementById("record").style.getPropertyValue("--level");
            const show = () => recorder.dispatchEvent(new CustomEvent("level", { detail: { rms: 1 } }));
            show();
            const during = shown();
            recorder.isRecording = false;
            recorder.state = { ...state, state: "idle", isCapturing: false };
            recorder.dispatchEvent(new Event("state"));
            show();
            return [during, shown()];
        }"""
    )
    assert levels == ["1.00", "0.00"]
