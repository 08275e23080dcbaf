"""The state that the dictation page shows in words and announces: no audio, the end of a recording, failures."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.accessibility import violations
from tests.browser.microphone_spy import SPY, UNPLUG
from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

MIN_TARGET_PX = 44
SUSPEND = """async () => {
    window.attempts = 0;
    contexts[0].resume = async () => {
        attempts += 1;
        throw new DOMException("interrupted", "InvalidStateError");
    };
    await contexts[0].suspend();
}"""
RESUME = "() => { delete contexts[0].resume; return contexts[0].resume(); }"
NOT_RECORDED = "Nothing is recorded. The browser paused the recording: click or tap the page."


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"], script=SPY) as opened:
        yield opened


async def test_state_names_missing_audio_as_long_as_it_is_missing(sheet: SheetPage) -> None:
    page, state = sheet.page, sheet.page.locator("#state")
    await sheet.record()
    await expect(page.locator("#timer")).to_have_text("0:01")
    await page.evaluate(SUSPEND)
    await expect(state).to_have_text(NOT_RECORDED)
    await expect(page).to_have_title("⚠ No audio · Dictation")
    timer = await page.locator("#timer").text_content()
    await page.wait_for_function("() => attempts >= 3")  # one at once, then one every three seconds
    await expect(state).to_have_text(NOT_RECORDED)
    await expect(page.locator("#timer")).to_have_text(timer or "")  # of the audio
    await page.evaluate(RESUME)
    await expect(state).to_have_text("Recording")
    await expect(page).to_have_title("● Recording · Dictation")


async def test_state_names_missing_audio_and_a_lost_connection_together(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await stream.refuse()
    await sheet.page.evaluate(SUSPEND)
    shown = f"{re.escape(NOT_RECORDED)} Server unreachable, [0-9]+ s kept"
    await expect(sheet.page.locator("#state")).to_have_text(re.compile(shown))


async def test_stream_that_the_server_ends_without_audio_is_not_a_lost_server(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.page.evaluate(SUSPEND)
    await expect(sheet.page.locator("#state")).to_have_text(NOT_RECORDED)
    await sheet.watch_states()
    await stream.fail("DEADLINE_EXCEEDED", "No audio received for 60 s.")
    await sheet.page.evaluate(RESUME)
    await stream.started()
    await expect(sheet.page.locator("#state")).to_have_text("Recording")
    assert await sheet.shown_states() <= {NOT_RECORDED, "Recording, connecting…", "Recording"}


async def test_reason_of_an_ended_recording_is_shown_until_the_next_one(sheet: SheetPage) -> None:
    state = sheet.page.locator("#state")
    reason = "The microphone was disconnected, or its permission was revoked."
    stream = await sheet.record()
    stream.hold_end()
    await expect(sheet.page.locator("#timer")).not_to_have_text("0:00")  # a recording without audio waits for no text
    await sheet.page.evaluate(UNPLUG)
    await expect(state).to_have_text(f"Not recording. {reason}")
    await expect(sheet.page.locator("#record")).to_have_attribute("aria-label", "Record")
    await stream.refuse()
    await expect(state).to_have_text(re.compile(f"Not recording. {reason} Server unreachable, [0-9]+ s kept"))
    stream.allow()
    await expect(state).to_have_text(f"Not recording. {reason}")
    await sheet.record()
    await expect(state).to_have_text("Recording")


async def test_failed_recording_is_tried_again_with_a_button(sheet: SheetPage) -> None:
    retry, state = sheet.page.locator("#retry"), sheet.page.locator("#state")
    await expect(retry).to_be_hidden()
    sheet.stream.rejection = lambda _: {"reason": "PERMISSION_DENIED", "message": "Recognition is not permitted."}
    await sheet.page.click("#record")
    await expect(retry).to_have_text("Try again")
    await sheet.page.click("#record")
    await expect(state).to_have_text("Not recognized. Recognition is not permitted.")
    await retry.click()
    await expect(retry).to_be_visible()
    assert len(sheet.stream.configs) == 2
    sheet.stream.rejection = lambda _: None
    await sheet.text.focus()
    while not await sheet.page.evaluate("() => document.activeElement.id === 'retry'"):
        await sheet.press("Tab")
    await sheet.press("Space")
    await sheet.stream.started()
    await expect(state).to_have_text("Not recording")
    await expect(retry).to_be_hidden()
    await expect(sheet.page.locator("#record")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
async def test_failed_recording_without_audio_is_accessible(
    browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    access = ["microphone"]
    async with sheet_page(browser, color_scheme=scheme, width=width, permissions=access, script=SPY) as sheet:
        sheet.stream.rejection = lambda _: {"reason": "PERMISSION_DENIED", "message": "Recognition is not permitted."}
        await sheet.page.click("#record")
        await expect(sheet.page.locator("#retry")).to_be_visible()
        await sheet.page.evaluate(SUSPEND)
        await expect(sheet.page.locator("#state")).to_contain_text("Nothing is recorded.")
        assert await violations(sheet.page) == []
        assert await sheet.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        box = await sheet.page.locator("#retry").bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= MIN_TARGET_PX


async def test_state_is_announced_when_it_changes_and_not_each_second(sheet: SheetPage) -> None:
    state, announced = sheet.page.locator("#state"), sheet.page.locator("#announcer > *")
    stream = await sheet.record()
    await stream.refuse()
    for seconds in (2, 3):
        await expect(state).to_have_text(f"Recording; server unreachable, {seconds} s kept")
    expected = ["Recording", "Recording; server unreachable"]
    await expect(announced).to_have_text(expected)
    await sheet.page.evaluate(SUSPEND)
    expected += [f"{NOT_RECORDED} Server unreachable"]
    await expect(announced).to_have_text(expected)
    await sheet.page.click("#record")
    await expect(announced).to_have_text(expected := [*expected, "Server unreachable"])
    stream.allow()
    await expect(announced).to_have_text([*expected, "Not recording"])


async def test_equal_announcements_are_new_lines(sheet: SheetPage) -> None:
    announced = sheet.page.locator("#announcer > *")
    stream = await sheet.record()
    for utterance in range(2):
        stream.final(utterance, "Yes.")
        stream.notice("The server is busy.")
    texts = ["Yes.", "The server is busy."] * 2
    await expect(announced).to_have_text(["Recording", *texts])
    for utterance in range(2, 12):
        stream.final(utterance, f"Sentence {utterance}.")
    await expect(announced).to_have_text([f"Sentence {utterance}." for utterance in range(2, 12)])


async def test_second_failure_for_the_same_reason_is_announced(sheet: SheetPage) -> None:
    sheet.stream.rejection = lambda _: {"reason": "PERMISSION_DENIED", "message": "Recognition is not permitted."}
    failed = "Recording, not recognized. Recognition is not permitted."
    announced = sheet.page.locator("#announcer > *")
    await sheet.page.click("#record")
    await expect(announced).to_have_text([failed])
    await sheet.page.click("#retry")
    await expect(announced).to_have_text([failed, failed])


async def test_record_button_has_a_name_of_its_action_and_no_pressed_state(sheet: SheetPage) -> None:
    await expect(sheet.page.get_by_role("button", name="Record", exact=True)).to_be_visible()
    await sheet.record()
    button = sheet.page.get_by_role("button", name="Stop recording", exact=True)
    assert await button.get_attribute("aria-pressed") is None
    assert await sheet.page.locator("[role=toolbar]").count() == 0


async def test_missing_audio_and_the_end_of_a_recording_are_named_in_russian(browser: Browser) -> None:
    async with sheet_page(browser, permissions=["microphone"], locale="ru-RU", script=SPY) as sheet:
        state = sheet.page.locator("#state")
        await sheet.page.click("#record")
        await expect(state).to_have_text("Идёт запись")
        await sheet.page.evaluate(SUSPEND)
        await expect(state).to_have_text("Речь не записывается. Браузер приостановил запись: нажмите на страницу.")
        await sheet.page.evaluate(UNPLUG)
        await expect(state).to_have_text("Запись не идёт. Микрофон отключён, или доступ к нему закрыт.")
