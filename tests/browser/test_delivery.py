"""The rule by which each final is inserted into one sheet, once: random sequences with the browser's database."""

from __future__ import annotations

from random import Random

import pytest
from playwright.async_api import Page

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SEQUENCES = 40
STEPS = 40
TABS, SHEETS = 2, ["a", "b", "c"]

# Runs the steps of a sequence in tabs, each with a sheet: its text, what the marks remember, and a stored copy of both.
# A final is a word. Returns the words that their sheet does not have once, or that another one has, and those that the
# user has deleted and that returned.
RUN = """async (steps) => {
    const { openJournal } = await import("/assets/recording/journal.js");
    const { Recording } = await import("/assets/recording/recording.js");
    const { missingFinals } = await import("/assets/recording/delivery.js");
    const { Document } = await import("/assets/sheet/document.js");
    const { Marks } = await import("/assets/sheet/marks.js");
    const journal = await openJournal();
    for (const { id } of await journal.recordings()) await journal.deleteRecording(id);
    const stored = {}; // by sheet: text and marks
    const owners = {}; // by word
    const deleted = new Set(); // words in sheets that are stored without them
    const tabs = [];
    let words = 0;

    const insert = (tab, recording, number, text) => {
        if (tab.marks.wasInserted(recording, number)) return;
        const start = tab.document.lines.end;
        tab.document.insert(start, `${text} `);
        const spoken = { recording, number, startMs: 0, endMs: 1, startedAt: 0 };
        tab.marks.add({ start, end: tab.document.lines.end, spoken, doubts: [] });
    };
    const store = (tab) => {
        stored[tab.sheet] = structuredClone({ text: tab.document.text(), marks: tab.marks.toJSON() });
        for (const word of tab.deleted) deleted.add(word);
    };
    const open = async (sheet) => {
        const saved = structuredClone(stored[sheet] ?? { text: "", marks: { marks: [], lastInserted: [] } });
        const document = new Document(saved.text);
        const marks = new Marks(document);
        marks.restore(saved.marks);
        const tab = { sheet, document, marks, recording: null, deleted: [] };
        const wasInserted = (recording, number) => marks.wasInserted(recording, number);
        const { missing, recordings } = await missingFinals(journal, sheet, wasInserted);
        marks.keepRecordings(recordings);
        for (const { recording, final } of missing) insert(tab, recording, final.utterance, final.text);
        return tab;
    };
    const isOpen = (sheet) => tabs.some((tab) => tab?.sheet === sheet);
    const settled = () => journal.recordings(); // after the writes before it
    const actions = {
        open: async (number, sheet) => {
            if (isOpen(sheet)) return;
            if (tabs[number]) store(tabs[number]);
            tabs[number] = await open(sheet);
        },
        crash: async (number) => {
            await settled();
            if (tabs[number]) tabs[number] = await open(tabs[number].sheet);
        },
        record: async (number, _, id) => {
            const tab = tabs[number];
            if (!tab) return;
            if (tabs.some((each) => each?.recording?.id === id)) return;
            await settled();
            const row = await journal.recording(id);
            tab.recording = row
                ? await Recording.reopen(journal, row, () => {})
                : Recording.begin(journal, id, 16000, {}, () => {});
            tab.recording.deliverTo(tab.sheet);
        },
        final: async (number) => {
            const { recording, ...tab } = tabs[number] ?? {};
            if (!recording) return;
            const utterance = recording.tracker.toJSON().nextResult;
            const text = `w${(words += 1)}`;
            owners[text] = tab.sheet;
            const event = { type: "final", utterance, text, startMs: 0, endMs: 1, committedMs: 0, endpoint: "" };
            recording.tracker.handle(event);
            recording.saveResult(event);
            insert(tabs[number], recording.id, utterance, text);
        },
        suppress: async (number) => {
            const recording = tabs[number]?.recording;
            if (!recording) return;
            const utterance = recording.tracker.toJSON().nextResult;
            const event = { type: "suppressed", utterance, startMs: 0, endMs: 1, committedMs: 0, endpoint: "" };
            recording.tracker.handle(event);
            recording.saveResult(event);
        },
        complete: async (number) => {
            tabs[number]?.recording?.save({ isComplete: true });
            if (tabs[number]) tabs[number].recording = null;
        },
        begin: async (number, sheet) => { // "New empty sheet"
            const tab = tabs[number];
            if (!tab || isOpen(sheet) || stored[sheet]) return;
            store(tab);
            Object.assign(tab, { sheet, deleted: [] });
            tab.document.replace({ line: 0, offset: 0 }, tab.document.lines.end, "");
            tab.recording?.deliverTo(sheet);
        },
        store: async (number) => tabs[number] && store(tabs[number]),
        delete: async (number) => {
            const tab = tabs[number];
            if (!tab) return;
            tab.deleted.push(...tab.document.text().split(" ").filter(Boolean));
            tab.document.replace({ line: 0, offset: 0 }, tab.document.lines.end, "");
        },
    };
    for (const [action, ...values] of steps) await actions[action](...values);
    await settled();
    for (const tab of tabs) if (tab) store(tab);
    const texts = {};
    for (const sheet of new Set(Object.values(owners))) texts[sheet] = (await open(sheet)).document.text().split(" ");
    const placesOf = (word) =>
        Object.entries(texts).flatMap(([sheet, found]) => found.filter((each) => each === word).map(() => sheet));
    return Object.entries(owners).filter(([word, owner]) => {
        return deleted.has(word) ? placesOf(word).length : String(placesOf(word)) !== owner;
    });
}"""


def random_steps(random: Random) -> list[list[object]]:
    """Return steps with a tab, a sheet and a recording each; finals are the most frequent ones."""
    actions = ["open", "crash", "record", "suppress", "complete", "begin", "store", "delete", *["final"] * 8]
    begin: list[list[object]] = [["open", 0, "a", "0"], ["open", 1, "b", "1"], ["record", 0, "a", "0"]]
    return begin + [
        [random.choice(actions), random.randrange(TABS), random.choice(SHEETS), str(random.randrange(4))]
        for _ in range(STEPS)
    ]


async def test_each_final_is_once_in_the_sheet_that_owns_it(blank_page: Page) -> None:
    random = Random(18)
    wrong = {}
    for number in range(SEQUENCES):
        steps = random_steps(random)
        if found := await blank_page.evaluate(RUN, steps):
            wrong[number] = found
    assert wrong == {}
