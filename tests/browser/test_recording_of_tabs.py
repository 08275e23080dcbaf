"""Which tab records by itself when it is opened: one, unless another tab records already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.microphone_spy import SPY, UNPLUG
from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

# Sees that the page does not get the lock of the tab that records.
LOCK_SPY = """const request = LockManager.prototype.request;
LockManager.prototype.request = function (name, ...rest) {
  const held = request.call(this, name, ...rest);
  if (name !== "stt-microphone") return held;
  window.isRequested = true;
  held.catch(() => (window.isRefused = true));
  return held;
};"""
IS_REQUESTED = "() => window.isRequested"
IS_REFUSED = "() => window.isRefused"
# Act as a tab that records, which lets other tabs wait without a limit.
NO_TIMEOUT = "AbortSignal.timeout = () => new AbortController().signal"
HOLD_LOCK = """() => new Promise((held) => {
  navigator.locks.request("stt-microphone", () => new Promise((resolve) => held(window.release = resolve)));
})"""
TAKE_LOCK = "() => navigator.locks.request('stt-microphone', () => {})"
RECORDS_ON_OPEN = "localStorage.setItem('stt-settings', JSON.stringify({ recordsOnOpen: true }))"

# The question whether the microphone is allowed is answered when the test calls `permit`.
SLOW_PERMISSION = """navigator.permissions.query = () => new Promise((resolve) => {
  window.permit = () => resolve({ state: "granted" });
});"""


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"], script=LOCK_SPY) as opened:
        yield opened


async def other_tab(sheet: SheetPage) -> Page:
    page = await sheet.context.new_page()
    sheet.watch(page)
    await page.goto(sheet.origin)
    return page


async def expect_no_recording(page: Page) -> None:
    await page.wait_for_function(IS_REFUSED)
    await expect(page.locator("#state")).to_have_text("Not recording")


async def test_tab_that_is_opened_while_another_one_records_does_not_record(sheet: SheetPage) -> None:
    await sheet.record()
    await expect_no_recording(await other_tab(sheet))
    assert len(sheet.stream.configs) == 1


async def test_second_tab_records_when_the_user_starts_it_and_is_then_the_one_that_does(sheet: SheetPage) -> None:
    stream = await sheet.record()
    second = await other_tab(sheet)
    await expect_no_recording(second)
    await second.click("#record")
    await stream.started()
    await expect(second.locator("#state")).to_have_text("Recording")
    await sheet.page.close()
    await expect_no_recording(await other_tab(sheet))
    assert len(stream.configs) == 2


async def test_reloaded_tab_records_again(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.page.reload()
    await stream.started()
    await expect(sheet.page.locator("#state")).to_have_text("Recording")


async def test_one_of_two_tabs_that_are_opened_together_records(sheet: SheetPage) -> None:
    await sheet.page.evaluate(RECORDS_ON_OPEN)
    tabs = [await sheet.context.new_page() for _ in range(2)]
    await asyncio.gather(*(tab.goto(sheet.origin) for tab in tabs))
    await sheet.stream.started()
    refused = [asyncio.ensure_future(tab.wait_for_function(IS_REFUSED)) for tab in tabs]
    done, (recording,) = await asyncio.wait(refused, return_when=asyncio.FIRST_COMPLETED)
    recording.cancel()
    assert [each.exception() for each in done] == [None]
    assert len(sheet.stream.configs) == 1


async def test_tab_records_when_the_one_that_recorded_is_closed(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.page.close()
    await other_tab(sheet)
    await stream.started()


async def test_tab_in_which_the_user_has_stopped_before_its_turn_does_not_record(sheet: SheetPage) -> None:
    await sheet.page.evaluate(RECORDS_ON_OPEN)
    await sheet.page.evaluate(HOLD_LOCK)
    await sheet.context.add_init_script(NO_TIMEOUT)
    other = await other_tab(sheet)
    await other.wait_for_function(IS_REQUESTED)
    await other.click("#record")
    await expect(other.locator("#state")).to_have_text("Recording")
    await other.click("#record")
    await expect(other.locator("#state")).to_have_text("Not recording")
    await sheet.page.evaluate("() => window.release()")
    await sheet.page.evaluate(TAKE_LOCK)
    assert len(sheet.stream.configs) == 1


async def test_tab_whose_recording_has_ended_before_its_turn_does_not_record(browser: Browser) -> None:
    script = f"{LOCK_SPY}\n{SPY}\n{SLOW_PERMISSION}\n{RECORDS_ON_OPEN}"
    async with sheet_page(browser, permissions=["microphone"], script=script) as sheet:
        await sheet.page.wait_for_function("() => window.permit")
        await sheet.record()
        await sheet.page.evaluate(UNPLUG)
        await expect(sheet.page.locator("#state")).to_contain_text("The microphone was disconnected")
        await sheet.page.evaluate("() => { window.isRequested = false; permit(); }")
        await sheet.page.wait_for_function(IS_REQUESTED)
        await sheet.page.evaluate(TAKE_LOCK)  # free again: the page does not record
        assert len(sheet.stream.configs) == 1
