"""What the dictation page does when a server rejects its stream, and how the user corrects the reason."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.sheet_pages import INFO, Json, SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

LATER: Json = {"retryAfter": "25s"}
# The server of the files opens no WebSocket; Playwright answers those of /api/stream only.
REJECT_HANDSHAKES = """() => {
  window.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      super(`${url}/rejected`, protocols);
    }
  };
}"""
REJECTED = "The server rejected the settings: change them. (Rejected.)"


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        yield opened


def rejects_russian(message: dict[str, Json]) -> Json | None:
    settings = message["config"].get("settings")
    is_russian = isinstance(settings, dict) and settings.get("language") == "ru"
    return {"reason": "INVALID_ARGUMENT"} if is_russian else None


async def choose_language(sheet: SheetPage, language: str) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.select_option("[name=language]", language)
    await sheet.press("Escape")


async def test_vocabulary_over_the_limits_of_the_server_is_reported_and_not_saved(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    field = sheet.page.locator("[name=hotwords]")
    for text, size in (("a" * 2001, "Characters: 2001 of at most 2000"), ("a\n" * 101, "Terms: 101 of at most 100")):
        await field.fill(text)
        await field.dispatch_event("change")
        await expect(sheet.page.locator("#hotwords-error")).to_contain_text(size)
    assert await sheet.page.evaluate("() => JSON.parse(localStorage['stt-settings']).hotwords") == []
    await field.fill("\n".join(["a" * 22] * 83))
    await field.dispatch_event("change")
    assert len(await sheet.page.evaluate("() => JSON.parse(localStorage['stt-settings']).hotwords")) == 83


async def test_stored_vocabulary_over_the_limits_is_cut_to_them(sheet: SheetPage) -> None:
    await sheet.page.evaluate(
        "() => localStorage['stt-settings'] = JSON.stringify({ hotwords: Array(100).fill('a'.repeat(22)) })"
    )
    await sheet.page.reload()
    stream = await sheet.record()
    assert stream.config["settings"] == {"hotwords": ["a" * 22] * 83}


async def test_recording_with_rejected_settings_is_recognized_with_changed_ones(sheet: SheetPage) -> None:
    sheet.stream.rejection = rejects_russian
    await choose_language(sheet, "ru")
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_contain_text(f"Recording, not recognized. {REJECTED}")
    await choose_language(sheet, "en")
    await sheet.stream.started()
    sheet.stream.final(0, "One.")
    await sheet.expect_text("One.")
    assert len(sheet.stream.configs) == 2


async def test_recording_with_rejected_settings_is_recovered_with_the_current_ones(sheet: SheetPage) -> None:
    sheet.stream.rejection = rejects_russian
    await choose_language(sheet, "ru")
    await sheet.page.click("#record")
    state = sheet.page.locator("#state")
    await expect(state).to_contain_text("1 s kept")
    await sheet.page.click("#record")
    await expect(state).to_have_text(f"Not recognized. {REJECTED}")
    await sheet.page.evaluate("() => localStorage['stt-settings'] = '{\"language\": \"en\"}'")
    await sheet.page.reload()
    await sheet.stream.started()
    sheet.stream.final(0, "One.")
    await sheet.expect_text("One.")


async def test_final_replaces_the_partial_of_a_rejected_stream(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.begin(0)
    stream.partial(0, "one two")
    await expect(sheet.page.locator(".partial")).to_have_text("One two")
    stream.hold_end()
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text("Waiting for the last words")
    await stream.fail("INVALID_ARGUMENT", "Rejected.")
    await expect(sheet.page.locator("#state")).to_have_text(f"Not recognized. {REJECTED}")
    await sheet.expect_text("")
    await expect(sheet.page.locator(".partial")).to_have_text("One two")
    await choose_language(sheet, "en")
    await stream.started()
    stream.final(0, "One two.")
    await sheet.expect_text("One two.")


async def test_reason_and_id_of_a_repeated_fault_of_the_server_are_shown(sheet: SheetPage) -> None:
    message = "Internal server error (error_id=7f3a in the server log): try again."
    await sheet.page.click("#record")
    for _ in range(10):
        await sheet.stream.started()
        await sheet.stream.fail("INTERNAL", message)
    reason = f"The server returned no text in several attempts. {message}"
    await expect(sheet.page.locator("#state")).to_contain_text(f"Recording, not recognized. {reason}")


@pytest.mark.parametrize("wrong", ["wrong", "пароль"])
async def test_rejected_token_is_asked_for_again_and_the_recording_continues(browser: Browser, wrong: str) -> None:
    async with sheet_page(browser, token="secret", permissions=["microphone"]) as sheet:
        await expect(sheet.page.locator("#token-dialog")).to_be_visible()
        await sheet.page.fill("#token-input", wrong)
        await sheet.press("Enter")
        await expect(sheet.page.locator("#token-title")).to_have_text("The server rejected this token.")
        await expect(sheet.page.locator("#token-dialog")).to_be_visible()


async def test_token_of_the_settings_continues_a_rejected_recording(browser: Browser) -> None:
    async with sheet_page(browser, token="secret", permissions=["microphone"]) as sheet:
        await sheet.page.click("#token-dialog [data-close]")
        sheet.stream.rejection = lambda _: {"reason": "UNAUTHENTICATED"}
        await sheet.page.click("#record")
        await expect(sheet.page.locator("#token-dialog")).to_be_visible()
        await sheet.page.click("#token-dialog [data-close]")
        sheet.stream.rejection = lambda _: None
        await sheet.page.click("#open-settings")
        await sheet.page.fill("[name=token]", "secret")
        await sheet.press("Tab")
        await sheet.stream.started()


async def test_dismissed_token_dialog_opens_again_only_for_another_rejection(browser: Browser) -> None:
    async with sheet_page(browser, token="secret", permissions=["microphone"]) as sheet:
        page, dialog, state = sheet.page, sheet.page.locator("#token-dialog"), sheet.page.locator("#state")
        await page.click("#token-dialog [data-close]")
        sheet.stream.rejection = lambda _: {"reason": "UNAUTHENTICATED"}
        await page.click("#record")
        await page.click("#token-dialog [data-close]")
        for seconds in (1, 2):  # the state is reported each second
            await expect(state).to_contain_text(f"{seconds} s kept")
        await expect(dialog).to_be_hidden()
        await page.click("#open-settings")
        await page.fill("[name=token]", "wrong")
        await sheet.press("Tab")
        await expect(dialog).to_be_visible()


async def test_reset_settings_return_to_those_of_the_server_while_recording(sheet: SheetPage) -> None:
    await sheet.page.evaluate(
        """() => localStorage['stt-settings'] = JSON.stringify({ language: "ru", hotwords: ["Ada"], silence: 3 })"""
    )
    await sheet.page.reload()
    stream = await sheet.record()
    await choose_language(sheet, "")
    await sheet.page.click("#open-settings")
    assert await stream.next_update() == {"language": "auto", "hotwords": ["Ada"], "postSpeechSilence": "3s"}
    await sheet.page.fill("[name=hotwords]", "")
    await sheet.press("Tab")
    assert (await stream.next_update())["hotwords"] == [""]
    await sheet.page.fill("[name=silence]", "")
    await sheet.press("Tab")
    assert (await stream.next_update())["postSpeechSilence"] == "1.500s"


async def test_taken_captions_name_is_a_notice_and_another_name_is_published(sheet: SheetPage) -> None:
    stream = sheet.stream
    stream.rejection = lambda message: (
        {"reason": "INVALID_ARGUMENT", "field": "captions.name"}
        if message.get("captions", {}).get("name") == "taken"
        else None
    )
    await sheet.page.click("#open-settings")
    await sheet.page.check("[name=publish]")
    await sheet.page.fill("[name=captionsName]", "taken")
    await sheet.press("Tab", "Escape")
    await sheet.record()
    assert stream.captions == {}
    await expect(sheet.page.locator("#notice")).to_contain_text("the name “taken” is taken")
    await sheet.page.click("#open-settings")
    await sheet.page.fill("[name=captionsName]", "free")
    await sheet.press("Tab")
    stream.commit_audio()  # captions begin with the next utterance
    await stream.started()
    assert stream.captions["name"] == "free"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ({"reason": "RESOURCE_EXHAUSTED", "field": "captions", **LATER}, "the server already has too many of them."),
        ({"reason": "INVALID_ARGUMENT", "field": "captions.key"}, "Rejected."),
    ],
)
async def test_recording_whose_captions_are_rejected_is_recognized(
    sheet: SheetPage, failure: Json, reason: str
) -> None:
    sheet.stream.rejection = lambda message: failure if "captions" in message else None
    await sheet.page.click("#open-settings")
    await sheet.page.check("[name=publish]")
    await sheet.press("Escape")
    stream = await sheet.record()
    await expect(sheet.page.locator("#notice")).to_have_text(f"Captions are not published: {reason}")
    stream.final(0, "One.")
    await sheet.expect_text("One.")


async def test_failure_of_captions_without_captions_is_tried_once(sheet: SheetPage) -> None:
    sheet.stream.rejection = lambda _: {"reason": "INVALID_ARGUMENT", "field": "captions"}
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_contain_text("Recording, not recognized. ")
    assert len(sheet.stream.configs) == 1


async def test_publishing_during_a_recording_resumes_its_stream_with_captions(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await sheet.watch_states()
    await sheet.page.click("#open-settings")
    await sheet.page.check("[name=publish]")
    stream.commit_audio()
    await stream.started()
    assert "resume" in stream.config
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two.")
    assert await sheet.shown_states() <= {"Recording"}
    link = await sheet.page.locator("#captions-link").text_content()
    assert link == f"{sheet.origin}/captions/{stream.captions['name']}"


async def test_full_server_is_named_while_recording_and_after_it(sheet: SheetPage) -> None:
    sheet.stream.rejection = lambda _: {"reason": "RESOURCE_EXHAUSTED", "message": "All slots are in use.", **LATER}
    await sheet.page.click("#record")
    state = sheet.page.locator("#state")
    kept = "The server has too many recordings; the text follows. [0-9]+ s kept"
    await expect(state).to_have_text(re.compile(f"^Recording. {kept}"))
    await sheet.page.click("#record")
    await expect(state).to_have_text(re.compile(f"^{kept}"))


async def test_server_that_is_not_ready_is_named_and_not_called_unreachable(sheet: SheetPage) -> None:
    await sheet.watch_states()
    sheet.stream.rejection = lambda _: {"reason": "UNAVAILABLE", "message": "Loading.", "retryAfter": "25s"}
    await sheet.page.click("#record")
    state = sheet.page.locator("#state")
    await expect(state).to_have_text(re.compile("^Recording. The server is not ready; the text follows. [1-9] s kept"))
    assert "unreachable" not in " ".join(await sheet.shown_states())


async def test_rejected_handshake_of_a_server_that_is_not_ready_is_named(sheet: SheetPage) -> None:
    facts = json.dumps({**INFO, "notReady": "Loading."})
    await sheet.page.route("**/api/info", lambda route: route.fulfill(body=facts))
    await sheet.page.evaluate(REJECT_HANDSHAKES)
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_contain_text("Recording. The server is not ready")
    assert all("WebSocket" in problem for problem in sheet.problems)
    sheet.problems.clear()


async def test_page_asks_once_for_lasting_storage(sheet: SheetPage) -> None:
    await sheet.page.evaluate(
        """() => {
            window.requests = 0;
            navigator.storage.persist = async () => ++requests > 0;
        }"""
    )
    for _ in range(2):
        await sheet.record()
        await sheet.page.click("#record")
        await expect(sheet.page.locator("#state")).to_have_text("Not recording")
    assert await sheet.page.evaluate("() => requests") == 1
