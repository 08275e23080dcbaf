"""Input methods: where composed text is placed, and dictated text that arrives during a composition."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, CDPSession, expect

from tests.browser.sheet_pages import WAIT_UNTIL_STORED, SheetPage, sheet_page

ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
)
COMPOSITION_PAUSE_MS = 3000  # of sheet/composition.js
LETTERS = {"ki": "\u0915\u093f", "ka": "\u0915", "woman": "\U0001f469", "man": "\U0001f468", "joiner": "\u200d"}
COUPLE = LETTERS["man"] + LETTERS["joiner"] + LETTERS["woman"]
ACCENT = "\u0301"


class InputMethod:
    """An input method of the operating system, by the browser's protocol."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    @classmethod
    async def of(cls, sheet: SheetPage) -> InputMethod:
        return cls(await sheet.context.new_cdp_session(sheet.page))

    async def compose(self, text: str, caret: int | None = None, over: tuple[int, int] | None = None) -> None:
        """Set the composed text. With `over`, it replaces text that is in the sheet: start and end in code units."""
        at = _code_units(text) if caret is None else caret
        replaced = {} if over is None else {"replacementStart": over[0], "replacementEnd": over[1]}
        await self._session.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": at, "selectionEnd": at, **replaced}
        )

    async def commit(self, text: str) -> None:
        await self._session.send("Input.insertText", {"text": text})


def _code_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        yield opened


@pytest_asyncio.fixture
async def phone(browser: Browser) -> AsyncIterator[SheetPage]:
    """Return a page in a browser of Android, with a clock that the test moves."""
    async with sheet_page(browser, permissions=["microphone"], user_agent=ANDROID) as opened:
        yield opened


async def stop_clock(sheet: SheetPage) -> None:
    """Let time pass only by `run_for`."""
    await sheet.page.clock.install(time=0)
    await sheet.page.clock.pause_at(3600)


@pytest.mark.parametrize(
    ("text", "at", "composed", "expected"),
    [
        pytest.param("hello", 2, ["l"], "hel!llo", id="repeated letter"),
        pytest.param("aaaa", 1, ["aa"], "aaa!aaa", id="letters that are all the same"),
        pytest.param("the end", 0, ["t", "the"], "the!the end", id="word that is repeated after it"),
        pytest.param("the ", 4, ["the "], "the the !", id="word that is repeated before it"),
        pytest.param("\U0001f600", 0, ["\U0001f601"], "\U0001f601!\U0001f600", id="emoji with the same first unit"),
        pytest.param("\U0001f600", 2, ["\U0001f601"], "\U0001f600\U0001f601!", id="emoji after another one"),
        pytest.param("cafe", 4, [ACCENT], f"cafe{ACCENT}!", id="combining mark"),
        pytest.param("", 0, ["e", f"e{ACCENT}"], f"e{ACCENT}!", id="letter with a combining mark"),
        pytest.param(LETTERS["man"], 2, [COUPLE], f"{LETTERS['man']}{COUPLE}!", id="emoji of several code points"),
        pytest.param("a\nb", 1, ["\u65e5\u672c"], "a\u65e5\u672c!\nb", id="end of the first line"),
    ],
)
async def test_composed_text_is_inserted_at_the_caret(
    sheet: SheetPage, text: str, at: int, composed: list[str], expected: str
) -> None:
    await sheet.page.keyboard.insert_text(text)
    if text:
        await sheet.move(0, at)
    keyboard = await InputMethod.of(sheet)
    for each in composed:
        await keyboard.compose(each)
    await keyboard.commit(composed[-1])
    await sheet.page.keyboard.type("!")
    await sheet.expect_text(expected)
    await sheet.press("Control+z", "Control+z")
    await sheet.expect_text(text)


@pytest.mark.parametrize(
    ("text", "over", "composed", "expected"),
    [
        pytest.param("\U0001f600", (0, 2), "\U0001f601", "\U0001f601!", id="emoji with the same first unit"),
        pytest.param("x\U0001f600y", (1, 3), "\U0001f601", "x\U0001f601!y", id="emoji between letters"),
        pytest.param(LETTERS["ki"], (0, 2), LETTERS["ka"], f"{LETTERS['ka']}!", id="vowel sign removed"),
        pytest.param(f"e{ACCENT}x", (0, 2), "e", "e!x", id="combining mark removed"),
        pytest.param(COUPLE, (0, 5), LETTERS["man"], f"{LETTERS['man']}!", id="part of an emoji removed"),
        pytest.param(COUPLE, (0, 5), LETTERS["woman"], f"{LETTERS['woman']}!", id="first part of an emoji removed"),
        pytest.param("hello", (2, 4), "l", "hel!o", id="one of two equal letters removed"),
        pytest.param("helo", (2, 3), "ll", "hell!o", id="letter doubled"),
        pytest.param("one two", (0, 3), "ones", "ones! two", id="word corrected"),
    ],
)
async def test_composed_text_replaces_text_of_the_sheet(
    sheet: SheetPage, text: str, over: tuple[int, int], composed: str, expected: str
) -> None:
    await sheet.page.keyboard.insert_text(text)
    await sheet.move(0, over[1])
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose(composed, over=over)
    await keyboard.commit(composed)
    await sheet.page.keyboard.type("!")
    await sheet.expect_text(expected)
    await sheet.press("Control+z", "Control+z")
    await sheet.expect_text(text)


async def test_caret_stays_where_the_input_method_leaves_it(sheet: SheetPage) -> None:
    await sheet.page.keyboard.insert_text("aa")
    await sheet.move(0, 1)
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose("bab", caret=1)
    await sheet.page.evaluate("document.querySelector('#sheet').dispatchEvent(new CompositionEvent('compositionend'))")
    await sheet.page.keyboard.type("!")
    await sheet.expect_text("ab!aba")


async def test_utterance_that_began_before_the_composed_text_is_inserted_before_it(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.insert_text("a the end")
    await sheet.move(0, 2)
    stream.partial(0, "said")
    await expect(sheet.text.locator(".partial")).to_have_text("said ")
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose("the ")
    stream.final(0, "said.")
    await keyboard.commit("the ")
    await sheet.expect_text("a said. the the end")


async def test_input_method_composes_while_a_final_arrives(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.type("a ")
    stream.begin(0)
    stream.partial(0, "said")
    await expect(sheet.text.locator(".partial")).to_have_text("said")
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose("にほ")
    stream.final(0, "said.")
    await keyboard.compose("日本")
    await keyboard.commit("日本")
    await sheet.expect_text("a said. 日本")
    await sheet.page.keyboard.type("!")
    await sheet.expect_text("a said. 日本!")
    await sheet.press("Control+z", "Control+z")
    await sheet.expect_text("a 日本")


async def test_composed_text_is_inserted_once_after_a_pause_with_dictated_text(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.begin(0)
    stream.partial(0, "said")
    await expect(sheet.text.locator(".partial")).to_have_text("Said")
    await sheet.page.clock.install()
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose("日本")
    stream.final(0, "Said.")
    stream.notice("received")
    await expect(sheet.page.locator("#notice")).to_have_text("received")
    await sheet.page.clock.fast_forward(60_000)
    await keyboard.commit("日本")
    await expect(sheet.text).to_have_text("Said. 日本")


async def test_composition_replaces_a_selection_over_lines(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one\ntwo")
    await sheet.press("Shift+Control+Home")
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose("に")
    await keyboard.commit("二")
    await sheet.expect_text("二")
    await sheet.press("Control+z")
    await sheet.expect_text("one\ntwo")


async def test_dictated_text_appears_at_once_when_a_keyboard_of_android_has_paused(phone: SheetPage) -> None:
    stream = await phone.record()
    await phone.text.focus()
    await stop_clock(phone)
    keyboard = await InputMethod.of(phone)
    await keyboard.compose("nice")
    await phone.page.clock.run_for(COMPOSITION_PAUSE_MS + 1)
    stream.partial(0, "spoken so")
    await expect(phone.text.locator(".partial")).to_have_text(" spoken so")
    stream.final(0, "Spoken so far.")
    await phone.expect_text("nice Spoken so far.")


async def test_dictated_text_waits_for_the_pause_of_a_keyboard_of_android(phone: SheetPage) -> None:
    stream = await phone.record()
    await phone.text.focus()
    await stop_clock(phone)
    keyboard = await InputMethod.of(phone)
    await keyboard.compose("ni")
    await phone.page.clock.run_for(COMPOSITION_PAUSE_MS - 1000)
    stream.final(0, "Said.")
    stream.notice("received")
    await expect(phone.page.locator("#notice")).to_have_text("received")
    await phone.page.clock.run_for(900)
    await keyboard.compose("nice")
    await phone.page.clock.run_for(COMPOSITION_PAUSE_MS - 1000)
    assert await phone.shown_text() == "nice"
    await phone.page.clock.run_for(1001)
    await phone.expect_text("nice Said.")
    await phone.page.keyboard.type("!")
    await phone.expect_text("nice Said.!")


async def test_reloaded_page_has_the_composed_text_and_the_final_that_waited_for_it(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.type("First sentence.")
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose(" ni")
    stream.final(0, "Second sentence.")
    await sheet.page.evaluate("document.getElementById('record').click()")
    await expect(sheet.page.locator("#state")).to_have_text("Not recording")
    await sheet.expect_text("First sentence. ni")
    await sheet.page.evaluate("localStorage.setItem('stt-settings', '{}')")
    await sheet.page.reload()
    await sheet.expect_text("First sentence. ni Second sentence.")


async def test_composed_text_and_the_final_that_waits_for_it_are_stored_a_moment_later(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    keyboard = await InputMethod.of(sheet)
    await keyboard.compose("ni")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "ni")
    stream.final(0, "Said.")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "ni Said.")
    await keyboard.commit("nice")
    await sheet.expect_text("nice Said.")
    await sheet.page.evaluate(WAIT_UNTIL_STORED, "nice Said.")
