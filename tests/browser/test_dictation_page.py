"""The dictation and captions pages in Chromium with a real server: dictating, editing, an outage, captions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Request, expect
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from benchmarks.recordings import RECORDINGS
from tests.browser.accessibility import violations
from tests.browser.dictation_page import wav_audio
from tests.browser.restartable_server import RestartableServer
from tests.browser.sheet_pages import SHOWN_TEXT, downloaded
from tests.support.clients.page_client import END, chunks, send_messages

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

FIRST_LOAD_BYTES = 150_000
RECOGNITION_MS = 90_000  # on a busy machine
PREFERENCES = '{"language": "en", "silence": 0.7}'
KEY, VIEWER_KEY = "key-of-the-publisher_1", "key-of-the-viewers_1"
NETWORK = "net::ERR_"  # what Chromium reports for a server that was killed


@asynccontextmanager
async def page_of(context: BrowserContext, url: str) -> AsyncIterator[Page]:
    """Open a page; at the end, there must have been no error in its console but lost connections."""
    page, problems = await context.new_page(), list[str]()
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(url)
    yield page
    assert [problem for problem in problems if NETWORK not in problem] == []


@pytest_asyncio.fixture
async def sheet(speaking: Browser, server: RestartableServer) -> AsyncIterator[Page]:
    context = await speaking.new_context(permissions=["microphone"])
    await context.add_init_script(f"localStorage['stt-settings'] ??= '{PREFERENCES}'")
    async with page_of(context, server.url) as page:
        await page.wait_for_selector("#sheet:focus", state="attached")
        yield page
    await context.close()


async def wait_for_second_utterance(page: Page) -> None:
    """Wait until the first utterance is text and the second one is a partial or text."""
    is_reached = f"""() => {{
      const sentences = (({SHOWN_TEXT})().match(/[.?!]/g) ?? []).length;
      return sentences + document.querySelectorAll('.partial').length >= 2 && sentences >= 1;
    }}"""
    try:
        await page.wait_for_function(is_reached, timeout=RECOGNITION_MS)
    except PlaywrightTimeoutError as error:
        error.add_note(f"The page shows: {await page.inner_text('body')!r}")
        raise


async def stop(page: Page) -> None:
    await page.click("#record")
    await expect(page.locator("#state")).to_have_text("Not recording", timeout=RECOGNITION_MS)


async def expected_texts(page: Page, server: RestartableServer) -> list[str]:
    """Return the finals of an uninterrupted stream of the recorded audio over gRPC."""
    return await server.texts(wav_audio(await downloaded(page, "wav")))


async def test_dictated_and_typed_text_stand_in_their_order(sheet: Page, server: RestartableServer) -> None:
    await sheet.keyboard.type("Notes:\n")
    await sheet.keyboard.press("Control+Enter")
    await expect(sheet.locator(".partial").first).to_be_visible(timeout=RECOGNITION_MS)
    await sheet.keyboard.type("\ntyped while speaking")
    await wait_for_second_utterance(sheet)
    await stop(sheet)
    first, second, *more = await expected_texts(sheet, server)
    assert await sheet.evaluate(SHOWN_TEXT) == f"Notes:\n{first}\ntyped while speaking {' '.join([second, *more])}"


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


async def test_killed_server_and_reload_lose_and_double_no_word(sheet: Page, server: RestartableServer) -> None:
    await sheet.keyboard.press("Control+Enter")
    await expect(sheet.locator(".partial").first).to_be_visible(timeout=RECOGNITION_MS)
    server.kill()
    state = sheet.locator("#state")
    await expect(state).to_have_text(re.compile("Recording; server unreachable, [0-9]+ s kept"))
    server.start()
    await expect(state).to_have_text("Recording", timeout=RECOGNITION_MS)
    await wait_for_second_utterance(sheet)
    await stop(sheet)
    texts = await expected_texts(sheet, server)
    assert words(await sheet.evaluate(SHOWN_TEXT)) == words(" ".join(texts))
    await sheet.reload()
    await sheet.wait_for_selector("#sheet:focus", state="attached")
    assert words(await sheet.evaluate(SHOWN_TEXT)) == words(" ".join(texts))


async def test_first_load_transfers_at_most_150_kb(browser: Browser, server: RestartableServer) -> None:
    context = await browser.new_context(service_workers="block")
    requests: list[Request] = []
    context.on("requestfinished", lambda request: requests.append(request))
    async with page_of(context, server.url) as page:
        await page.wait_for_selector("#sheet:focus", state="attached")
        await page.wait_for_load_state("networkidle")
        sizes = [await request.sizes() for request in requests]
    await context.close()
    assert 0 < sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes) <= FIRST_LOAD_BYTES


async def test_two_viewers_read_the_captions_of_a_stream(browser: Browser, server: RestartableServer) -> None:
    recording = next(each for each in RECORDINGS if each.name == "en/jfk")
    config, captions = (
        {"settings": {"language": "en"}, "partials": True},
        {"name": "talk", "key": KEY, "viewerKey": VIEWER_KEY, "recording": "1"},
    )
    opening = json.dumps({"config": config, "captions": captions})
    context = await browser.new_context(viewport={"width": 360, "height": 740})
    url = f"{server.url}/captions/talk#key={VIEWER_KEY}"
    async with page_of(context, url) as viewer, page_of(context, f"{url}&obs") as obs:
        await expect(viewer.locator("#state")).to_have_text("Waiting for talk to start")
        address = server.url.removeprefix("http://")
        result = await send_messages(address, [opening, *chunks(recording.pcm()), END])
        assert result.texts
        for page in (viewer, obs):
            await expect(page.locator("#lines")).to_have_text("".join(result.texts), timeout=RECOGNITION_MS)
            await expect(page.locator("#partials")).to_have_text("")
        await expect(obs.locator(".bar")).to_be_hidden()
        transparent = (
            "() => [document.documentElement, document.body].map((each) => getComputedStyle(each).backgroundColor)"
        )
        assert await obs.evaluate(transparent) == ["rgba(0, 0, 0, 0)"] * 2
        assert await violations(viewer) == []
        await viewer.click("#larger")
        assert await viewer.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        async with page_of(context, url) as late:
            await expect(late.locator("#lines")).to_have_text("".join(result.texts))
    await context.close()
