"""The dictation page's controls: recording, states, keys, settings, downloads, doubtful words, hostile text."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.accessibility import violations
from tests.browser.sheet_pages import SheetPage, downloaded, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

MIN_TARGET_PX = 44
FIRST, SECOND = "00:00:00,000 --> 00:00:00,900", "00:00:01,000 --> 00:00:01,900"  # times of two utterances
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> \u202eabc\u202c\u0007 &amp; </p>"
HOSTILE_AS_TEXT = "<img src=x onerror=alert(1)><script>alert(2)</script> abc &amp; </p>"
STOP_RECORDING_ON_OPEN = "() => localStorage.setItem('stt-settings', '{}')"

DELETE_FIRST_AUDIO = """async () => {
  const resultOf = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await resultOf(indexedDB.open("stt-recordings"));
  const chunks = database.transaction("chunks", "readwrite").objectStore("chunks");
  const cursor = await resultOf(chunks.openCursor());
  await resultOf(cursor.delete());
}"""


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone", "clipboard-read", "clipboard-write"]) as opened:
        yield opened


async def saved(page: Page, file_format: str) -> str:
    """Return the text of a download of the menu."""
    return (await downloaded(page, file_format)).decode("latin-1" if file_format == "wav" else "utf-8")


async def test_button_starts_and_stops_recording_and_shows_the_state_in_words(sheet: SheetPage) -> None:
    button, state = sheet.page.locator("#record"), sheet.page.locator("#state")
    await expect(state).to_have_text("Not recording")
    await sheet.record()
    await expect(button).to_have_attribute("aria-label", "Stop recording")
    await expect(sheet.page).to_have_title("● Recording · Dictation")
    await expect(sheet.page.locator("#timer")).to_have_text("0:01")
    level = "() => Number(document.getElementById('record').style.getPropertyValue('--level')) > 0"
    await sheet.page.wait_for_function(level)
    await button.click()
    await expect(state).to_have_text("Not recording")
    await expect(sheet.page).to_have_title("Dictation")


async def test_recording_is_controlled_by_keys_only(sheet: SheetPage) -> None:
    state = sheet.page.locator("#state")
    await sheet.press("Control+Enter")
    await expect(state).to_have_text("Recording")
    await sheet.press("Escape")
    await expect(state).to_have_text("Not recording")
    assert await sheet.shown_text() == ""


async def test_space_records_while_it_is_held_outside_of_the_text(sheet: SheetPage) -> None:
    state = sheet.page.locator("#state")
    await sheet.press("Space")
    await sheet.expect_text(" ")
    await sheet.page.evaluate("document.activeElement.blur()")
    await sheet.page.keyboard.down("Space")
    await expect(state).to_have_text("Recording")
    await sheet.page.keyboard.up("Space")
    await expect(state).to_have_text("Not recording")
    await sheet.expect_text(" ")


async def test_another_key_can_be_held_inside_of_the_text(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.select_option("[name=pushToTalk]", "F8")
    await sheet.press("Escape")
    await sheet.text.focus()
    await sheet.page.keyboard.down("F8")
    await expect(sheet.page.locator("#state")).to_have_text("Recording")
    await sheet.page.keyboard.up("F8")
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def test_page_starts_recording_if_the_user_recorded_when_it_was_last_open(sheet: SheetPage) -> None:
    state = sheet.page.locator("#state")
    await sheet.record()
    await sheet.page.reload()
    await expect(state).to_have_text("Recording")
    await sheet.page.click("#record")
    await expect(state).to_have_text("Not recording")
    await sheet.page.reload()
    await sheet.page.wait_for_selector("#sheet:focus", state="attached")
    await expect(state).to_have_text("Not recording")


async def test_reloaded_page_continues_its_utterance_before_the_next_recording(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await sheet.page.evaluate(STOP_RECORDING_ON_OPEN)
    await sheet.interrupt()
    await stream.started()
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two.")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()


async def test_recording_of_another_tab_is_offered_and_its_finals_are_inserted_once(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await sheet.page.evaluate(STOP_RECORDING_ON_OPEN)
    await sheet.page.evaluate('() => addEventListener("pagehide", () => sessionStorage.clear())')
    await sheet.interrupt()
    await sheet.expect_text("One.")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    await sheet.page.click("#recordings .primary")
    await stream.started()
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two.")
    await expect(sheet.page.locator("#recover-dialog")).to_be_hidden()


async def test_lost_connection_is_shown_with_the_kept_audio(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await stream.refuse()
    await expect(sheet.page.locator("#state")).to_have_text(re.compile("Recording; server unreachable, [1-9] s kept"))


async def test_settings_apply_to_the_stream_and_stay_after_a_reload(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await expect(sheet.page.locator("[name=language] option")).to_have_text(
        ["As set on the server", "Detect for each utterance", "English", "Russian"]
    )
    await sheet.page.select_option("[name=language]", "ru")
    await sheet.page.fill("[name=hotwords]", "Анна\n\n Kubernetes ")
    await sheet.page.fill("[name=silence]", "0.8")
    await sheet.page.check("[name=publish]")
    await sheet.page.fill("[name=captionsName]", "talk")
    await sheet.press("Tab", "Escape")
    stream = await sheet.record()
    settings = {"language": "ru", "hotwords": ["Анна", "Kubernetes"], "postSpeechSilence": "0.8s"}
    assert stream.config["settings"] == settings
    assert stream.captions["name"] == "talk"
    await sheet.page.click("#open-settings")
    await sheet.page.select_option("[name=language]", "en")
    assert await stream.next_update() == {**settings, "language": "en"}
    link = sheet.page.locator("#captions-link")
    await expect(link).to_have_attribute("href", f"{sheet.origin}/captions/talk#key={stream.captions['viewerKey']}")
    await expect(sheet.page.locator("#captions-qr svg")).to_be_visible()


async def test_language_of_the_page_changes_while_it_records(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.partial(0, "one")
    await sheet.page.click("#open-settings")
    await sheet.page.select_option("[name=interfaceLanguage]", "ru")
    await expect(sheet.page.locator("#state")).to_have_text("Идёт запись")
    await expect(sheet.page.locator("#record")).to_have_attribute("aria-label", "Остановить запись")
    await expect(sheet.page.locator("[name=language] option").first).to_have_text("Как на сервере")
    await expect(sheet.page.locator("[name=interfaceLanguage]")).to_have_value("ru")
    await sheet.page.keyboard.press("Escape")
    stream.final(0, "one")
    await expect(sheet.page.locator("#sheet")).to_contain_text("One")
    assert await sheet.page.evaluate("() => document.documentElement.lang") == "ru"
    assert len(stream.configs) == 1  # the recording went on


async def test_downloads_have_the_edited_text_and_the_times_of_utterances(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.final(0, "One <b>.")
    stream.final(1, "Too.")
    await sheet.expect_text("One <b>. Too.")
    await sheet.press("Backspace", "Backspace", "Backspace")
    await sheet.page.keyboard.type("wo. ")
    assert await saved(sheet.page, "txt") == "One <b>. Two. "
    assert await saved(sheet.page, "srt") == f"1\n{FIRST}\nOne <b>.\n\n2\n{SECOND}\nTwo.\n"
    dotted = f"WEBVTT\n\n{FIRST}\nOne &lt;b&gt;.\n\n{SECOND}\nTwo.\n".replace(",", ".")
    assert await saved(sheet.page, "vtt") == dotted
    assert (await saved(sheet.page, "wav")).startswith("RIFF")


async def dictate_doubtful_word(sheet: SheetPage) -> None:
    """Dictate a text whose last word is doubtful."""
    stream = await sheet.record()
    await sheet.text.focus()
    stream.final(0, "We met Annie.", [("We", 0.9), (" met", 0.8), (" Annie.", 0.2)])
    await sheet.expect_text("We met Annie.")


async def test_doubtful_word_is_underlined_and_plays_its_audio(sheet: SheetPage) -> None:
    await dictate_doubtful_word(sheet)
    underlined = "() => [...CSS.highlights.get('doubtful')].map(String)"
    assert await sheet.page.evaluate(underlined) == ["Annie"]
    await sheet.move(0, 9)
    await sheet.press("Alt+Enter")
    await expect(sheet.page.locator("#word-title")).to_have_text("Annie")
    await expect(sheet.page.locator("#word-confidence")).to_have_text("20 % sure")
    await sheet.page.click("#word-play")
    await sheet.page.click("#word-keep")
    await expect(sheet.page.locator("#word-failure")).to_have_text("")
    assert await sheet.page.evaluate(underlined) == []


async def test_audio_of_a_word_that_is_played_again_or_closed_at_once_is_no_error(sheet: SheetPage) -> None:
    await dictate_doubtful_word(sheet)
    await sheet.move(0, 9)
    await sheet.press("Alt+Enter")
    outcomes = await sheet.page.evaluate(
        """() => new Promise((resolve) => {
            const [play, outcomes] = [HTMLMediaElement.prototype.play, []];
            let isSecond = false;
            HTMLMediaElement.prototype.play = function () {
                const started = play.call(this);
                const settle = (outcome) => outcomes.push(outcome) === 2 && setTimeout(() => resolve(outcomes));
                started.then(() => settle("played"), (error) => settle(error.name));
                if (isSecond) document.querySelector("#word").hidePopover();
                isSecond = true;
                return started;
            };
            for (const _ of [1, 2]) document.querySelector("#word-play").click();
        })"""
    )
    assert outcomes == ["AbortError", "AbortError"]
    await expect(sheet.page.locator("#word-failure")).to_have_text("")


async def test_doubtful_word_is_opened_and_confirmed_by_keys(sheet: SheetPage) -> None:
    await dictate_doubtful_word(sheet)
    await sheet.move(0, 9)
    await sheet.press("Alt+Enter")
    await expect(sheet.page.locator("#word-play")).to_be_focused()
    word = sheet.page.get_by_role("dialog", name="Annie")
    await expect(word).to_have_accessible_description("20 % sure")
    await sheet.press("Escape")
    await expect(word).to_be_hidden()
    await expect(sheet.text).to_be_focused()
    await expect(sheet.page.locator("#state")).to_have_text("Recording")
    await sheet.press("Alt+Enter", "Tab", "Space")
    await expect(sheet.text).to_be_focused()
    assert await sheet.page.evaluate("() => CSS.highlights.get('doubtful').size") == 0
    await sheet.page.keyboard.type("!")
    await sheet.expect_text("We met An!nie.")


async def test_missing_audio_of_a_word_is_reported_in_the_language_of_the_page(browser: Browser) -> None:
    async with sheet_page(browser, locale="ru-RU", permissions=["microphone"]) as sheet:
        stream = await sheet.record("Идёт запись")
        stream.final(0, "Anna.", [("Anna.", 0.2)])
        await expect(sheet.page.locator("#timer")).to_have_text("0:01")
        await sheet.page.click("#record")
        await expect(sheet.page.locator("#state")).to_have_text("Запись не идёт")
        await sheet.page.evaluate(DELETE_FIRST_AUDIO)
        await sheet.text.focus()
        await sheet.move(0, 1)
        await sheet.press("Alt+Enter", "Space")
        await expect(sheet.page.locator("#word-failure")).to_have_text("Этот звук больше не хранится.")


async def test_edit_inside_a_doubtful_word_removes_its_underline(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.final(0, "We met Annie.", [("We", 0.9), (" met", 0.3), (" Annie.", 0.2)])
    await sheet.expect_text("We met Annie.")
    await sheet.move(0, 9)
    await sheet.page.keyboard.type("x")
    underlined = await sheet.page.evaluate("() => [...CSS.highlights.get('doubtful')].map(String)")
    assert underlined == ["met"]


async def test_final_is_announced_and_copied_and_a_partial_is_not(sheet: SheetPage) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.check("[name=autoCopy]")
    await sheet.press("Escape")
    stream = await sheet.record()
    stream.partial(0, "so far")
    await expect(sheet.text.locator(".partial")).to_have_text("So far")
    announced = sheet.page.locator("#announcer > *")
    await expect(announced).to_have_text(["Recording"])
    stream.final(0, "Done.")
    await expect(announced).to_have_text(["Recording", "Done."])
    await sheet.page.wait_for_function("async () => await navigator.clipboard.readText() === 'Done.'")


async def test_hostile_transcript_stays_text(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.partial(0, HOSTILE)
    await expect(sheet.text.locator(".partial")).to_have_text(HOSTILE_AS_TEXT)
    stream.final(0, HOSTILE)
    await sheet.expect_text(HOSTILE_AS_TEXT)
    assert await sheet.page.locator("#sheet :not(p, br)").count() == 0
    await expect(sheet.page.locator("#announcer > :last-child")).to_have_text(HOSTILE_AS_TEXT)
    await expect(sheet.page).to_have_title("● Recording · Dictation")
    stream.notice(HOSTILE)
    await expect(sheet.page.locator("#notice")).to_have_text(HOSTILE_AS_TEXT)
    assert await sheet.page.locator("#notice *").count() == 0


async def test_token_is_asked_for_once_and_sent_as_a_subprotocol(browser: Browser) -> None:
    async with sheet_page(browser, token="secret", permissions=["microphone"]) as sheet:
        await expect(sheet.page.locator("#token-title")).to_have_text("This server requires an access token")
        await sheet.page.fill("#token-input", "secret")
        await sheet.press("Enter")
        await expect(sheet.page.locator("#token-dialog")).to_be_hidden()
        await sheet.record()
        assert await sheet.page.evaluate("() => sessionStorage.getItem('stt-token')") == "secret"
        assert "secret" not in await sheet.page.evaluate("() => JSON.stringify(localStorage)")


async def test_page_is_russian_in_a_russian_browser(browser: Browser) -> None:
    async with sheet_page(browser, locale="ru-RU") as sheet:
        await expect(sheet.page.locator("html")).to_have_attribute("lang", "ru")
        await expect(sheet.page.locator("#state")).to_have_text("Запись не идёт")
        await expect(sheet.text).to_have_attribute("data-placeholder", "Говорите или печатайте.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
async def test_page_is_accessible_in_each_state(browser: Browser, scheme: Literal["light", "dark"], width: int) -> None:
    async with sheet_page(browser, color_scheme=scheme, width=width, permissions=["microphone"]) as sheet:
        page = sheet.page
        assert await violations(page) == []
        stream = await sheet.record()
        stream.final(0, "One.")
        stream.partial(1, "two")
        await expect(sheet.text.locator(".partial")).to_have_text(" Two")
        assert await violations(page) == []
        await page.click("#more")
        assert await violations(page) == []
        await sheet.press("Escape")
        await page.click("#open-settings")
        await page.check("[name=publish]")
        assert await violations(page) == []
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_targets_are_large_enough_for_touch(browser: Browser) -> None:
    async with sheet_page(browser, width=360) as sheet:
        await sheet.page.click("#open-settings")
        sizes = await sheet.page.evaluate(
            """() => [...document.querySelectorAll('button, select, textarea, input:not([type=checkbox]), .switch')]
              .map((each) => [each.id || each.name || each.textContent, each.getBoundingClientRect()])
              .filter(([, box]) => box.height > 0).map(([name, box]) => [name, box.width, box.height])"""
        )
        assert [size for size in sizes if min(size[1:]) < MIN_TARGET_PX] == []


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
async def test_everything_fits_into_360_pixels(browser: Browser, locale: str) -> None:
    async with sheet_page(browser, width=360, locale=locale) as sheet:
        await sheet.page.keyboard.type("word" * 40)
        outside = """() => [...document.querySelectorAll('body *')].filter((each) => each.checkVisibility())
            .filter((each) => each.getBoundingClientRect().right > innerWidth).map((each) => each.outerHTML)"""
        assert await sheet.page.evaluate(outside) == []
        await sheet.page.click("#open-settings")
        assert await sheet.page.evaluate(outside) == []
