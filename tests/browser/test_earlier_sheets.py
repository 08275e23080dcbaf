"""The dialog with earlier sheets: opening and deleting them, with their audio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.accessibility import violations
from tests.browser.sheet_pages import WAIT_UNTIL_STORED, SheetPage, answer_dialogs, begin_sheets, choose, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

STORED_RECORDINGS = """async () => {
  const resultOf = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await resultOf(indexedDB.open("stt-recordings"));
  const stores = ["recordings", "chunks", "results"].map((name) => database.transaction(name).objectStore(name));
  return Promise.all(stores.map((store) => resultOf(store.count())));
}"""
COPY_OF_THE_SHEET = """(text) => {
  const marks = { marks: [], lastInserted: [] };
  const row = { id: "copied", savedAt: Date.now(), text, cursor: { line: 0, offset: 0 }, marks };
  localStorage.setItem("stt-sheet-copy:copied", JSON.stringify(row));
}"""


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, width=360, permissions=["microphone"]) as opened:
        yield opened


async def stop(sheet: SheetPage) -> None:
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")


async def test_earlier_sheets_are_deleted_by_keyboard_after_a_confirmation(sheet: SheetPage) -> None:
    page = sheet.page
    titles = page.locator("#sheets .sheet-title span")
    await begin_sheets(sheet, "first", "second")
    await choose(page, "#earlier")
    await expect(titles).to_have_text(["second", "first"])
    delete = page.get_by_role("button", name="Delete: second")
    await delete.focus()
    questions = answer_dialogs(page.once, is_accepted=False)
    await sheet.press("Enter")
    await expect(titles).to_have_text(["second", "first"])
    assert questions == ["Delete this sheet and its audio? They cannot be restored."]
    answer_dialogs(page.once, is_accepted=True)
    await sheet.press("Enter")
    await expect(titles).to_have_text(["first"])
    await expect(page.get_by_role("button", name="Delete: first")).to_be_focused()
    await page.reload()
    await choose(page, "#earlier")
    await expect(titles).to_have_text(["first"])
    answer_dialogs(page.once, is_accepted=True)
    await page.get_by_role("button", name="Delete: first").click()
    await expect(page.locator("#sheets-dialog")).to_be_hidden()
    await expect(page.locator("#notice")).to_have_text("There are no earlier sheets.")


async def test_copy_of_a_deleted_sheet_does_not_return(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("mine")
    await sheet.page.evaluate(COPY_OF_THE_SHEET, "copied")
    await choose(sheet.page, "#earlier")
    answer_dialogs(sheet.page.once, is_accepted=True)
    await sheet.page.get_by_role("button", name="Delete: copied").click()
    await expect(sheet.page.locator("#sheets-dialog")).to_be_hidden()
    await sheet.page.reload()
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#notice")).to_have_text("There are no earlier sheets.")


async def test_audio_is_deleted_with_its_sheet(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await stop(sheet)
    assert min(await sheet.page.evaluate(STORED_RECORDINGS)) > 0
    await begin_sheets(sheet, "")
    await choose(sheet.page, "#earlier")
    answer_dialogs(sheet.page.once, is_accepted=True)
    await sheet.page.get_by_role("button", name="Delete: One.").click()
    await expect(sheet.page.locator("#sheets-dialog")).to_be_hidden()
    assert await sheet.page.evaluate(STORED_RECORDINGS) == [0, 0, 0]


async def test_audio_with_text_in_another_sheet_stays(sheet: SheetPage) -> None:
    stream = await sheet.record()
    stream.final(0, "One.")
    await sheet.expect_text("One.")
    await begin_sheets(sheet, "")
    stream.final(1, "Two.")
    await sheet.expect_text("Two.")
    await stop(sheet)
    await choose(sheet.page, "#earlier")
    answer_dialogs(sheet.page.once, is_accepted=True)
    await sheet.page.get_by_role("button", name="Delete: One.").click()
    await expect(sheet.page.locator("#sheets-dialog")).to_be_hidden()
    assert min(await sheet.page.evaluate(STORED_RECORDINGS)) > 0


async def test_sheet_that_another_tab_has_opened_meanwhile_is_not_deleted(sheet: SheetPage) -> None:
    await begin_sheets(sheet, "first")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "")  # the other tab takes neither sheet
    await choose(sheet.page, "#earlier")
    other = await sheet.context.new_page()
    await other.goto(sheet.origin)
    await choose(other, "#earlier")
    await other.click("#sheets .sheet-title")
    await expect(other.locator("#sheet")).to_have_text("first")
    answer_dialogs(sheet.page.once, is_accepted=True)
    await sheet.page.get_by_role("button", name="Delete: first").click()
    await expect(sheet.page.locator("#sheets .failure")).to_have_text("This sheet is open in another tab.")
    await other.reload()
    await expect(other.locator("#sheet")).to_have_text("first")


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
async def test_dialog_of_earlier_sheets_is_accessible_and_fits_into_360_pixels(browser: Browser, locale: str) -> None:
    async with sheet_page(browser, width=360, locale=locale) as sheet:
        await begin_sheets(sheet, "word " * 20, "x" * 80)
        await choose(sheet.page, "#earlier")
        await sheet.page.locator("#sheets li").first.wait_for()
        assert await violations(sheet.page) == []
        boxes = await sheet.page.evaluate(
            """() => [...document.querySelectorAll('#sheets-dialog *')].map((each) => each.getBoundingClientRect())
              .filter((box) => box.width > 0).map((box) => box.right)"""
        )
        assert max(boxes) <= 360


# Deletes the audio of sheet "a"; returns the recordings that stay.
DELETE_AUDIO = """async ([sheets, utterances, isOpen]) => {
    const { openJournal } = await import("/assets/recording/journal.js");
    const { deleteAudioOf } = await import("/assets/recording/sheet-audio.js");
    const journal = await openJournal();
    const owners = sheets.map((sheet, first) => ({ sheet, first }));
    await journal.putRecording({ id: "one", sheets: owners });
    await journal.putRecording({ id: "another", sheets: [] });
    if (isOpen) navigator.locks.request("stt-recording:one", () => new Promise(() => {}));
    const row = (id) => {
        const spoken = utterances.filter((each) => each === id).map(() => ({ spoken: { recording: "one" } }));
        return { id, marks: { marks: spoken, lastInserted: [] } };
    };
    await deleteAudioOf(row("a"), [row("b")]);
    return (await journal.recordings()).map(({ id }) => id).includes("one");
}"""


@pytest.mark.parametrize(
    ("owners", "utterances", "is_open", "is_kept"),
    [
        pytest.param([], ["a"], False, False, id="text in the sheet"),
        pytest.param(["a"], [], False, False, id="no text yet"),
        pytest.param(["a", "a deleted one"], ["a"], False, False, id="shared with a deleted sheet"),
        pytest.param(["a", "b"], ["a"], False, True, id="continued in another sheet"),
        pytest.param(["a"], ["a", "b"], False, True, id="text in two sheets"),
        pytest.param(["b"], ["b"], False, True, id="of another sheet"),
        pytest.param(["a"], ["a"], True, True, id="open in a tab"),
        pytest.param([], [], False, True, id="of no sheet"),
    ],
)
async def test_recording_is_deleted_with_the_only_sheet_that_it_belongs_to(
    blank_page: Page, owners: list[str], utterances: list[str], is_open: bool, is_kept: bool
) -> None:
    assert await blank_page.evaluate(DELETE_AUDIO, [owners, utterances, is_open]) == is_kept


async def test_audio_is_not_deleted_while_sheets_that_may_have_its_text_cannot_be_read(blank_page: Page) -> None:
    failure = await blank_page.evaluate(
        """async () => {
            const { Store } = await import("/assets/sheet/store.js");
            const store = await Store.open();
            await store.load();
            IDBObjectStore.prototype.getAll = () => { throw new DOMException("", "UnknownError"); };
            const deleteAudio = () => { throw new Error("The audio is deleted."); };
            const row = { id: "any", savedAt: 0, text: "any", cursor: { line: 0, offset: 0 }, marks: {} };
            localStorage.setItem("stt-sheet-copy:any", JSON.stringify(row));
            return store.delete("any", deleteAudio).catch(({ kind, message }) => kind ?? message);
        }"""
    )
    assert failure == "unread"
