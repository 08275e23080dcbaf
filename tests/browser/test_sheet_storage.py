"""Sheets in the browser's storage: earlier sheets, storage that is slow or refused, a page that is not loaded yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.sheet_pages import WAIT_UNTIL_STORED, SheetPage, begin_sheets, choose, downloaded, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

OPEN_TIMEOUT_MS = 3000  # of store.js
REFUSED_STORAGE = """for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("refused", "SecurityError"); } });
}"""
# A tab with the item "held" does not get the database of the sheets before the test calls `openDatabase`. It finds no
# copy of what the database did not have yet, as after a crash.
HELD_DATABASE = """const open = IDBFactory.prototype.open;
if (sessionStorage.getItem("held")) localStorage.clear();
IDBFactory.prototype.open = function (name, version) {
  if (name !== "stt-sheets" || !sessionStorage.getItem("held")) return open.call(this, name, version);
  const held = {};
  window.openDatabase = () => {
    const opening = open.call(this, name, version);
    opening.onsuccess = () => {
      held.result = opening.result;
      held.onsuccess();
    };
  };
  return held;
};"""
# Another page holds a transaction, for which reads and writes of all other pages wait.
BLOCK_DATABASE = """async (name) => {
  while (!(await indexedDB.databases()).some((database) => database.name === name));
  await new Promise((resolve) => {
    const opening = indexedDB.open(name);
    opening.onsuccess = () => {
      const [name, ...others] = opening.result.objectStoreNames;
      const store = opening.result.transaction([name, ...others], "readwrite").objectStore(name);
      const repeat = () => {
        store.count().onsuccess = repeat;
        resolve();
      };
      store.count().onsuccess = repeat;
    };
  });
}"""
# Twenty sheets that are newer than the one of the tab, and one that is older.
ADD_SHEETS = """async () => {
  const resultOf = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await resultOf(indexedDB.open("stt-sheets"));
  const store = database.transaction("sheets", "readwrite").objectStore("sheets");
  const [cursor, marks] = [{ line: 0, offset: 0 }, { marks: [], lastInserted: [] }];
  const times = Array.from({ length: 20 }, (_, number) => Date.now() + number);
  for (const savedAt of times) store.put({ id: `${savedAt}`, savedAt, text: "newer", cursor, marks });
  await resultOf(store.put({ id: "oldest", savedAt: 0, text: "oldest", cursor, marks }));
  database.close();
}"""
WAIT_FOR_DELETION = """async (id) => {
  const resultOf = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await resultOf(indexedDB.open("stt-sheets"));
  while (await resultOf(database.transaction("sheets").objectStore("sheets").count(id)));
}"""

COPIED = """(text) => Object.keys(localStorage)
  .some((key) => key.startsWith("stt-sheet-copy") && JSON.parse(localStorage.getItem(key)).text === text)"""
FILL_LOCAL_STORAGE = """() => {
  for (let size = 2 ** 23; size >= 1; size /= 2) {
    try {
      localStorage.setItem("fill", (localStorage.getItem("fill") ?? "") + "x".repeat(size));
    } catch {}
  }
}"""
STORAGE_FULL = (
    "The storage of this browser is full: the text is lost when you close the page. "
    "Delete earlier sheets in the menu, or download the text."
)
NOT_SAVED = "This text is not saved. Download it first, then delete it here."
# The database has no room for a sheet until `isFull` is false.
REFUSE_ROWS = """() => {
  window.isFull = true;
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (row) {
    if (window.isFull && this.name === "sheets") throw new DOMException("", "QuotaExceededError");
    return put.call(this, row);
  };
}"""
# Neither has localStorage.
REFUSE_COPIES = """() => {
  const { setItem } = Storage.prototype;
  Storage.prototype.setItem = function (key, value) {
    if (window.isFull && key.startsWith("stt-sheet-copy:")) throw new DOMException("", "QuotaExceededError");
    setItem.call(this, key, value);
  };
}"""
CLOCK_SET_BACK = "{ const { now } = Date; Date.now = () => now() - 3_600_000; }"
EARLIER_UNREAD = "The earlier sheets could not be read. Reload the page to try again."
QUOTA_BYTES = 2**30


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        yield opened


async def reload_without_database(sheet: SheetPage, text: str) -> None:
    """Reload the page with a text that the database has; the database does not open in time."""
    await sheet.page.keyboard.type(text)
    await sheet.page.evaluate(WAIT_UNTIL_STORED, text)
    await sheet.page.evaluate("sessionStorage.setItem('held', '1')")
    await sheet.context.add_init_script(HELD_DATABASE)
    await sheet.page.clock.install()
    await sheet.page.reload()
    await sheet.page.clock.fast_forward(OPEN_TIMEOUT_MS)
    await expect(sheet.page.locator("#banner")).to_contain_text("could not be read")


async def block_database(sheet: SheetPage, name: str) -> Page:
    """Return a page that blocks a database until it is closed."""
    blocking = await sheet.context.new_page()
    await blocking.goto(f"{sheet.origin}/manifest.webmanifest")
    await blocking.evaluate(BLOCK_DATABASE, name)
    return blocking


async def test_page_opens_an_empty_sheet_if_the_database_does_not_respond(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("stored")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "stored")
    blocking = await block_database(sheet, "stt-sheets")
    await sheet.page.reload()
    await expect(sheet.page.locator("#banner")).to_contain_text("could not be read", timeout=10_000)
    await sheet.expect_text("")
    await blocking.close()
    await sheet.page.reload()
    await sheet.expect_text("stored")


async def test_new_sheet_does_not_wait_for_a_database_that_does_not_respond(sheet: SheetPage) -> None:
    blocking = await block_database(sheet, "stt-sheets")
    await sheet.page.keyboard.type("first")
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#sheet")).to_have_text("", timeout=15_000)
    await sheet.page.keyboard.type("second")
    await blocking.close()
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#sheets span")).to_have_text(["first"])


async def test_recording_does_not_wait_for_a_database_that_does_not_respond(sheet: SheetPage) -> None:
    blocking = await block_database(sheet, "stt-recordings")
    await sheet.page.reload()
    await sheet.page.click("#record")
    await expect(sheet.page.locator("#state")).to_have_text("Recording", timeout=15_000)
    stream = sheet.stream
    await stream.started()
    stream.final(0, "Spoken.")
    await sheet.expect_text("Spoken.")
    await blocking.close()


async def test_earlier_sheets_are_shown_without_the_server(sheet: SheetPage) -> None:
    await begin_sheets(sheet, "first")
    await sheet.context.route("**/*.js", lambda route: route.abort())
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#sheets span")).to_have_text(["first"])


async def test_new_sheet_keeps_the_one_before_which_can_be_opened_again(sheet: SheetPage) -> None:
    await begin_sheets(sheet, "first")
    await sheet.page.keyboard.type("second")
    await sheet.page.reload()
    await sheet.expect_text("second")
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#sheets span")).to_have_text(["first"])
    await sheet.page.click("#sheets button")
    await sheet.expect_text("first")
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#sheets span")).to_have_text(["second"])


async def test_new_tab_opens_the_last_sheet_or_an_empty_one_if_another_tab_has_that_sheet(sheet: SheetPage) -> None:
    await begin_sheets(sheet, "first")
    await sheet.page.keyboard.type("last")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "last")
    other = await sheet.context.new_page()
    await other.goto(sheet.origin)
    await other.wait_for_selector("#sheet:focus", state="attached")
    await expect(other.locator("#sheet")).to_have_text("")
    await other.close()
    await sheet.page.close()
    reopened = await sheet.context.new_page()
    await reopened.goto(sheet.origin)
    await expect(reopened.locator("#sheet")).to_have_text("last")


async def test_sheet_of_another_tab_is_not_among_the_earlier_ones(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("first")
    other = await sheet.context.new_page()
    await other.goto(sheet.origin)
    await choose(other, "#earlier")
    await expect(other.locator("#notice")).to_have_text("There are no earlier sheets.")


async def test_oldest_sheet_is_deleted_unless_a_tab_has_it_open(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("mine")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "mine")
    await sheet.page.evaluate(ADD_SHEETS)
    other = await sheet.context.new_page()
    await other.goto(sheet.origin)
    await other.evaluate(WAIT_FOR_DELETION, "oldest")
    await sheet.page.reload()
    await sheet.expect_text("mine")


async def test_sheet_is_kept_when_the_database_opens_too_late_to_read_it(sheet: SheetPage) -> None:
    await reload_without_database(sheet, "first")
    await sheet.page.keyboard.type("second")
    await sheet.page.clock.resume()
    await sheet.page.evaluate("openDatabase()")
    await sheet.page.evaluate("sessionStorage.removeItem('held')")
    await sheet.page.reload()
    await sheet.expect_text("second")
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#sheets span")).to_have_text(["first"])


async def test_earlier_sheets_that_cannot_be_read_are_not_reported_as_none(sheet: SheetPage) -> None:
    await reload_without_database(sheet, "first")
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#notice")).to_have_text(EARLIER_UNREAD)


async def test_unread_sheet_returns_with_a_reload_if_nothing_was_changed(sheet: SheetPage) -> None:
    await reload_without_database(sheet, "first")
    await sheet.page.clock.resume()
    await sheet.page.evaluate("sessionStorage.removeItem('held')")
    await sheet.page.reload()
    await expect(sheet.text).to_have_text("first")


async def test_page_works_where_the_browser_refuses_storage(sheet: SheetPage) -> None:
    await sheet.context.add_init_script(REFUSED_STORAGE)
    await sheet.page.reload()
    await sheet.page.wait_for_selector("#sheet:focus")
    await sheet.page.keyboard.type("typed")
    stream = await sheet.record()
    stream.final(0, "Spoken.")
    await sheet.expect_text("typed Spoken.")
    await expect(sheet.page.locator("#banner")).to_contain_text("keeps no data")


async def fill_database(sheet: SheetPage) -> None:
    """Let the browser refuse each further row of the databases, as a full disk does."""
    await set_quota(sheet, 1)


async def set_quota(sheet: SheetPage, size_bytes: int) -> None:
    cdp = await sheet.context.new_cdp_session(sheet.page)
    await cdp.send("Storage.overrideQuotaForOrigin", {"origin": sheet.origin, "quotaSize": size_bytes})


async def test_text_survives_when_the_database_is_full(sheet: SheetPage) -> None:
    await fill_database(sheet)
    await sheet.page.keyboard.type("typed")
    stream = await sheet.record()
    stream.final(0, "Spoken.")
    await sheet.expect_text("typed Spoken.")
    await sheet.page.wait_for_function(COPIED, arg="typed Spoken.")
    await expect(sheet.page.locator("#banner")).to_be_hidden()
    await sheet.page.reload()
    await sheet.expect_text("typed Spoken.")
    await sheet.page.close()
    reopened = await sheet.context.new_page()
    await reopened.goto(sheet.origin)
    await expect(reopened.locator("#sheet")).to_have_text("typed Spoken.")
    assert await downloaded(reopened, "srt")  # with the places of utterances


async def test_text_that_no_storage_takes_is_reported_until_it_is_stored(sheet: SheetPage) -> None:
    banner = sheet.page.locator("#banner")
    await fill_database(sheet)
    await sheet.page.evaluate(FILL_LOCAL_STORAGE)
    await sheet.page.keyboard.type("typed")
    await expect(banner).to_have_text(STORAGE_FULL)
    async with sheet.page.expect_event("dialog") as asked:
        await sheet.page.close(run_before_unload=True)
    dialog = await asked.value
    assert dialog.type == "beforeunload"
    await dialog.dismiss()
    await sheet.page.keyboard.type(" more")
    await set_quota(sheet, QUOTA_BYTES)
    await sheet.page.keyboard.type(" text")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "typed more text")
    await expect(banner).to_be_hidden()
    await sheet.page.reload()
    await sheet.expect_text("typed more text")


async def test_page_takes_neither_text_nor_clicks_before_it_is_ready(sheet: SheetPage) -> None:
    page = await sheet.context.new_page()
    is_loading = asyncio.Event()
    is_released = asyncio.Event()

    async def hold(route: Route) -> None:
        is_loading.set()
        await is_released.wait()
        await route.continue_()

    await page.route("**/assets/app.js", hold)
    await page.goto(sheet.origin, wait_until="commit")
    await is_loading.wait()
    await page.locator("#sheet").wait_for()
    box = await page.locator("#sheet").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + 40, box["y"] + 40)
    await page.keyboard.type("lost")
    assert await page.text_content("#sheet") == ""
    is_released.set()
    await page.wait_for_selector("#sheet:focus")
    await page.keyboard.type("kept")
    await expect(page.locator("#sheet")).to_have_text("kept")
    await expect(page.locator("[inert]")).to_have_count(0)


async def refuse_text(sheet: SheetPage, text: str) -> None:
    """Type a text that neither the database nor localStorage takes."""
    await sheet.page.evaluate(REFUSE_ROWS)
    await sheet.page.evaluate(REFUSE_COPIES)
    await sheet.page.keyboard.type(text)
    await expect(sheet.page.locator("#banner")).to_have_text(STORAGE_FULL)


async def test_new_sheet_does_not_replace_text_that_is_not_saved(sheet: SheetPage) -> None:
    await refuse_text(sheet, "typed")
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#notice")).to_have_text(NOT_SAVED)
    await expect(sheet.page.locator("#banner")).to_have_text(STORAGE_FULL)
    await sheet.page.evaluate("window.isFull = false")
    await sheet.page.keyboard.type(" text")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "typed text")
    await choose(sheet.page, "#clear")
    await sheet.expect_text("")
    await sheet.page.reload()
    await choose(sheet.page, "#earlier")
    await expect(sheet.page.locator("#sheets span")).to_have_text(["typed text"])


async def test_earlier_sheet_does_not_replace_text_that_is_not_saved(sheet: SheetPage) -> None:
    await begin_sheets(sheet, "first")
    await refuse_text(sheet, "typed")
    await choose(sheet.page, "#earlier")
    await sheet.page.click("#sheets .sheet-title")
    await expect(sheet.page.locator("#sheets .failure")).to_have_text(NOT_SAVED)
    await sheet.expect_text("typed")
    await sheet.press("Escape", "Control+a", "Delete")
    await choose(sheet.page, "#earlier")
    await sheet.page.click("#sheets .sheet-title")
    await sheet.expect_text("first")


async def test_clock_that_is_set_back_does_not_bring_older_text_back(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("older")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "older")
    await sheet.page.evaluate(CLOCK_SET_BACK)
    await sheet.page.evaluate(REFUSE_ROWS)
    await sheet.page.keyboard.type(" and newer")
    await sheet.page.wait_for_function(COPIED, arg="older and newer")
    await sheet.page.reload()
    await sheet.expect_text("older and newer")
