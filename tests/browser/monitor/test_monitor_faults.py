"""What the monitor shows of a lost server, of failed operations, and on narrow screens."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.accessibility import violations
from tests.browser.monitor_pages import fact, opened
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import ControlledServer, controlled_server
from tests.support.servers.in_process_server import running_server

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

LONG_ID = "a-client-with-a-long-name-" * 2
OPERATIONS = ["Drain…", "Finalize the utterance of session", "Terminate session", "Load", "Save changes"]
# Replaces `fetch`: while `isSilent` is set, the server neither answers nor closes its connections.
SILENCE = """() => {
    const send = fetch;
    window.isSilent = false;
    window.fetch = async (url, options) => {
        if (isSilent) return new Promise((_, reject) => {
            options.signal.addEventListener("abort", () => reject(options.signal.reason));
        });
        const response = await send(url, options);
        if (!url.endsWith("/events")) return response;
        const transform = (part, stream) => {
            if (!isSilent) stream.enqueue(part);
            window.isReplaced = true;
        };
        return new Response(response.body.pipeThrough(new TransformStream({ transform })));
    };
}"""


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name).first


async def lose(page: Page) -> None:
    """Reject the requests of the page, and end its open one."""
    await page.context.route("**/api/control/**", lambda route: route.abort("connectionrefused"))
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#state")).to_have_text("Not connected")


async def test_operations_are_disabled_while_the_server_is_lost(controlled: ControlledServer, page: Page) -> None:
    call = await controlled.open_stream("kitchen")
    await expect(button(page, "Terminate session")).to_be_enabled()
    await lose(page)
    await expect(page.locator("#connection")).to_contain_text("The values below are older.")
    for name in OPERATIONS:
        await expect(button(page, name)).to_be_disabled()
    await button(page, "Finalize the utterance").click(force=True)
    await page.get_by_label("Load a model").fill("tiny")
    await page.keyboard.press("Enter")
    await expect(page.locator("#result")).to_have_text("")
    assert await violations(page) == []
    await page.context.unroute("**/api/control/**")
    for name in OPERATIONS:
        await expect(button(page, name)).to_be_enabled()
    await button(page, "Finalize the utterance").click()
    await expect(page.get_by_role("status")).to_contain_text("finalized.")
    await call.end()


async def test_server_that_is_silent_is_lost_until_it_answers(page: Page) -> None:
    await page.clock.install()
    await page.evaluate(SILENCE)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the page connects again
    await page.wait_for_function("() => window.isReplaced")
    await page.evaluate("isSilent = true")
    await page.clock.fast_forward(5_000)
    await expect(page.locator("#state")).to_have_text("Serving")
    await page.clock.fast_forward(6_000)
    await expect(page.locator("#state")).to_have_text("Not connected")
    await expect(page.locator("#connection")).to_contain_text("The values below are older.")
    await expect(button(page, "Drain…")).to_be_disabled()
    await page.evaluate("isSilent = false")
    await page.clock.fast_forward(11_000)  # the attempt during the silence ends, and another follows
    await expect(page.locator("#state")).to_have_text("Serving")
    await expect(button(page, "Drain…")).to_be_enabled()


async def test_sessions_of_a_lost_server_are_gone_when_operations_are_enabled(browser: Browser) -> None:
    async with controlled_server(BeamRecordingEngine()) as first:
        call = await first.open_stream("kitchen")
        port, context = first.server.http.number, opened(browser, first.server.http.address)
        page = await context.__aenter__()
        await expect(page.locator("#sessions tbody tr")).to_have_count(1)
        await page.route("**/api/control/sessions", lambda route: route.abort("connectionrefused"))
        await call.end()
    await expect(page.locator("#state")).to_have_text("Not connected")
    async with running_server(BeamRecordingEngine(), 3, more={"http_port": port}):
        await expect(fact(page, "Streams")).to_have_text("0 of 3")
        await expect(button(page, "Terminate session")).to_be_disabled()  # until the list is that of this server
        await page.unroute("**/api/control/sessions")
        await expect(page.locator("#sessions tbody tr")).to_have_count(0)
        await expect(button(page, "Drain…")).to_be_enabled()
        await context.__aexit__(None, None, None)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1024, 1280])
async def test_actions_are_on_the_screen_at_every_width(
    browser: Browser, controlled: ControlledServer, width: int, theme: Literal["light", "dark"]
) -> None:
    call = await controlled.open_stream(LONG_ID)
    async with opened(browser, controlled.server.http.address, width, theme) as page:
        for name in ("Finalize the utterance of session", "Terminate session"):
            box = await button(page, name).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        await expect(page.get_by_role("row").filter(has_text=LONG_ID).get_by_role("cell")).to_have_count(11)
        assert await violations(page) == []
    await call.end()


async def test_narrow_rows_name_their_cells(browser: Browser, controlled: ControlledServer) -> None:
    call = await controlled.open_stream("kitchen")
    async with opened(browser, controlled.server.http.address, 360) as page:
        name = "(cell) => getComputedStyle(cell, '::before').content"
        cells = page.locator("#sessions tbody td")
        assert "Client" in await cells.first.evaluate(name)
        assert await page.locator("#sessions thead").evaluate("(head) => head.getBoundingClientRect().width") <= 1
        regions = page.locator(".scroll")
        assert (
            await regions.evaluate_all("(all) => all.filter((each) => each.scrollWidth > each.clientWidth).length") == 0
        )
    await call.end()


async def load(page: Page, name: str) -> None:
    await page.get_by_label("Load a model").fill(name)
    await page.get_by_role("button", name="Load", exact=True).click()


async def test_result_of_a_load_replaces_the_line_that_it_began(page: Page) -> None:
    status = page.get_by_role("status")
    await load(page, "none")
    await expect(status).to_have_text("Loading none failed: none is not available.")
    await load(page, "tiny")
    await expect(status).to_have_text("tiny is loaded.")
    await load(page, "base")
    await expect(status).to_have_text("base is loaded.")
    await page.get_by_role("button", name="Unload tiny").click()
    await expect(status).to_have_text("tiny is unloaded.")


async def test_nothing_that_waits_has_no_wait(page: Page) -> None:
    await expect(fact(page, "Oldest wait")).to_have_text("final –, partial –")


async def test_latency_of_a_ready_final_differs_from_none(blank_page: Page) -> None:
    code = """async () => {
        const { Charts, History } = await import("/assets/monitor/history.js");
        const root = document.createElement("main");
        document.body.append(root);
        const history = new History(), charts = new Charts(root);
        const nothing = { finalLatencyP50S: ["NaN"], finalLatencyP95S: ["NaN"] };
        history.append({ timeS: [1000], finalLatencyP50S: [0], finalLatencyP95S: [0.25] });
        history.append({ timeS: [1300], ...nothing });
        charts.draw(history);
        const details = root.querySelectorAll("details")[1];
        details.open = true;
        await new Promise((resolve) => details.addEventListener("toggle", resolve, { once: true }));
        return [...details.querySelectorAll("tbody td")].map((cell) => cell.textContent);
    }"""
    assert await blank_page.evaluate(code) == ["–", "–", "< 1 ms", "250 ms"]
