"""The monitor page in Chromium, with a server in this process and streams of real clients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from grpc import StatusCode
from playwright.async_api import Browser, Page, expect

from benchmarks.recordings import Recording
from benchmarks.service import Service
from stt_service.access import tokens
from tests.browser.accessibility import violations
from tests.browser.monitor_pages import fact, opened
from tests.support.clients.control_client import update_settings
from tests.support.clients.wire_client import Stub, send_recording
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import ControlledServer
from tests.support.servers.in_process_server import running_server
from tests.support.servers.server_process import http_address

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

TOKEN = tokens.new_token()
MARKUP = "<img src=x onerror=alert(1)>"
LIST_INTERVAL_MS, SETTINGS_INTERVAL_MS = 2000, 5000  # of the page
TABS = 40  # at most, from the start of the page to a session's buttons


async def test_values_follow_the_server(controlled: ControlledServer, page: Page) -> None:
    await expect(fact(page, "Streams")).to_have_text("0 of 4")
    await expect(fact(page, "Device")).to_have_text("cpu (not cuda: libcuda.so.1 is missing)")
    await expect(page.get_by_text("No open sessions.")).to_be_visible()
    call = await controlled.open_stream("kitchen")
    await expect(fact(page, "Streams")).to_have_text("1 of 4")
    row = page.locator("#sessions tbody tr")
    await expect(row).to_contain_text("kitchen")
    await expect(row).to_contain_text("127.0.0.1")
    await call.end()
    await expect(row).to_have_count(0)


async def test_charts_of_a_real_recognition_have_lines_and_tables(
    browser: Browser, service: Service, stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    await send_recording(stub, recordings["en/jfk"])
    async with opened(browser, http_address(service)) as page:
        charts = page.locator(".chart")
        await expect(charts).to_have_count(10)
        memory = page.locator(".chart", has_text="Memory")
        await expect(memory.locator(".chart-now")).to_contain_text("MiB")
        label = await memory.locator("svg").get_attribute("aria-label")
        assert label is not None
        assert label.startswith("Memory: now ")
        await memory.locator("summary").click()
        await expect(memory.locator("tbody tr").first).to_contain_text("MiB")
        assert await fact(page, "Models").inner_text() == "base; partials base"


async def test_session_is_terminated_by_keyboard_after_confirmation(controlled: ControlledServer, page: Page) -> None:
    call = await controlled.open_stream("kitchen")
    terminate = page.get_by_role("button", name="Terminate session")
    await expect(terminate).to_be_visible()
    for _ in range(TABS):
        await page.keyboard.press("Tab")
        if await terminate.evaluate("(button) => button === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await expect(page.locator("#confirm")).to_contain_text("Its client receives the pending text")
    await page.keyboard.press("Escape")
    await expect(page.locator("#confirm")).to_be_hidden()
    await expect(terminate).to_be_focused()
    # It is disabled until the dialog has reported that it closed.
    await expect(terminate).not_to_have_attribute("aria-disabled", "true")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.locator("#confirm-yes")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text(f"Session {call.responses[0].started.stream_id} terminated.")
    assert (await call.read_to_end()).code is StatusCode.ABORTED
    await expect(page.locator("#sessions tbody tr")).to_have_count(0)


async def test_setting_is_changed_on_the_server(controlled: ControlledServer, page: Page) -> None:
    await page.get_by_label("BEAM_SIZE", exact=True).fill("2")
    await page.get_by_label("LOG_LEVEL").select_option("warning")
    await page.get_by_label("TRANSLATE").check()
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.get_by_role("status")).to_have_text("Saved: TRANSLATE, BEAM_SIZE, LOG_LEVEL.")
    current = controlled.server.settings()
    assert (current.beam_size, current.log_level, current.translate) == (2, "warning", True)
    await update_settings(controlled.control, LOG_LEVEL="")
    await page.reload()
    await expect(page.get_by_label("BEAM_SIZE", exact=True)).to_have_value("2")


async def test_errors_of_settings_are_shown_at_their_fields(controlled: ControlledServer, page: Page) -> None:
    beams, timeout = page.get_by_label("BEAM_SIZE", exact=True), page.get_by_label("IDLE_TIMEOUT (s)")
    await beams.fill("50")
    await timeout.fill("0")
    await page.get_by_role("button", name="Save changes").click()
    await expect(beams).to_be_focused()
    await expect(page.locator("#setting-BEAM_SIZE-error")).to_have_text("Invalid BEAM_SIZE='50': must be at most 10.")
    await expect(page.locator("#setting-IDLE_TIMEOUT-error")).to_have_text(
        "Invalid IDLE_TIMEOUT='0': must be at least 1."
    )
    assert await timeout.get_attribute("aria-invalid") == "true"
    assert controlled.server.settings().beam_size == 5
    assert await violations(page) == []
    await page.get_by_role("button", name="Discard changes").click()
    await expect(beams).to_have_value("5")
    await expect(page.locator("#setting-BEAM_SIZE-error")).to_be_hidden()


async def test_model_is_loaded_and_unloaded(controlled: ControlledServer, page: Page) -> None:
    await page.get_by_label("Load a model").fill("tiny")
    await page.get_by_role("button", name="Load", exact=True).click()
    await expect(page.locator("#models tbody tr", has_text="tiny")).to_contain_text("loaded")
    assert await controlled.model_of_new_stream("word") == "tiny"
    await page.get_by_label("Load a model").fill("base")
    await page.get_by_role("button", name="Load", exact=True).click()
    await page.get_by_role("button", name="Unload tiny").click()
    await expect(page.locator("#models tbody tr")).to_have_count(1)


async def test_server_is_drained_after_confirmation(controlled: ControlledServer, page: Page) -> None:
    await page.get_by_role("button", name="Drain…").click()
    await page.locator("#confirm-yes").click()
    await expect(page.locator("#state")).to_have_text("Draining")
    await page.get_by_role("button", name="Cancel drain").click()
    await expect(page.locator("#state")).to_have_text("Serving")
    assert await controlled.model_of_new_stream("word") == "base"


async def test_token_is_asked_for_once(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(tokens.line("ann", TOKEN), encoding="utf-8")
    more = {"control_tokens_file": str(file)}
    async with (
        running_server(BeamRecordingEngine(), 2, more=more) as server,
        opened(browser, server.http.address) as page,
    ):
        field = page.get_by_label("Token", exact=True)
        await expect(field).to_be_focused()
        assert await violations(page) == []
        await field.fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("This token is not valid. Use one of CONTROL_TOKENS_FILE.")
        await field.fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Serving")
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Serving")
        await page.get_by_role("button", name="Forget token").click()
        await expect(field).to_be_visible()
        assert await page.evaluate("sessionStorage.length + localStorage.length") == 0


async def test_lost_server_is_reported_and_found_again(browser: Browser) -> None:
    async with running_server(BeamRecordingEngine(), 1) as first:
        port = first.http.number
        context = opened(browser, first.http.address)
        page = await context.__aenter__()
        await expect(page.locator("#state")).to_have_text("Serving")
    await expect(page.locator("#connection")).to_contain_text("Trying again since")
    await expect(page.locator("#state")).to_have_text("Not connected")
    async with running_server(BeamRecordingEngine(), 3, more={"http_port": port}):
        await expect(fact(page, "Streams")).to_have_text("0 of 3")
        await expect(page.locator("#connection")).to_be_hidden()
        await context.__aexit__(None, None, None)


async def test_hidden_page_closes_its_connection_and_a_shown_one_opens_it(page: Page) -> None:
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/status/events")):
        await page.evaluate(hide, True)
    async with page.expect_response("**/status/events"):
        await page.evaluate(hide, False)


async def test_edited_setting_survives_a_reconnection(page: Page) -> None:
    beams = page.get_by_label("BEAM_SIZE", exact=True)
    await beams.fill("7")
    async with page.expect_response("**/sessions"):
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(beams).to_have_value("7")


async def test_setting_changed_elsewhere_is_shown_unless_it_is_edited(controlled: ControlledServer, page: Page) -> None:
    await page.clock.install()
    await page.reload()
    beams, translate = page.get_by_label("BEAM_SIZE", exact=True), page.get_by_label("TRANSLATE")
    await beams.fill("7")
    await update_settings(controlled.control, BEAM_SIZE="2", TRANSLATE="true")
    await page.clock.run_for(SETTINGS_INTERVAL_MS)
    await expect(translate).to_be_checked()
    await expect(beams).to_have_value("7")
    await page.get_by_role("button", name="Discard changes").click()
    await expect(beams).to_have_value("2")


@pytest.mark.parametrize("body", ["", "<html>"], ids=["lost connection", "proxy"])
async def test_list_is_refreshed_after_an_answer_that_is_not_json(
    controlled: ControlledServer, page: Page, body: str
) -> None:
    await page.clock.install()
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Serving")
    await page.route("**/api/control/sessions", lambda route: route.fulfill(body=body))
    async with page.expect_response("**/api/control/sessions"):
        await page.clock.run_for(LIST_INTERVAL_MS)
    await page.unroute("**/api/control/sessions")
    call = await controlled.open_stream("kitchen")
    await page.clock.run_for(2 * LIST_INTERVAL_MS)
    await expect(page.locator("#sessions tbody tr")).to_contain_text("kitchen")
    await call.end()


async def test_text_of_clients_stays_text(controlled: ControlledServer, page: Page) -> None:
    call = await controlled.open_stream(MARKUP)
    await expect(page.locator("#sessions tbody tr")).to_contain_text(MARKUP)
    assert await page.locator("#sessions img").count() == 0
    await call.end()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_page_is_accessible_in_every_size_and_theme(
    browser: Browser, controlled: ControlledServer, width: int, theme: Literal["light", "dark"]
) -> None:
    call = await controlled.open_stream("kitchen")
    async with opened(browser, controlled.server.http.address, width, theme) as page:
        await expect(page.locator("#sessions tbody tr")).to_have_count(1)
        await page.locator("details").evaluate_all("(all) => all.forEach((each) => { each.open = true; })")
        await expect(page.locator(".chart tbody tr")).to_have_count(10)
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        brightness = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0]")
        assert (int(brightness) < 128) == (theme == "dark")
    await call.end()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[0, 0.03, 1, 1.1, 4, 7, 10].map(chart.niceTop)", [1, 0.05, 1, 2, 5, 10, 10]),
        ("chart.pathOf([0, 5, 300], [1, 0.5, 0], {end: 300, span_s: 300, top: 1})", "M0.0 0.0h0L5.0 40.0M300.0 80.0h0"),
        ("chart.pathOf([0, 5, 10], [NaN, 2, NaN], {end: 10, span_s: 10, top: 1})", "M150.0 0.0h0"),
        ("chart.largest([NaN, 1, 3, NaN, 2])", 3),
        ("[59, 60, 3900, 100000].map(format.age)", ["59 s", "1 min", "1 h 5 min", "1 d 3 h"]),
        ("[0.0042, 0.25, 1.5, NaN].map(format.latency)", ["4.2 ms", "250 ms", "1.5 s", "–"]),
        ("[512, 2 ** 20, 3 * 2 ** 30].map(format.bytes)", ["512 B", "1 MiB", "3 GiB"]),
        ("format.word('SESSION_PHASE_SPEECH', 'SESSION_PHASE_')", "speech"),
    ],
)
async def test_numbers_and_charts_of_the_monitor(blank_page: Page, expression: str, expected: object) -> None:
    code = f"""async () => {{
        const chart = await import("/assets/monitor/chart.js");
        const format = await import("/assets/monitor/format.js");
        return {expression};
    }}"""
    assert await blank_page.evaluate(code) == expected


async def test_history_of_the_page_is_bounded(blank_page: Page) -> None:
    code = """async () => {
        const { History } = await import("/assets/monitor/history.js");
        const history = new History();
        for (let index = 0; index < 800; index++) history.append({ timeS: [index], streams: [1], interval: "5s" });
        return [history.columns.timeS.length, history.columns.streams.length, history.last];
    }"""
    assert await blank_page.evaluate(code) == [720, 720, 799]


async def test_charts_of_gpus_appear_with_the_first_sample_of_one(blank_page: Page) -> None:
    code = """async () => {
        const { History, Charts } = await import("/assets/monitor/history.js");
        const history = new History();
        const charts = new Charts(document.body);
        const counts = [];
        for (const [used, busy] of [["0", "NaN"], ["4294967296", 0.5]]) {
            history.append({ timeS: [history.last + 5], gpuMemoryUsedBytes: [used], gpuUtilization: [busy] });
            charts.draw(history);
            counts.push(document.querySelectorAll(".chart").length);
        }
        return [...counts, charts.charts.at(-1).now.textContent, charts.charts.at(-2).now.textContent];
    }"""
    assert await blank_page.evaluate(code) == [10, 12, "4 GiB", "50 %"]
