"""Editing the sheet by keyboard, clipboard, mouse and input method, while dictated text arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.sheet_pages import SheetPage, sheet_page

MAX_PASTE_CHARACTERS = 4_000_000  # of input.js
INSERT_LONG_TEXT = """([kind, length]) => {
  const data = new DataTransfer();
  data.setData("text/plain", "x".repeat(999).concat("\\n").repeat(length / 1000 + 1).slice(0, length));
  const root = document.getElementById("sheet");
  const { x, y } = root.firstChild.getBoundingClientRect();
  const point = { clientX: x + 1, clientY: y + 1, bubbles: true, cancelable: true };
  if (kind === "drop") root.dispatchEvent(new DragEvent("drop", { ...point, dataTransfer: data }));
  else root.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
}"""
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone", *CLIPBOARD]) as opened:
        yield opened


async def test_typed_text_and_line_breaks_are_in_the_sheet(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("Dear John,\nthank you")
    await sheet.expect_text("Dear John,\nthank you")
    await sheet.press("Backspace", "Home", "Backspace", "Delete")
    await sheet.expect_text("Dear John,hank yo")


async def test_word_deletion_removes_one_word(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one two three")
    await sheet.press("Control+Backspace")
    await sheet.expect_text("one two ")
    await sheet.press("Home", "Control+Delete")
    await sheet.expect_text(" two ")


async def test_undo_and_redo_by_keys_and_buttons(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one two")
    await sheet.press("Control+z")
    await sheet.expect_text("one ")
    await sheet.press("Control+Shift+z")
    await sheet.expect_text("one two")
    await sheet.page.click("#undo")
    await sheet.expect_text("one ")
    await sheet.page.click("#redo")
    await sheet.expect_text("one two")
    await expect(sheet.page.locator("#redo")).to_be_disabled()


async def test_shortcuts_work_with_a_russian_keyboard_layout(sheet: SheetPage) -> None:
    session = await sheet.context.new_cdp_session(sheet.page)

    async def press(key: str, code: str, *, with_shift: bool = False) -> None:
        modifiers = 2 + 8 * with_shift  # Ctrl and Shift
        for kind in ("rawKeyDown", "keyUp"):
            await session.send(
                "Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, "modifiers": modifiers}
            )

    await sheet.page.keyboard.type("one two")
    await press("я", "KeyZ")
    await sheet.expect_text("one ")
    await press("Я", "KeyZ", with_shift=True)
    await sheet.expect_text("one two")
    await press("я", "KeyZ")
    await press("н", "KeyY")
    await sheet.expect_text("one two")
    await press(";", "KeyZ")  # a Dvorak layout has its letters elsewhere
    await sheet.expect_text("one two")
    await press("Ы", "KeyS", with_shift=True)
    await expect(sheet.page.locator("#notice")).to_have_text("Copied.")
    async with sheet.page.expect_download():
        await press("ы", "KeyS")


async def test_selection_over_lines_is_replaced_by_typed_text(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one\ntwo\nthree")
    await sheet.press("Shift+Control+Home")
    await sheet.page.keyboard.type("x")
    await sheet.expect_text("x")
    await sheet.press("Control+z")
    await sheet.expect_text("one\ntwo\nthree")


async def test_paste_is_plain_text_without_control_characters(sheet: SheetPage) -> None:
    await sheet.page.evaluate("""() => navigator.clipboard.writeText('<b>a</b>\\r\\nb\\u0007\\u0000c\\td')""")
    await sheet.press("Control+v")
    await sheet.expect_text("<b>a</b>\nbc\td")
    assert await sheet.text.locator("b").count() == 0
    await sheet.press("Control+z")
    await sheet.expect_text("")


async def test_characters_that_are_too_many_to_paste_or_drop_are_counted(sheet: SheetPage) -> None:
    for kind, count in (("paste", 1234), ("drop", 5)):
        await sheet.page.evaluate(INSERT_LONG_TEXT, [kind, MAX_PASTE_CHARACTERS + count])
        notice = f"Too long to paste at once. Characters left out at the end: {count:,}. Paste them separately."
        # A failure of `expect` would print the whole text.
        await sheet.page.wait_for_function(
            "(text) => document.getElementById('notice').textContent === text", arg=notice, timeout=5000
        )
        await sheet.press("Control+a", "Delete")


async def test_copy_and_cut_take_the_selection_without_the_partial(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.type("one two")
    stream.partial(0, "spoken so far")
    await expect(sheet.text.locator(".partial")).to_have_text(" spoken so far")
    await sheet.press("Control+a", "Control+c")
    assert await sheet.page.evaluate("() => navigator.clipboard.readText()") == "one two"
    await sheet.press("Control+x")
    await sheet.expect_text("")
    await expect(sheet.text.locator(".partial")).to_have_text("Spoken so far")


async def test_copy_button_copies_the_whole_text(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one\ntwo")
    await sheet.page.click("#copy")
    await expect(sheet.page.locator("#notice")).to_have_text("Copied.")
    assert await sheet.page.evaluate("() => navigator.clipboard.readText()") == "one\ntwo"


async def test_partial_is_dimmed_at_the_caret_and_typed_text_follows_it(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.type("One.")
    stream.partial(0, "two and")
    partial = sheet.text.locator(".partial")
    await expect(partial).to_have_text(" Two and")
    await sheet.page.keyboard.type(" x")
    await sheet.expect_text("One. x")
    assert await sheet.text.text_content() == "One. Two and x"
    stream.final(0, "Two and three.")
    await sheet.expect_text("One. Two and three. x")
    await expect(partial).to_have_count(0)
    await sheet.page.keyboard.type("y")
    await sheet.expect_text("One. Two and three. xy")


async def test_caret_is_drawn_after_the_partial_at_the_end_of_a_line(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.partial(0, "spoken words")
    await expect(sheet.text.locator(".partial")).to_have_text("Spoken words")
    caret, partial = await sheet.page.evaluate("""() => {
      const range = getSelection().getRangeAt(0);
      const marker = document.createElement('span');
      const copy = range.cloneRange();
      copy.insertNode(marker);
      const caret = marker.getBoundingClientRect().left;
      marker.remove();
      return [caret, document.querySelector('.partial').getBoundingClientRect().right];
    }""")
    assert caret == pytest.approx(partial, abs=2)


async def test_moving_the_caret_moves_the_partial(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.type("One.\nThree.")
    stream.partial(0, "two")
    await expect(sheet.text.locator("p").nth(1).locator(".partial")).to_have_text(" Two")
    await sheet.press("ArrowUp", "End")
    await expect(sheet.text.locator("p").nth(0).locator(".partial")).to_have_text(" Two")
    stream.final(0, "Two.")
    await sheet.expect_text("One. Two.\nThree.")


async def test_final_in_another_line_does_not_move_the_caret(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.begin(0)
    stream.partial(0, "hello")
    await expect(sheet.text.locator(".partial")).to_have_text("Hello")
    await sheet.page.keyboard.type("\nabc")
    stream.final(0, "Hello.")
    await sheet.expect_text("Hello.\nabc")
    await sheet.page.keyboard.type("d")
    await sheet.expect_text("Hello.\nabcd")


async def test_last_utterance_is_removed_after_more_text_was_typed(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.final(0, "One.")
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two.")
    await sheet.page.keyboard.type(" typed")
    await sheet.press("Control+Shift+Backspace")
    await sheet.expect_text("One. typed")
    await sheet.press("Control+Shift+Backspace")
    await sheet.expect_text(" typed")
    await sheet.press("Control+z", "Control+z")
    await sheet.expect_text("One. Two. typed")


async def test_removal_of_an_utterance_takes_the_last_one_after_an_undone_deletion(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    stream.final(0, "One.")
    stream.final(1, "Two.")
    await sheet.expect_text("One. Two.")
    await sheet.press("Control+Home", *["Shift+ArrowRight"] * 4, "Delete")
    await sheet.expect_text(" Two.")
    await sheet.press("Control+z", "Control+Shift+Backspace")
    await sheet.expect_text("One.")


async def test_dictated_text_does_not_scroll_a_page_that_shows_another_part(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.keyboard.insert_text("line\n" * 60)
    at_cursor = await sheet.page.evaluate("scrollY")
    assert at_cursor > 0
    await sheet.page.evaluate("scrollTo(0, 0)")
    stream.partial(0, "one two")
    stream.final(0, "One two.")
    await sheet.expect_text("line\n" * 60 + "One two.")
    assert await sheet.page.evaluate("scrollY") == 0
    await sheet.page.keyboard.type("x")
    assert await sheet.page.evaluate("scrollY") > at_cursor / 2
    stream.final(1, "More words. " * 40)
    await sheet.page.wait_for_function("(before) => scrollY > before", arg=at_cursor)


async def test_text_moved_by_dragging_is_one_undo_step(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one two three")
    await sheet.press("Home", *["Shift+ArrowRight"] * 4)
    start, end, middle = await sheet.page.evaluate("""() => {
      const selected = getSelection().getRangeAt(0).getBoundingClientRect();
      const all = new Range();
      all.selectNodeContents(document.querySelector("#sheet > p"));
      return [selected.left + 10, all.getBoundingClientRect().right + 1, selected.top + selected.height / 2];
    }""")
    await sheet.page.mouse.move(start, middle)
    await sheet.page.mouse.down()
    await sheet.page.mouse.move(end, middle, steps=3)
    await sheet.page.mouse.up()
    await sheet.expect_text("two threeone ")
    await sheet.press("Control+z")
    await sheet.expect_text("one two three")
    await sheet.press("Control+Shift+z")
    await sheet.expect_text("two threeone ")


async def test_reloaded_page_has_its_text_and_its_caret(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one two")
    await sheet.press("Home")
    await sheet.page.reload()
    await sheet.page.wait_for_selector("#sheet:focus")
    await sheet.expect_text("one two")
    await sheet.page.keyboard.type("x")
    await sheet.expect_text("xone two")


async def test_second_tab_has_a_sheet_of_its_own(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("first")
    other = await sheet.context.new_page()
    await other.goto(sheet.page.url)
    await other.wait_for_selector("#sheet:focus > p", state="attached")
    await other.keyboard.type("second")
    await sheet.page.reload()
    await sheet.expect_text("first")
    await other.reload()
    await expect(other.locator("#sheet")).to_have_text("second")


async def test_closed_sheet_opens_in_the_next_tab(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("kept")
    other = await sheet.context.new_page()
    await sheet.page.close(run_before_unload=True)
    await other.goto(sheet.page.url)
    await expect(other.locator("#sheet")).to_have_text("kept")


async def test_click_on_a_button_leaves_the_focus_in_the_sheet(sheet: SheetPage) -> None:
    await sheet.record()
    await sheet.page.keyboard.type("one two")
    await sheet.page.click("#undo")
    await sheet.page.click("#redo")
    await sheet.page.keyboard.type(" three")
    await sheet.expect_text("one two three")
    await expect(sheet.page.locator("#state")).to_have_text("Recording")


async def test_each_line_has_the_direction_of_its_text(sheet: SheetPage) -> None:
    await sheet.page.keyboard.type("one\n")
    await sheet.page.keyboard.insert_text("שלום")
    await sheet.page.keyboard.type(" two")
    directions = "() => [...document.querySelectorAll('#sheet > p')].map((block) => getComputedStyle(block).direction)"
    assert await sheet.page.evaluate(directions) == ["ltr", "rtl"]
    await sheet.press("Home")
    await sheet.page.keyboard.type("three ")
    assert await sheet.page.evaluate(directions) == ["ltr", "ltr"]


async def test_caret_and_deletions_cross_the_nodes_of_a_long_line_by_characters(sheet: SheetPage) -> None:
    text = "word " * 1000
    await sheet.page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    await sheet.press("Control+v")
    separators = sheet.text.locator("wbr")
    assert await separators.count() == 4  # a node has 1000 characters
    await sheet.move(0, 998)
    await sheet.press(*["ArrowRight"] * 4)
    await sheet.page.keyboard.type("!")
    await sheet.expect_text(f"{text[:1002]}!{text[1002:]}")
    await sheet.press(*["ArrowLeft"] * 5)
    await sheet.page.keyboard.type("?")
    await sheet.expect_text(f"{text[:998]}?{text[998:1002]}!{text[1002:]}")
    await sheet.press(*["Delete"] * 4, *["Backspace"] * 3)
    await sheet.expect_text(f"{text[:996]}!{text[1002:]}")
    await sheet.press("Control+a", "Delete")
    await sheet.expect_text("")
    assert await separators.count() == 0


async def test_partial_and_final_at_the_nodes_of_a_long_line_are_at_the_caret(sheet: SheetPage) -> None:
    text = "word " * 1000
    stream = await sheet.record()
    await sheet.page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    await sheet.press("Control+v")
    await sheet.move(0, 1000)
    stream.begin(0)
    stream.partial(0, "spoken")
    await expect(sheet.text.locator(".partial")).to_have_text("spoken ")
    await sheet.expect_text(text)
    stream.final(0, "spoken text")
    await sheet.expect_text(f"{text[:1000]}spoken text {text[1000:]}")
    await expect(sheet.text.locator(".partial")).to_have_count(0)


EMPTYING = {
    "backspace": ["Backspace"],
    "cut": ["Shift+Home", "Control+x"],
    "undo": ["Control+z"],
}


@pytest.mark.parametrize("keys", EMPTYING.values(), ids=EMPTYING)
async def test_emptied_line_keeps_its_height_and_takes_the_caret(sheet: SheetPage, keys: list[str]) -> None:
    await sheet.page.keyboard.type("abc\nx")
    await sheet.press(*keys)
    await sheet.expect_text("abc\n")
    heights = await sheet.page.evaluate("() => [...document.querySelectorAll('#sheet > p')].map((p) => p.offsetHeight)")
    assert heights[0] == heights[1]
    await sheet.press("ArrowUp", "ArrowDown")
    await sheet.page.keyboard.type("M")
    await sheet.expect_text("abc\nM")


@pytest.mark.parametrize(("text", "left"), [("abc\nx", "abc\n"), ("x", "")])
async def test_text_composed_in_an_emptied_line_stays(sheet: SheetPage, text: str, left: str) -> None:
    await sheet.page.keyboard.type(text)
    await sheet.press("Backspace")
    session = await sheet.context.new_cdp_session(sheet.page)
    for composed in ("に", "日本"):
        await session.send("Input.imeSetComposition", {"text": composed, "selectionStart": 1, "selectionEnd": 1})
    await session.send("Input.insertText", {"text": "日本語"})
    await sheet.expect_text(f"{left}日本語")
