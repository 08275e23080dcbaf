"""The sheet's model without its view: the cases that stt-tui passes, marks of utterances, subtitles, QR codes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.cases import PLACEMENT_CASES

RUN_CASE = Path(__file__).with_name("run_placement_case.js").read_text(encoding="utf-8")


async def test_dictated_text_goes_where_the_cases_say(blank_page: Page) -> None:
    results = {}
    for case in PLACEMENT_CASES:
        results[case.name] = await blank_page.evaluate(
            RUN_CASE, {"start": case.start, "steps": [list(step) for step in case.steps]}
        )
    texts = {case.name: case.text for case in PLACEMENT_CASES}
    assert {name: result["text"] for name, result in results.items()} == texts
    shown = {case.name: case.shown for case in PLACEMENT_CASES if case.shown is not None}
    assert {name: results[name]["shown"] for name in shown} == shown


LINK = "http://localhost:8013/captions/talk#key=0123456789abcdef0123456789abcdef"
# SHA-256 of the modules that the Python package qrcode makes with level L and mask 0, in versions 1, 4, 7, 9 and 10.
QR_CODES = {
    "http://a.b/c#k=1": "4b6f17a92ad71cd7d8d1c21b1bd5ad8995be1283a6a86a4a31576c8bd092c954",
    LINK: "4072b434a2b2fc32a2aee0384a6927adc0df49019f543ddf2b93869d94a534a7",
    "x" * 150: "1b893491bd8934e7e281a7818cb4450f2b9821d9db8aeb32d1d4442b21d32f12",
    f"https://speech.example.org:8013/captions/{'n' * 56}#key={'0123456789abcdef' * 8}": (
        "1181d31240435383c18a6f097391d3427e4c1b295995aba33487de7175693ee7"
    ),
    "x" * 271: "9d68a3af9f84e91d18d9847896b198e4f86cdb0bb4b76e167d2c25cd15677e28",
}


@pytest.mark.parametrize(("text", "expected"), QR_CODES.items(), ids=map(str, map(len, QR_CODES)))
async def test_qr_code_has_the_modules_of_the_standard(blank_page: Page, text: str, expected: str) -> None:
    rows = await blank_page.evaluate(
        """async (text) => {
            const { qrModules } = await import("/assets/ui/qr.js");
            return qrModules(text).map((row) => row.map(Number).join("")).join("\\n");
        }""",
        text,
    )
    assert sha256(rows.encode()).hexdigest() == expected


# Two utterances are in the text "One. Two.", with the second word doubtful; returns the texts of marks and doubts.
MARKS = """async (steps) => {
    const { Document } = await import("/assets/sheet/document.js");
    const { Marks } = await import("/assets/sheet/marks.js");
    const document = new Document();
    const marks = new Marks(document);
    const at = (offset) => ({ line: 0, offset });
    for (const [number, text] of ["One.", " Two."].entries()) {
        const start = document.lines.end;
        document.insert(start, text);
        const end = document.lines.end;
        const spoken = { recording: "a", number, startMs: 1000 * number, endMs: 1000 * number + 900, startedAt: 0 };
        const doubt = { start: at(end.offset - 4), end: at(end.offset - 1), doubt: { confidence: 0.1 } };
        marks.add({ start, end, spoken, doubts: number ? [doubt] : [] });
    }
    const actions = {
        type: (offset, text) => (document.move(at(offset)), document.type(text)),
        delete: (from, to) => document.replace(at(from), at(to), ""),
        select: (from, to) => document.select(at(from), at(to)),
        keys: (text) => [...text].forEach((key) => document.type(key)),
        backspace: (count) => Array.from({ length: count }, () => document.deleteBefore()),
        forward: (count) => Array.from({ length: count }, () => document.deleteAfter()),
        confirm: () => marks.confirm(marks.last, marks.last.doubts[0]),
        undo: () => document.undo(),
        redo: () => document.redo(),
    };
    for (const [action, ...values] of steps) actions[action](...values);
    const between = ({ start, end }) => document.lines.between(start, end);
    return [marks.inOrder().map(between), marks.doubts().map(between), marks.wasInserted("a", 1)];
}"""


@pytest.mark.parametrize(
    ("steps", "marks", "doubts"),
    [
        pytest.param([], ["One.", " Two."], ["Two"], id="untouched"),
        pytest.param([["type", 0, "x "]], ["One.", " Two."], ["Two"], id="typed before"),
        pytest.param([["type", 9, " x"]], ["One.", " Two."], ["Two"], id="typed after"),
        pytest.param([["type", 4, "x"]], ["One.", " Two."], ["Two"], id="typed between"),
        pytest.param([["type", 2, "x"]], ["Onxe.", " Two."], ["Two"], id="typed inside"),
        pytest.param([["type", 6, "x"]], ["One.", " Txwo."], [], id="typed inside a doubtful word"),
        pytest.param([["type", 2, "\n"]], ["On\ne.", " Two."], ["Two"], id="line break"),
        pytest.param([["delete", 2, 6]], ["On", "wo."], [], id="deleted over both"),
        pytest.param([["delete", 0, 4]], [" Two."], ["Two"], id="deleted"),
        pytest.param([["delete", 0, 4], ["undo"]], ["One.", " Two."], ["Two"], id="deletion undone"),
        pytest.param([["delete", 2, 6], ["undo"]], ["One.", " Two."], ["Two"], id="cut undone"),
        pytest.param([["backspace", 5], ["undo"]], ["One.", " Two."], ["Two"], id="Backspaces undone"),
        pytest.param([["backspace", 7], ["undo"]], ["One.", " Two."], ["Two"], id="Backspaces over both undone"),
        pytest.param(
            [["select", 0, 0], ["forward", 6], ["undo"]], ["One.", " Two."], ["Two"], id="Deletes over both undone"
        ),
        pytest.param(
            [["select", 4, 9], ["keys", "xy"], ["undo"]], ["One.", " Two."], ["Two"], id="keys over it undone"
        ),
        pytest.param(
            [["select", 2, 7], ["keys", "xy"], ["undo"]], ["One.", " Two."], ["Two"], id="keys over parts undone"
        ),
        pytest.param([["backspace", 7], ["undo"], ["redo"]], ["On"], [], id="Backspaces redone"),
        pytest.param([["confirm"], ["backspace", 7], ["undo"]], ["One.", " Two."], [], id="word confirmed before"),
        pytest.param([["undo"]], ["One."], [], id="utterance undone"),
        pytest.param([["undo"], ["undo"], ["redo"], ["redo"]], ["One.", " Two."], ["Two"], id="utterances redone"),
    ],
)
async def test_marks_move_with_the_text(
    blank_page: Page, steps: list[list[object]], marks: list[str], doubts: list[str]
) -> None:
    assert await blank_page.evaluate(MARKS, steps) == [marks, doubts, True]


# Makes random edits of a text with utterances. Returns the steps after whose undo or redo the text or the marks are not
# those that were there before the step or after it, and how many steps were compared.
RANDOM_STEPS = """async () => {
    const { Document } = await import("/assets/sheet/document.js");
    const { Marks } = await import("/assets/sheet/marks.js");
    const { compare } = await import("/assets/sheet/lines.js");
    let seed = 1;
    const below = (limit) => (seed = (seed * 16807) % 2147483647) % limit;
    const document = new Document();
    const marks = new Marks(document);
    const state = () => JSON.stringify([document.text(), marks.inOrder()]);
    const anywhere = () => {
        const line = below(document.lines.length);
        return { line, offset: below(document.lines.at(line).length + 1) };
    };
    let number = 0;
    const final = () => {
        const at = anywhere();
        document.insert(at, "one two. ");
        const end = { line: at.line, offset: at.offset + 9 };
        const [start, wordEnd] = [4, 7].map((place) => ({ line: at.line, offset: at.offset + place }));
        const doubt = { start, end: wordEnd, doubt: { number } };
        marks.add({ start: at, end, spoken: { recording: "a", number: number++ }, doubts: [doubt] });
    };
    const noted = (action) => () => ((last = state()), action());
    const times = (count, action) => Array.from({ length: below(count) }, noted(action));
    const actions = [
        noted(final),
        noted(final),
        () => document.move(anywhere()),
        () => document.select(anywhere(), anywhere()),
        () => times(5, () => document.type("ab \\n"[below(4)])),
        () => times(12, () => document.deleteBefore()),
        () => times(12, () => document.deleteAfter()),
        noted(() => document.replace(...[anywhere(), anywhere()].sort(compare), "new")),
    ];
    const before = new Map();
    const after = new Map();
    let last = state();
    let changed;
    document.subscribe((change, { step }, how) => {
        changed = step;
        if (how === "done" && !before.has(step)) before.set(step, last);
    });
    const repeat = (step, known, other) => {
        const from = state();
        if (!step()) return;
        (other.get(changed) ?? other.set(changed, from).get(changed)) === from || wrong.push(["before", number]);
        known.get(changed) === state() || wrong.push(["after", number]);
        compared += 1;
    };
    const wrong = [];
    let compared = 0;
    for (let round = 0; round < 600; round += 1) {
        actions[below(actions.length)]();
        if (below(4)) continue;
        const undone = 1 + below(6);
        for (let each = 0; each < undone; each += 1) repeat(() => document.undo(), before, after);
        const redone = below(undone + 1);
        for (let each = 0; each < redone; each += 1) repeat(() => document.redo(), after, before);
    }
    return [wrong, compared > 500];
}"""


async def test_undo_and_redo_of_any_step_restore_the_marks(blank_page: Page) -> None:
    assert await blank_page.evaluate(RANDOM_STEPS) == [[], True]


# Makes random edits of a line, one to three before each rendering. Returns the steps with another text than expected,
# the character that the last edit inserted, and whether that edit read less than half of the text.
KNOWN_EDITS = """async () => {
    const { renderBlock } = await import("/assets/sheet/blocks.js");
    const block = document.createElement("p");
    let text = "word ".repeat(2000);
    let seed = 1;
    let reads = 0;
    const below = (limit) => (seed = (seed * 16807) % 2147483647) % limit;
    const { get } = Object.getOwnPropertyDescriptor(CharacterData.prototype, "data");
    renderBlock(block, text, []);
    const wrong = [];
    for (let step = 0; step < 300; step += 1) {
        const edits = Array.from({ length: 1 + below(3) }, () => {
            const start = below(text.length + 1);
            const removed = Math.min(below(2500), text.length - start);
            const inserted = "new ".repeat(below(700));
            text = text.slice(0, start) + inserted + text.slice(start + removed);
            return { start, removed, inserted };
        });
        renderBlock(block, text, [], edits);
        if (block.textContent !== text) wrong.push(step);
    }
    text = `${text}${"long ".repeat(20000)}`;
    renderBlock(block, text, []);
    Object.defineProperty(CharacterData.prototype, "data", { get() { reads += this.length; return get.call(this); } });
    const edit = { start: 50000, removed: 0, inserted: "x" };
    renderBlock(block, `${text.slice(0, 50000)}x${text.slice(50000)}`, [], [edit]);
    return [wrong, block.textContent.charAt(50000), reads < text.length / 2];
}"""


async def test_known_edits_change_a_line_without_a_comparison_of_its_text(blank_page: Page) -> None:
    assert await blank_page.evaluate(KNOWN_EDITS) == [[], "x", True]
