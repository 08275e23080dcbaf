"""Each final reaches one sheet, once: after crashes, with several recordings, and with several sheets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.sheet_pages import WAIT_UNTIL_STORED, ScriptedStream, SheetPage, choose, downloaded, sheet_page
from tests.browser.test_sheet_storage import CLOCK_SET_BACK

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

# A document with `isFrozen` does not store its sheet any more, as if it crashed then. The recordings are stored.
FREEZABLE = """const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (row) {
  return window.isFrozen && this.name === "sheets" ? this.count() : put.call(this, row);
};
const setItem = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {
  if (!window.isFrozen || !key.startsWith("stt-sheet-copy:")) setItem.call(this, key, value);
};"""
RECORD_ON_OPEN = "localStorage.setItem('stt-settings', JSON.stringify({ recordsOnOpen: true }))"
FAIL_MICROPHONE = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotFoundError"));
}"""
# The second read of a recording's row fails, also when it is tried again: that of `resume`, after that of `recover`.
FAIL_RESUME = """const get = IDBObjectStore.prototype.get;
let reads = 0;
IDBObjectStore.prototype.get = function (key) {
  const request = get.call(this, key);
  if (this.name === "recordings" && [2, 3].includes((reads += 1))) this.transaction.abort();
  return request;
};"""
OPEN_SETTINGS = """document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("settings").showModal();
});"""
SOCKET_SPY = """addEventListener("DOMContentLoaded", () => {
  const Opened = WebSocket;
  window.WebSocket = class extends Opened {
    constructor(...args) {
      super(...args);
      window.lastSocket = this;
    }
  };
});"""
# The page that is opened next in the tab does not continue the recording, and offers it.
FORGET_RECORDING = '() => addEventListener("pagehide", () => sessionStorage.removeItem("stt-recording-id"))'
DELETE_RECORDINGS = """() => new Promise((resolve) => (indexedDB.open("stt-recordings").onsuccess = ({ target }) => {
  const transaction = target.result.transaction("recordings", "readwrite");
  transaction.objectStore("recordings").clear();
  transaction.oncomplete = resolve;
}))"""
LATE_MESSAGE = "(data) => addEventListener('beforeunload', () => window.lastSocket.onmessage({ data }))"
LAST_WORDS_MS = 15_000  # longer than the page waits for them
KEPT = re.compile("Server unreachable, [1-9] s kept")


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    """Return a page that does not record when it is opened."""
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        await opened.context.add_init_script("localStorage.removeItem('stt-settings')")
        await opened.context.add_init_script(FREEZABLE)
        await reload(opened.page)
        yield opened


async def reload(page: Page) -> None:
    await page.reload()
    await expect(page.locator("[inert]")).to_have_count(0)


async def stop(sheet: SheetPage) -> None:
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def stop_without_server(sheet: SheetPage) -> None:
    """Stop once the server is lost and a second of audio has no text."""
    await sheet.stream.refuse()
    await expect(sheet.page.locator("#state")).to_have_text(re.compile("Recording; server unreachable, [1-9] s kept"))
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text(KEPT)


async def wait_in_second_sheet(sheet: SheetPage, final: str) -> ScriptedStream:
    """Begin a sheet after "Sheet A.", and record into it until the server is lost: more audio waits after the final."""
    await sheet.page.keyboard.type("Sheet A.")
    await choose(sheet.page, "#clear")
    stream = await sheet.record()
    stream.final(0, final)
    await sheet.expect_text(final)
    await stop_without_server(sheet)
    return stream


async def record_without_end(sheet: SheetPage) -> None:
    """Record; the server sends no text before the end, and does not answer it."""
    stream = await sheet.record()
    stream.hold_end()
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#record")).to_have_attribute("data-action", "record")


async def lose_second_final(sheet: SheetPage) -> None:
    """Complete a recording with the finals "One." and "Two.", of which the sheet has stored the first one."""
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "One.")
    await sheet.page.evaluate("window.isFrozen = true")
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two.")
    await stop(sheet)
    await reload(sheet.page)


async def open_earlier(sheet: SheetPage, text: str) -> None:
    """Open the only earlier sheet, which then has this text."""
    await choose(sheet.page, "#earlier")
    async with sheet.page.expect_navigation():
        await sheet.page.click("#sheets button")
    await sheet.expect_text(text)
    await expect(sheet.page.locator("[inert]")).to_have_count(0)


async def test_final_of_a_complete_recording_that_the_sheet_lost_is_inserted_once(sheet: SheetPage) -> None:
    await lose_second_final(sheet)
    await sheet.expect_text("One. Two.")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "One. Two.")
    await reload(sheet.page)
    await sheet.expect_text("One. Two.")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()


async def test_text_that_the_user_deleted_does_not_return(sheet: SheetPage) -> None:
    await lose_second_final(sheet)
    await sheet.expect_text("One. Two.")
    await sheet.press("Control+a", "Delete")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "")
    await reload(sheet.page)
    await sheet.page.keyboard.type("typed")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "typed")
    await reload(sheet.page)
    await sheet.expect_text("typed")


async def test_lost_final_is_inserted_into_its_sheet_only(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("Sheet A.")
    await choose(sheet.page, "#clear")
    await lose_second_final(sheet)
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "One. Two.")
    await open_earlier(sheet, "Sheet A.")
    await sheet.record()  # after missing finals
    assert await sheet.shown_text() == "Sheet A."


async def test_new_sheet_of_a_running_recording_gets_the_text_from_then_on(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await choose(sheet.page, "#clear")
    await sheet.expect_text("")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "")
    await sheet.page.evaluate("window.isFrozen = true")
    stream.final(1, "Two.")
    await sheet.expect_text("Two.")
    await stop(sheet)
    await reload(sheet.page)
    await sheet.expect_text("Two.")
    await open_earlier(sheet, "One.")


async def test_rest_of_a_recording_of_another_sheet_is_offered_without_its_text_so_far(sheet: SheetPage) -> None:
    stream = await wait_in_second_sheet(sheet, "Spoken into B.")
    await open_earlier(sheet, "Sheet A.")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    assert await sheet.shown_text() == "Sheet A."
    stream.permit()
    stream.hold_end()
    await sheet.page.click("#recordings .primary")
    await stream.started()
    stream.final(1, "More.")
    await sheet.expect_text("Sheet A. More.")
    await open_earlier(sheet, "Spoken into B.")


async def test_waiting_speech_does_not_follow_into_a_new_sheet(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "Spoken into B.")
    await sheet.expect_text("Spoken into B.")
    await stop_without_server(sheet)
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    await sheet.press("Escape")
    stream.permit()
    stream.hold_end()
    await open_earlier(sheet, "Spoken into B.")
    await stream.started()
    stream.final(1, "More.")
    await sheet.expect_text("Spoken into B. More.")


async def test_offer_of_recordings_needs_no_server_and_a_typed_space_closes_it(sheet: SheetPage) -> None:
    await wait_in_second_sheet(sheet, "One.")
    await sheet.page.evaluate(FORGET_RECORDING)
    await sheet.page.route("**/api/info", lambda _: None)  # no answer
    await reload(sheet.page)
    await expect(sheet.page.locator("#recordings button")).to_have_text(["Recognize", "Delete"])
    await expect(sheet.page.locator("#recover-dialog [data-close]")).to_be_focused()
    await sheet.press("Space")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()
    await reload(sheet.page)
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)


async def test_recording_is_offered_after_another_dialog_and_shows_its_errors(sheet: SheetPage) -> None:
    await wait_in_second_sheet(sheet, "One.")
    await sheet.page.evaluate(FORGET_RECORDING)
    await sheet.context.add_init_script(OPEN_SETTINGS)
    await reload(sheet.page)
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    await expect(sheet.page.locator("#recover")).not_to_have_attribute("hidden")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()
    await sheet.press("Escape")
    await expect(sheet.page.locator("#recover-dialog")).to_be_visible()
    await sheet.page.evaluate(DELETE_RECORDINGS)
    await sheet.page.click("#recordings .primary")
    await expect(sheet.page.locator("#recordings [role=alert]")).to_have_text("The recording was deleted.")


async def test_offered_recording_stays_in_the_menu(sheet: SheetPage) -> None:
    stream = await wait_in_second_sheet(sheet, "One.")
    await sheet.page.evaluate(FORGET_RECORDING)
    await reload(sheet.page)
    stream.permit()
    stream.hold_end()
    await expect(sheet.page.locator("#recover-dialog")).to_be_visible()
    await sheet.press("Escape")
    await expect(sheet.text).to_be_focused()
    await choose(sheet.page, "#recover")
    await sheet.page.click("#recordings .primary")
    await stream.started()
    await expect(sheet.text).to_be_focused()
    await sheet.page.click("#more")
    await expect(sheet.page.locator("#earlier")).to_be_visible()
    await expect(sheet.page.locator("#recover")).to_be_hidden()


async def test_offer_does_not_cover_a_recording_that_began_by_itself(sheet: SheetPage) -> None:
    stream = await wait_in_second_sheet(sheet, "One.")
    await sheet.page.evaluate(FORGET_RECORDING)
    await sheet.context.add_init_script(RECORD_ON_OPEN)
    await reload(sheet.page)
    stream.permit()
    await expect(sheet.page.locator("#notice")).to_contain_text("“Interrupted recordings” in the menu")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()
    await choose(sheet.page, "#recover")
    await expect(sheet.page.locator("#recover-dialog")).to_be_visible()
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)


async def test_offer_in_the_menu_does_not_have_a_recording_that_another_tab_recognizes(sheet: SheetPage) -> None:
    stream = await wait_in_second_sheet(sheet, "One.")
    await sheet.page.evaluate(FORGET_RECORDING)
    await reload(sheet.page)
    await expect(sheet.page.locator("#recover-dialog")).to_be_visible()
    await sheet.press("Escape")
    other = await sheet.context.new_page()
    await other.goto(sheet.origin)
    stream.permit()
    stream.hold_end()
    await other.click("#recordings .primary")
    await stream.started()
    await sheet.page.bring_to_front()
    await choose(sheet.page, "#recover")
    await expect(sheet.page.locator("#notice")).to_have_text("No recordings are interrupted.")
    await expect(sheet.page.locator("#recover")).to_be_hidden()


async def test_new_sheet_waits_for_the_last_words_of_the_sheet_before(sheet: SheetPage) -> None:
    await record_without_end(sheet)
    await choose(sheet.page, "#clear")
    sheet.stream.final(0, "Last words.")
    await sheet.expect_text("Last words.")
    await sheet.stream.complete()
    await sheet.expect_text("")
    await expect(sheet.page.locator("#notice")).to_contain_text("Earlier sheets")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()
    await open_earlier(sheet, "Last words.")


async def test_user_who_types_while_the_last_words_arrive_keeps_the_sheet(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("Before.")
    await record_without_end(sheet)
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#notice")).to_have_text("Waiting for the last words")
    await sheet.press("a")
    sheet.stream.final(0, "Last words.")
    await sheet.stream.complete()
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")
    await sheet.expect_text("Before. Last words. a")


async def test_new_sheet_without_text_before_is_explained(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.begin(0)
    stream.partial(0, "Dimmed.")
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#notice")).to_have_text("The sheet has no text yet.")


async def test_final_that_arrives_while_the_new_sheet_is_loaded_belongs_to_the_sheet_before(sheet: SheetPage) -> None:
    await sheet.context.add_init_script(SOCKET_SPY)
    await reload(sheet.page)
    await sheet.page.keyboard.type("Old.")
    await record_without_end(sheet)
    final = {"utterance": "0", "text": "Late.", "startMs": "0", "endMs": "900"}
    await sheet.page.evaluate(LATE_MESSAGE, json.dumps({"receivedMs": "0", "committedMs": "0", "final": final}))
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1, timeout=LAST_WORDS_MS)
    assert await sheet.shown_text() == ""
    await sheet.press("Escape")
    await open_earlier(sheet, "Old.")
    await sheet.stream.started()
    sheet.stream.final(0, "Late.")
    await sheet.expect_text("Old. Late.")


async def test_kept_speech_of_all_waiting_recordings_is_counted(sheet: SheetPage) -> None:
    await sheet.record()
    await stop_without_server(sheet)
    shown = re.search(r"\d+", await sheet.page.locator("#state").inner_text())
    assert shown is not None
    first = int(shown[0])
    await sheet.page.click("#record")
    longer = "|".join(str(first + seconds) for seconds in range(1, 10))
    await expect(sheet.page.locator("#state")).to_have_text(
        re.compile(f"Recording; server unreachable, ({longer}) s kept"), timeout=20_000
    )
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text(re.compile(f"Server unreachable, ({longer}) s kept"))


async def test_recording_continues_by_itself_when_its_sheet_is_opened_again(sheet: SheetPage) -> None:
    await wait_in_second_sheet(sheet, "One.")
    await open_earlier(sheet, "Sheet A.")
    await expect(sheet.page.locator("#recover-dialog")).to_be_visible()
    await sheet.press("Escape")
    await open_earlier(sheet, "One.")
    await expect(sheet.page.locator("#state")).to_have_text(KEPT)
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()


async def test_interrupted_recording_precedes_the_one_of_the_reloaded_page(sheet: SheetPage) -> None:
    is_released = asyncio.Event()

    async def hold(route: Route) -> None:
        await is_released.wait()
        await route.continue_()

    stream = await sheet.record()
    stream.hold_end()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await sheet.page.route("**/api/info", hold)
    await sheet.context.add_init_script(RECORD_ON_OPEN)
    await sheet.interrupt()
    await stream.started()
    await stream.started()
    assert ["resume" in config for config in stream.configs] == [False, True, False]
    stream.select(2)
    stream.final(0, "Four.")
    await sheet.expect_text("One. Four.")
    stream.select(1)
    stream.final(1, "Two.")
    stream.final(2, "Three.")
    await sheet.expect_text("One. Two. Three. Four.")
    is_released.set()


async def test_text_of_a_stopped_recording_precedes_later_text(sheet: SheetPage) -> None:
    await record_without_end(sheet)
    await sheet.text.focus()
    await sheet.page.keyboard.type("typed ")
    stream = await sheet.record()
    stream.final(0, "three.")
    await sheet.expect_text("typed three.")
    stream.select(0)
    stream.final(0, "One.")
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two. typed three.")


async def test_failed_start_keeps_the_state_of_a_recording_without_text(sheet: SheetPage) -> None:
    await sheet.record()
    await stop_without_server(sheet)
    await sheet.page.evaluate(FAIL_MICROPHONE)
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#notice")).to_contain_text("No microphone was found")
    await expect(sheet.page.locator("#state")).to_have_text(KEPT)


async def test_recording_without_text_is_shown_again_once_a_later_one_is_complete(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.rejection = lambda message: {"reason": "PERMISSION_DENIED"} if "resume" in message["config"] else None
    await stop_without_server(sheet)
    stream.permit()
    await expect(sheet.page.locator("#state")).to_contain_text("Not recognized", timeout=30_000)
    failed = await sheet.page.text_content("#state")
    assert failed is not None
    await sheet.record()
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text(failed)


async def test_subtitles_of_two_recordings_without_a_server_do_not_overlap(sheet: SheetPage) -> None:
    await record_without_end(sheet)
    stream = await sheet.record()
    for number, text in enumerate(("One.", "Two.")):
        stream.select(number)
        stream.final(0, text)
    await sheet.expect_text("One. Two.")
    first, second = "00:00:00,000 --> 00:00:00,900", "00:00:00,900 --> 00:00:01,800"
    subtitles = (await downloaded(sheet.page, "srt")).decode()
    assert subtitles == f"1\n{first}\nOne.\n\n2\n{second}\nTwo.\n"


async def test_recording_is_offered_when_the_page_cannot_continue_it(sheet: SheetPage) -> None:
    await sheet.record()
    await stop_without_server(sheet)
    await sheet.context.add_init_script(FAIL_RESUME)
    await reload(sheet.page)
    await expect(sheet.page.locator("#notice")).to_contain_text("aborted")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    await sheet.page.click("#recordings .primary")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()
    await expect(sheet.page.locator("#state")).to_have_text(KEPT)


async def test_offered_recording_uses_settings_that_were_changed_before_the_answer(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await stop_without_server(sheet)
    await sheet.page.evaluate(FORGET_RECORDING)
    await sheet.context.add_init_script(OPEN_SETTINGS)
    await reload(sheet.page)
    stream.permit()  # only now: the page before must not open another stream
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)  # shown after the settings
    await sheet.page.fill("[name=silence]", "0.8")
    await sheet.press("Tab", "Escape")
    await sheet.page.click("#recordings .primary")
    await stream.started()
    assert stream.config["settings"] == {"postSpeechSilence": "0.8s"}


async def test_failed_import_of_the_recorder_is_reported(browser: Browser) -> None:
    async with sheet_page(browser) as sheet:
        await sheet.page.route("**/recording/dictation.js", lambda route: route.abort())
        await sheet.page.reload()
        await expect(sheet.page.locator("#notice")).to_contain_text("dictation.js")
        assert all("net::ERR_FAILED" in problem for problem in sheet.problems)
        sheet.problems.clear()


async def set_clock_back(sheet: SheetPage) -> None:
    await sheet.context.add_init_script(CLOCK_SET_BACK)
    await sheet.page.evaluate(CLOCK_SET_BACK)


async def dictate_and_set_clock_back(sheet: SheetPage, text: str) -> None:
    stream = await sheet.record()
    stream.final(0, text)
    await expect(sheet.text).to_contain_text(text)
    await stop(sheet)
    await set_clock_back(sheet)


async def test_clock_that_is_set_back_does_not_swap_the_text_of_two_recordings(sheet: SheetPage) -> None:
    await record_without_end(sheet)
    await set_clock_back(sheet)
    stream = await sheet.record()
    stream.final(0, "Two.")
    await sheet.expect_text("Two.")
    stream.select(0)
    stream.final(0, "One.")
    await sheet.expect_text("One. Two.")


async def test_clock_that_is_set_back_does_not_swap_the_subtitles_of_a_reloaded_sheet(sheet: SheetPage) -> None:
    for text in ("One.", "Two."):
        await dictate_and_set_clock_back(sheet, text)
        await reload(sheet.page)
    subtitles = (await downloaded(sheet.page, "srt")).decode()
    assert re.findall(r"\w+\.", subtitles) == ["One.", "Two."]


async def test_clock_that_is_set_back_does_not_swap_lost_finals_of_two_recordings(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("typed")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "typed")
    await sheet.page.evaluate("window.isFrozen = true")
    for text in ("One.", "Two."):
        await dictate_and_set_clock_back(sheet, text)
    await reload(sheet.page)
    await sheet.expect_text("typed One. Two.")
