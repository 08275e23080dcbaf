"""The sheet as text and subtitles: which text belongs to which utterance, and the times of cues."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, Download, Page, expect

from tests.browser.sheet_pages import SheetPage, downloaded, sheet_page

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

FIRST_SYLLABLE = 0xAC00  # Hangul: letters without capitals, with spaces between words; each is used once

# Runs steps on a document with dictated text and its marks. Returns the text, the marks as [start, end, order] in
# offsets of the text, and the cues.
RUN_STEPS = """async (steps) => {
    const { Document } = await import("/assets/sheet/document.js");
    const { DictatedText } = await import("/assets/sheet/dictated-text.js");
    const { Marks } = await import("/assets/sheet/marks.js");
    const { endOf, START } = await import("/assets/sheet/lines.js");
    const { cues } = await import("/assets/sheet/exports.js");
    const document = new Document();
    const dictated = new DictatedText(document);
    const marks = new Marks(document);
    const at = (offset) => endOf(START, document.text().slice(0, offset % (document.text().length + 1)));
    const offsetOf = (position) => document.lines.between(START, position).length;
    let number = 0;
    const actions = {
        move: (offset) => document.move(at(offset)),
        type: (text) => document.type(text),
        paste: (text) => document.paste(text),
        erase: () => document.deleteBefore(),
        replace: (from, to, text) => {
            const [start, end] = [at(from), at(to)].sort((one, other) => offsetOf(one) - offsetOf(other));
            document.replace(start, end, text);
        },
        undo: () => document.undo(),
        redo: () => document.redo(),
        say: (text, startMs = 1000 * number, endMs = startMs + 900) => {
            const utterance = { dictation: 0, number };
            dictated.begin(utterance);
            const { at: start, text: spaced } = dictated.insertFinal(utterance, text);
            const spoken = { recording: "a", number, startMs, endMs, startedAt: 0 };
            if (spaced) marks.add({ start, end: endOf(start, spaced), spoken, doubts: [] });
            number += 1;
        },
    };
    for (const [action, ...values] of steps) actions[action](...values);
    const ranges = marks.inOrder().map(({ start, end, order }) => [offsetOf(start), offsetOf(end), order]);
    return { text: document.text(), ranges, cues: cues({ document, marks }) };
}"""

Step = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue of the subtitles."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Exported:
    """A text, the offsets and the order of its marks, and the cues."""

    text: str
    ranges: list[tuple[int, int, int]]
    cues: list[Cue]

    def texts_by_utterance(self) -> list[str]:
        """Return the text of each utterance without spaces, character by character."""
        texts: dict[int, str] = {}
        before: int | None = None
        for offset, character in enumerate(self.text):
            before = self._utterance_at(offset) or (before if character != "\n" else None)
            if before is not None and not character.isspace():
                texts[before] = texts.get(before, "") + character
        return sorted(texts.values())

    def _utterance_at(self, offset: int) -> int | None:
        """Return the utterance that was inserted last of those with the character."""
        return max((order for start, end, order in self.ranges if start <= offset < end), default=None)


async def exported(page: Page, steps: list[Step]) -> Exported:
    """Run the steps."""
    result = await page.evaluate(RUN_STEPS, [list(step) for step in steps])
    cues = [Cue(cue["startMs"], cue["endMs"], cue["text"]) for cue in result["cues"]]
    return Exported(result["text"], [(start, end, order) for start, end, order in result["ranges"]], cues)


@pytest.mark.parametrize(
    ("steps", "texts"),
    [
        pytest.param([("say", "One."), ("say", "Two.")], ["One.", "Two."], id="one after another"),
        pytest.param(
            [("say", "We went home."), ("move", 7), ("say", "slowly")], ["We went home.", "slowly"], id="inside another"
        ),
        pytest.param(
            [("say", "We went home."), ("move", 7), ("say", "slowly but surely"), ("move", 14), ("say", "very")],
            ["We went home.", "slowly but surely", "very"],
            id="nested twice",
        ),
        pytest.param(
            [("say", "One two."), ("move", 3), ("type", "\n"), ("say", "A."), ("say", "B."), ("say", "C.")],
            ["One two.", "A.", "B.", "C."],
            id="after a line break inside another",
        ),
        pytest.param(
            [("say", "We went home."), ("move", 7), ("say", "far"), ("replace", 11, 12, "")],
            ["We went home.", "far"],
            id="space after the inner one deleted",
        ),
        pytest.param(
            [("say", "我回家。"), ("move", 1), ("say", "慢慢")], ["我回家。", "慢慢"], id="script without spaces"
        ),
        pytest.param(
            [("say", "One."), ("type", " x"), ("say", "Two."), ("type", " y\nz")],
            ["One. x", "Two. y"],
            id="typed after",
        ),
        pytest.param(
            [("say", "We went home."), ("move", 7), ("say", "far"), ("type", "ther")],
            ["We went ther home.", "far"],
            id="typed after an inner one",
        ),
        pytest.param([("type", "x "), ("say", "One.")], ["One."], id="typed before"),
        pytest.param([("type", "x")], [], id="typed only"),
    ],
)
async def test_cue_has_the_text_of_its_utterance_only(blank_page: Page, steps: list[Step], texts: list[str]) -> None:
    result = await exported(blank_page, steps)
    assert [cue.text for cue in result.cues] == texts


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(0, 500), (600, 900)], [(0, 500), (600, 900)], id="apart"),
        pytest.param([(600, 900), (0, 500)], [(0, 500), (600, 900)], id="in another order in the text"),
        pytest.param([(0, 700), (600, 900)], [(0, 600), (600, 900)], id="overlapping"),
        pytest.param([(0, 500), (0, 900)], [(0, 1), (1, 900)], id="same start"),
        pytest.param([(0, 5), (0, 5), (0, 5), (1, 5)], [(0, 1), (1, 2), (2, 3), (3, 5)], id="many starts"),
        pytest.param([(0, 0)], [(0, 1)], id="no duration"),
    ],
)
async def test_cues_are_in_the_order_of_time_without_overlap(
    blank_page: Page, spans: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    result = await exported(blank_page, [("say", "x", start, end) for start, end in spans])
    assert [(cue.start_ms, cue.end_ms) for cue in result.cues] == expected


@dataclass(frozen=True, slots=True)
class Shape:
    """A step whose text has `lengths` words of new letters."""

    action: str
    places: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    times: tuple[int, ...] = ()


PLACES = st.integers(0, 200)
LENGTHS = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)
TIMES = st.tuples(st.integers(0, 20), st.integers(0, 20))
SHAPES = st.one_of(
    st.builds(Shape, st.just("say"), lengths=LENGTHS, times=TIMES),
    st.builds(Shape, st.just("say"), lengths=LENGTHS, times=TIMES),
    st.builds(Shape, st.just("move"), st.tuples(PLACES)),
    st.builds(Shape, st.just("type"), lengths=LENGTHS),
    st.builds(Shape, st.just("replace"), st.tuples(PLACES, PLACES), st.one_of(st.just(()), LENGTHS)),
    st.builds(Shape, st.sampled_from(["undo", "redo", "erase"])),
    st.just(Shape("break")),
)


def steps_of(shapes: list[Shape]) -> list[Step]:
    """Return steps in which each letter is another one."""
    letters = map(chr, range(FIRST_SYLLABLE, FIRST_SYLLABLE + 10_000))
    steps: list[Step] = []
    for shape in shapes:
        text = " ".join("".join(next(letters) for _ in range(length)) for length in shape.lengths)
        match shape.action:
            case "break":
                steps.append(("type", "\n"))
            case "say":
                steps.append(("say", text, *sorted(shape.times)))
            case "type" | "replace":
                steps.append((shape.action, *shape.places, text))
            case _:
                steps.append((shape.action, *shape.places))
    return steps


@given(shapes=st.lists(SHAPES, max_size=25))
@settings(
    derandomize=True, max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_each_character_of_an_utterance_is_in_exactly_one_cue(blank_page: Page, shapes: list[Shape]) -> None:
    result = await exported(blank_page, steps_of(shapes))
    assert sorted("".join(cue.text.split()) for cue in result.cues) == result.texts_by_utterance()
    for cue, following in zip(result.cues, result.cues[1:], strict=False):
        assert cue.start_ms < cue.end_ms <= following.start_ms


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        yield opened


async def test_subtitles_of_a_sentence_dictated_inside_another_have_each_word_once(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.final(0, "We went home.")
    await sheet.expect_text("We went home.")
    await sheet.move(0, 7)
    stream.begin(1)
    stream.final(1, "slowly")
    await sheet.expect_text("We went slowly home.")
    first, second = "00:00:00,000 --> 00:00:00,900", "00:00:01,000 --> 00:00:01,900"
    assert await downloaded(sheet.page, "srt") == f"1\n{first}\nWe went home.\n\n2\n{second}\nslowly\n".encode()


@pytest.mark.parametrize("text", ["", " \n"])
@pytest.mark.parametrize("file_format", ["txt", "srt", "vtt"])
async def test_empty_sheet_is_not_downloaded_but_explained(sheet: SheetPage, text: str, file_format: str) -> None:
    downloads: list[Download] = []
    sheet.page.on("download", lambda download: downloads.append(download))
    await sheet.page.keyboard.type(text)
    await sheet.page.click("#more")
    await sheet.page.click(f"[data-download={file_format}]")
    await expect(sheet.page.locator("#notice")).to_have_text("There is no text yet.")
    await sheet.text.focus()
    await sheet.page.keyboard.type("x")
    assert await downloaded(sheet.page, "txt") == f"{text}x".encode()
    assert len(downloads) == 1  # there was none before this one


@pytest.mark.parametrize("file_format", ["srt", "vtt"])
async def test_subtitles_of_typed_text_are_explained(sheet: SheetPage, file_format: str) -> None:
    await sheet.page.keyboard.type("typed")
    await sheet.page.click("#more")
    await sheet.page.click(f"[data-download={file_format}]")
    await expect(sheet.page.locator("#notice")).to_have_text(
        "There are no subtitles yet. They contain dictated text only."
    )
