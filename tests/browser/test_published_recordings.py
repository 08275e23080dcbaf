"""Captions have only speech that the user published when it was recorded, and has not withdrawn since."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.microphone_spy import SLOW_MICROPHONE
from tests.browser.sheet_pages import SheetPage, choose, sheet_page
from tests.browser.test_sheets_of_recordings import record_without_end, reload, stop_without_server

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]


@pytest_asyncio.fixture
async def sheet(browser: Browser) -> AsyncIterator[SheetPage]:
    async with sheet_page(browser, permissions=["microphone"]) as opened:
        yield opened


async def publish(sheet: SheetPage, is_published: bool) -> None:
    await sheet.page.click("#open-settings")
    await sheet.page.set_checked("[name=publish]", is_published)
    await sheet.press("Escape")


async def record_without_server(sheet: SheetPage) -> None:
    """Record until the server is lost, and stop; the rest of the recording is never complete."""
    stream = await sheet.record()
    stream.hold_end()
    await stop_without_server(sheet)


async def test_captions_that_are_withdrawn_after_the_recording_are_not_published_later(sheet: SheetPage) -> None:
    await publish(sheet, True)
    await record_without_server(sheet)
    assert sheet.stream.captions
    await publish(sheet, False)
    sheet.stream.permit()
    await sheet.stream.started()
    assert sheet.stream.captions == {}
    await publish(sheet, True)  # the next recording
    await reload(sheet.page)
    await sheet.stream.started()
    assert "resume" in sheet.stream.config
    assert sheet.stream.captions == {}


async def test_withdrawn_captions_do_not_have_the_last_words(sheet: SheetPage) -> None:
    await publish(sheet, True)
    await record_without_end(sheet)
    assert sheet.stream.captions
    await publish(sheet, False)
    await sheet.stream.started()
    assert sheet.stream.captions == {}


async def test_captions_that_are_withdrawn_while_the_microphone_opens_are_not_published(browser: Browser) -> None:
    async with sheet_page(browser, permissions=["microphone"], script=SLOW_MICROPHONE) as sheet:
        await publish(sheet, True)
        await sheet.page.click("#record")
        await sheet.page.wait_for_function("() => window.openMicrophone")
        await publish(sheet, False)
        await sheet.page.evaluate("() => openMicrophone()")
        await sheet.stream.started()
        assert sheet.stream.captions == {}


async def test_speech_before_captions_stays_private(sheet: SheetPage) -> None:
    stream = await sheet.record()
    await expect(sheet.page.locator("#timer")).to_have_text("0:01")
    await publish(sheet, True)
    stream.final(0, "Private.", committed_ms=900)
    await sheet.expect_text("Private.")
    await publish(sheet, False)
    await publish(sheet, True)
    stream.final(1, "Private, too.", committed_ms=950)
    await sheet.expect_text("Private. Private, too.")
    assert len(stream.configs) == 1
    stream.commit_audio()
    await stream.started()
    assert stream.captions
    assert "resume" in stream.config


async def test_private_recording_is_not_published_after_a_reload(sheet: SheetPage) -> None:
    await record_without_server(sheet)
    await publish(sheet, True)
    sheet.stream.permit()
    await sheet.stream.started()
    assert sheet.stream.captions == {}
    await reload(sheet.page)
    await sheet.stream.started()
    assert sheet.stream.captions == {}


async def test_published_recording_is_published_after_a_reload(sheet: SheetPage) -> None:
    await publish(sheet, True)
    await record_without_server(sheet)
    captions = sheet.stream.captions
    await reload(sheet.page)
    sheet.stream.permit()  # only now: the page before must not open another stream
    await sheet.stream.started()
    assert sheet.stream.captions == captions


async def test_recovered_recording_is_not_published(sheet: SheetPage) -> None:
    await publish(sheet, True)
    stream = await sheet.record()
    stream.final(0, "Spoken.")
    await sheet.expect_text("Spoken.")
    await stop_without_server(sheet)
    await choose(sheet.page, "#clear")
    await expect(sheet.page.locator("#recordings li")).to_have_count(1)
    sheet.stream.permit()
    await sheet.page.click("#recordings button:text-is('Recognize')")
    await sheet.stream.started()
    assert sheet.stream.captions == {}
