"""The captions page with events that the test sends: what stays in view, long names, and changed options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import ASSETS

LONG_NAME = "w" * 64
LONG_TEXT = "word " * 300
# A stream of events under the control of the test in place of the server's.
EVENTS = """
window.fetch = async () => new Response(new ReadableStream({
  start(controller) {
    const encoder = new TextEncoder();
    window.send = (kind, content, recording = "one") => {
      const data = JSON.stringify({ recording, [kind]: content });
      controller.enqueue(encoder.encode(`event: ${kind}\\ndata: ${data}\\n\\n`));
    };
  },
}));
"""
# Two frames: in the first one the page scrolls, in the second one it receives the event.
FRAMES = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve))))"
BELOW_PX = """() => {
  const { scrollHeight, scrollTop, clientHeight } = document.getElementById("lines");
  return scrollHeight - scrollTop - clientHeight;
}"""
Opened = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture
def opened(browser: Browser, blank_url: str) -> Opened:
    """Return a function that opens the page of a name with options."""

    @asynccontextmanager
    async def open_page(
        options: str = "", name: str = "talk", width: int = 1280, height: int = 700
    ) -> AsyncIterator[Page]:
        viewport: ViewportSize = {"width": width, "height": height}
        context = await browser.new_context(viewport=viewport, locale="en-US")
        await context.add_init_script(EVENTS)
        await context.route(f"{blank_url}captions/{name}", lambda route: route.fulfill(path=ASSETS / "captions.html"))
        page = await context.new_page()
        page.set_default_timeout(5000)
        await page.goto(f"{blank_url}captions/{name}#{options}")
        await page.wait_for_function("() => Boolean(window.send)")
        yield page
        await context.close()

    return open_page


async def send(page: Page, kind: str, text: str, utterance: int = 0, recording: str = "one") -> None:
    """Send a partial or a final, and wait until it is shown."""
    content = {"utterance": str(utterance), "stable" if kind == "partial" else "text": text}
    await page.evaluate("(parameters) => send(...parameters)", [kind, content, recording])
    await page.wait_for_function("(text) => document.querySelector('main').textContent.includes(text.trim())", arg=text)
    await page.evaluate(FRAMES)


async def send_finals(page: Page, count: int) -> None:
    for number in range(count):
        await page.evaluate(
            "(content) => send('final', content)", {"utterance": str(number), "text": f"Line {number}."}
        )
    await send(page, "final", "The end.", count)


async def test_last_line_stays_in_view_after_a_long_partial(opened: Opened) -> None:
    async with opened() as page:
        await send_finals(page, 30)
        await send(page, "partial", LONG_TEXT, 40)
        await send(page, "final", "After the partial.", 40)
        assert await page.evaluate(BELOW_PX) <= 1


async def test_reader_who_scrolled_up_stays_there_until_they_return(opened: Opened) -> None:
    async with opened() as page:
        await send_finals(page, 30)
        await page.evaluate("() => document.getElementById('lines').scrollTop = 100")
        await page.evaluate(FRAMES)
        await send(page, "final", "Below.", 40)
        assert await page.evaluate("() => document.getElementById('lines').scrollTop") == 100
        await page.evaluate("() => document.getElementById('lines').scrollTop = 1e6")
        await page.evaluate(FRAMES)
        await send(page, "final", "In view.", 41)
        assert await page.evaluate(BELOW_PX) <= 1


@pytest.mark.parametrize("options", ["", "obs&size=3"])
async def test_long_partial_leaves_the_last_line_visible_and_shows_its_own_end(opened: Opened, options: str) -> None:
    async with opened(options, width=640, height=360) as page:
        await send(page, "final", "Before.")
        await send(page, "partial", LONG_TEXT, 1)
        line = await page.locator("#lines p").last.bounding_box()
        partial = await page.locator("#partials").bounding_box()
        assert line is not None
        assert partial is not None
        assert line["y"] >= 0
        assert line["y"] + line["height"] <= partial["y"] + 1
        assert partial["y"] + partial["height"] <= 360
        hidden = "({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight"
        assert await page.locator("#partials").evaluate(hidden) <= 1


async def test_long_name_fits_a_phone(opened: Opened) -> None:
    async with opened(name=LONG_NAME, width=360) as page:
        await page.evaluate("() => send('waiting', {})")
        await page.wait_for_function("() => document.body.dataset.state === 'waiting'")
        assert await page.evaluate("() => document.documentElement.scrollWidth") == 360
        for button in await page.locator("button").all():
            box = await button.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 360
            assert box["y"] + box["height"] <= 200


@pytest.mark.parametrize(
    ("before", "state"),
    [
        ((), "Waiting for talk to start"),
        (("live",), "Not live"),
        (("final",), "Not live"),
        (("live", "final"), "Not live"),
    ],
)
async def test_captions_that_have_ended_are_not_live_in_place_of_waiting_for_their_start(
    opened: Opened, before: tuple[str, ...], state: str
) -> None:
    async with opened() as page:
        for kind in (*before, "waiting"):
            await page.evaluate("(kind) => send(kind, { utterance: '0', text: 'Text.' })", kind)
        await expect(page.locator("#state")).to_have_text(state)
        await page.evaluate("() => send('live', {})")
        await expect(page.locator("#state")).to_have_text("Live")


async def test_changed_options_take_effect_without_a_reload(opened: Opened) -> None:
    async with opened("key=a") as page:
        await send_finals(page, 5)
        await page.evaluate("() => { location.hash = 'key=a&obs&size=4'; }")
        await page.wait_for_selector("html.obs")
        assert await page.locator("main").evaluate("(main) => getComputedStyle(main).fontSize") == "64px"
        assert await page.locator("#lines p").all_inner_texts() == ["Line 3.", "Line 4.", "The end."]
        assert not await page.locator(".bar").is_visible()


async def test_chosen_size_is_kept_for_the_next_time(opened: Opened) -> None:
    async with opened() as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.click("#larger")
        await page.reload()
        await page.wait_for_function("() => Boolean(window.send)")
        assert await page.locator("main").evaluate("(main) => getComputedStyle(main).fontSize") == "44px"
        assert errors == []


async def test_utterance_that_is_received_again_is_shown_once(opened: Opened) -> None:
    async with opened() as page:
        await send(page, "final", "One.", 0)
        await page.evaluate("() => send('final', { utterance: '0', text: 'One.' })")
        await page.evaluate("() => send('partial', { utterance: '0', stable: 'Late' })")
        await send(page, "final", "Two.", 1)
        await send(page, "final", "One of another recording.", 0, "two")
        await send(page, "final", "Three.", 2)
        shown = await page.locator("#lines p").all_inner_texts()
        assert shown == ["One.", "Two.", "One of another recording.", "Three."]
        assert await page.locator("#partials").inner_text() == ""


@pytest.mark.parametrize("state", ["live", "waiting"])
async def test_partials_are_forgotten_when_the_captions_start_or_end(opened: Opened, state: str) -> None:
    async with opened() as page:
        await send(page, "partial", "Interrupted", 5)
        await page.evaluate("(state) => send(state, {})", state)
        await send(page, "partial", "Begun", 0, "two")
        assert await page.locator("#partials").inner_text() == "Begun"


async def test_final_ends_the_partials_before_it(opened: Opened) -> None:
    async with opened() as page:
        await send(page, "partial", "Lost", 1)
        await send(page, "final", "Two.", 2)
        assert await page.locator("#partials").inner_text() == ""


async def test_retries_leave_no_listeners(opened: Opened) -> None:
    async with opened() as page:
        await page.clock.install()
        await page.add_init_script(
            """
            window.attempts = 0;
            window.fetch = async () => { attempts += 1; throw new TypeError("no network"); };
            """
        )
        await page.reload()
        for _ in range(3):
            await page.clock.run_for(30_000)
        assert await page.evaluate("() => attempts") >= 4
        session = await page.context.new_cdp_session(page)
        listeners = await session.send(
            "Runtime.evaluate",
            {"expression": "getEventListeners(window).online.length", "includeCommandLineAPI": True},
        )
        assert listeners["result"]["value"] == 1


async def test_silent_connection_is_replaced(opened: Opened) -> None:
    async with opened() as page:
        await page.clock.install()
        await page.add_init_script(
            """
            const connect = window.fetch;
            window.attempts = 0;
            window.fetch = async (url, { signal }) => {
                attempts += 1;
                const { body } = await connect();
                return new Response(body.pipeThrough(new TransformStream(), { signal }));
            };
            """
        )
        await page.reload()
        await page.wait_for_function("() => Boolean(window.send)")
        await page.evaluate("() => send('live', {})")
        await page.wait_for_function("() => document.body.dataset.state === 'live'")
        await page.clock.run_for(40_000)
        assert await page.evaluate("() => document.body.dataset.state") == "live"
        await page.clock.run_for(6_000)
        await page.wait_for_function("() => document.body.dataset.state === 'reconnecting'")
        await page.clock.run_for(2_000)
        await page.wait_for_function("() => attempts === 2")
        await send(page, "final", "After.")


async def test_full_server_is_reported(opened: Opened) -> None:
    async with opened() as page:
        await page.add_init_script("window.fetch = async () => new Response(null, { status: 429 });")
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Too many viewers at the moment. Trying again")
