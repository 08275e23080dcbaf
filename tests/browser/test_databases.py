"""Databases of the page under a recording and a sheet: closed connections, failed writes, whole transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.sheet_pages import SheetPage, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

# Keeps the connections that the page opens, so that a test can close them, and sees each write.
SPY = """
window.connections = [];
window.puts = [];  // [transaction, store, value]
window.refused = "";  // the store whose writes fail
const open = IDBFactory.prototype.open;
IDBFactory.prototype.open = function (...args) {
  const request = open.apply(this, args);
  request.addEventListener("success", () => connections.push(request.result));
  return request;
};
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value) {
  puts.push([this.transaction, this.name, value]);
  const request = put.call(this, value);
  if (this.name === refused) request.addEventListener("success", () => this.transaction.abort());
  return request;
};
"""
# Ways to lose a connection. An upgrade by another tab that fails leaves the database as it is.
CLOSINGS = {
    "closed by the browser": """(name) => {
      const connection = connections.find((each) => each.name === name);
      connection.close();
      connection.dispatchEvent(new Event("close"));
    }""",
    "lost without an event": "(name) => connections.find((each) => each.name === name).close()",
    "closed for another tab": """(name) => new Promise((resolve) => {
      const request = indexedDB.open(name, 2);
      request.onupgradeneeded = () => request.transaction.abort();
      request.onerror = (event) => (event.preventDefault(), resolve());
    })""",
}
ROWS = """async ([database, store]) => {
  const resultOf = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const connection = await resultOf(indexedDB.open(database));
  const rows = await resultOf(connection.transaction(store).objectStore(store).getAll());
  connection.close();
  return rows.map((row) => ({ ...row, data: row.data?.length }));
}"""
RESULTS = "() => puts.filter(([, store]) => store === 'results').length"
CHUNKS = "() => puts.filter(([, store]) => store === 'chunks').length"


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        await opened.context.add_init_script(SPY)
        await opened.page.reload()
        await opened.page.wait_for_selector("#sheet:focus")
        yield opened


async def rows_of(page: Page, database: str, store: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await page.evaluate(ROWS, [database, store])
    return rows


async def wait_for_chunks(page: Page, number: int) -> None:
    """Wait until the page has written more chunks of audio."""
    before = await page.evaluate(CHUNKS)
    await page.wait_for_function(f"(least) => ({CHUNKS})() >= least", arg=before + number)


async def stop(page: Page) -> None:
    await page.click("#record")
    await page.wait_for_function("() => puts.some(([, , value]) => value.isComplete)")


@pytest.mark.parametrize("closing", CLOSINGS)
async def test_recording_is_stored_after_its_connection_was_lost(sheet: SheetPage, closing: str) -> None:
    stream = await sheet.record()
    await wait_for_chunks(sheet.page, 1)
    await sheet.page.evaluate(CLOSINGS[closing], "stt-recordings")
    stream.final(0, "Spoken.")
    await wait_for_chunks(sheet.page, 10)
    await stop(sheet.page)
    chunks = await rows_of(sheet.page, "stt-recordings", "chunks")
    (result,) = await rows_of(sheet.page, "stt-recordings", "results")
    (recording,) = await rows_of(sheet.page, "stt-recordings", "recordings")
    assert sum(chunk["data"] for chunk in chunks) == stream.audio_bytes > 0
    assert (result["text"], recording["resume"]["nextResult"], recording["isComplete"]) == ("Spoken.", 1, True)
    await expect(sheet.page.locator("#notice")).to_be_empty()


@pytest.mark.parametrize("closing", CLOSINGS)
async def test_stored_audio_is_read_after_the_connection_was_lost(blank_page: Page, closing: str) -> None:
    await blank_page.add_init_script(SPY)
    await blank_page.reload()
    audio = await blank_page.evaluate(
        f"""async () => {{
            const {{ openJournal }} = await import("/assets/recording/journal.js");
            const journal = await openJournal();
            await journal.putChunks("one", [{{ offset: 0, data: new Uint8Array([1, 2, 3]) }}]);
            await ({CLOSINGS[closing]})("stt-recordings");
            const [chunk] = await journal.chunks("one", 0, 3);
            return [...chunk.data];
        }}"""
    )
    assert audio == [1, 2, 3]


@pytest.mark.parametrize("closing", CLOSINGS)
async def test_sheet_is_stored_after_its_connection_was_lost(sheet: SheetPage, closing: str) -> None:
    await sheet.page.keyboard.type("first")
    await sheet.page.wait_for_function("() => puts.some(([, , { text }]) => text === 'first')")
    await sheet.page.evaluate(CLOSINGS[closing], "stt-sheets")
    await sheet.page.keyboard.type(" second")
    await sheet.page.wait_for_function("() => puts.some(([, , { text }]) => text === 'first second')")
    assert [row["text"] for row in await rows_of(sheet.page, "stt-sheets", "sheets")] == ["first second"]
    await sheet.page.wait_for_function(
        "() => !Object.keys(localStorage).some((key) => key.startsWith('stt-sheet-copy'))"
    )


async def test_write_of_a_sheet_that_is_tried_again_does_not_replace_a_later_one(blank_page: Page) -> None:
    await blank_page.add_init_script(SPY)
    await blank_page.reload()
    await blank_page.evaluate(
        """async () => {
            const { Store } = await import("/assets/sheet/store.js");
            const store = await Store.open();
            const { cursor, marks } = await store.load();
            const save = (text) => {
                store.follow(() => ({ text, cursor, marks }));
                store.changed();
                return store.save();
            };
            refused = "sheets";
            const first = save("first");
            while (!puts.length) await null;
            refused = "";
            await Promise.all([first, save("second")]);
        }"""
    )
    assert [row["text"] for row in await rows_of(blank_page, "stt-sheets", "sheets")] == ["second"]


async def test_final_and_the_row_that_counts_it_are_stored_in_one_transaction(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await wait_for_chunks(sheet.page, 10)
    stream.final(0, "Spoken.", committed_ms=100)
    await sheet.page.wait_for_function(RESULTS)
    await stop(sheet.page)
    counted = await sheet.page.evaluate(
        """() => {
            const [transaction] = puts.find(([, store]) => store === "results");
            const rows = puts.filter(([, , value]) => value.resume?.nextResult === 1);
            return rows.map(([each, , value]) => [each === transaction, value.resume.committedMs, value.isComplete]);
        }"""
    )
    assert counted[0] == [True, 100, False]
    assert [each for each in counted if each[1:] == [100, False]] == counted[:1]


async def test_row_that_was_refused_is_stored_with_the_next_audio(blank_page: Page) -> None:
    await blank_page.add_init_script(SPY)
    await blank_page.reload()
    errors, rows = await blank_page.evaluate(
        """async () => {
            const { openJournal } = await import("/assets/recording/journal.js");
            const { Recording } = await import("/assets/recording/recording.js");
            const journal = await openJournal();
            const errors = [];
            const recording = Recording.begin(journal, "one", 16000, {}, (error) => errors.push(error?.name ?? "none"));
            await recording.flush();
            const final = { type: "final", utterance: 0, endMs: 10, committedMs: 0 };
            refused = "recordings";
            recording.tracker.handle(final);
            recording.saveResult(final);
            await recording.flush();
            refused = "";
            recording.tape.append(new Uint8Array(1600));
            await recording.tape.flush();
            while (errors.at(-1) !== "none") await new Promise(requestAnimationFrame);
            const [row, results] = [await journal.recording("one"), await journal.results("one")];
            return [errors, [row.resume.nextResult, results.length]];
        }"""
    )
    assert errors == ["AbortError", "none"]
    assert rows == [1, 1]


async def test_recording_without_storage_is_stored_once_the_browser_permits_it(blank_page: Page) -> None:
    kinds, extents = await blank_page.evaluate(
        """async () => {
            const { AudioStorage } = await import("/assets/recording/audio-storage.js");
            const { Recording } = await import("/assets/recording/recording.js");
            const open = IDBFactory.prototype.open;
            IDBFactory.prototype.open = () => { throw new DOMException("refused", "SecurityError"); };
            const kinds = [];
            const storage = new AudioStorage(({ kind }) => kinds.push(kind));
            await storage.open();
            const recording = Recording.begin(storage.journal, "one", 16000, {}, storage.onWrite);
            recording.tape.append(new Uint8Array(32000));
            await recording.flush();
            IDBFactory.prototype.open = open;
            recording.tape.append(new Uint8Array(32000));
            await recording.flush();
            const row = await storage.journal.recording("one");
            return [kinds, [row.id, await storage.journal.extent("one")]];
        }"""
    )
    assert kinds == ["unavailable", "available"]
    assert extents == ["one", {"start": 0, "end": 64_000}]


async def test_transaction_that_completes_at_its_timeout_is_complete(blank_page: Page) -> None:
    stored = await blank_page.evaluate(
        """async () => {
            const { Database } = await import("/assets/database.js");
            const database = new Database("timed", 1, (opened) => opened.createObjectStore("rows"), 77);
            await database.open();
            const [wait, { transaction }] = [window.setTimeout, IDBDatabase.prototype];
            let timeOut = null;
            window.setTimeout = (call, delayMs) => (delayMs === 77 ? (timeOut = call) : wait(call, delayMs));
            IDBDatabase.prototype.transaction = function (...stores) {
                const made = transaction.call(this, ...stores);
                made.addEventListener("complete", () => timeOut()); // before `oncomplete`
                return made;
            };
            await database.write(["rows"], (rows) => rows.put("row", "key"));
            return database.read(["rows"], (rows) => rows.get("key"));
        }"""
    )
    assert stored == "row"
