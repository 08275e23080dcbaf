"""A controlled server, and the monitor page that shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.monitor_pages import opened
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import ControlledServer, controlled_server

expect.set_options(timeout=20_000)  # the default of 5 s is short for a machine that runs other tests


@pytest_asyncio.fixture
async def controlled() -> AsyncIterator[ControlledServer]:
    async with controlled_server(BeamRecordingEngine(), others={"tiny": BeamRecordingEngine()}) as running:
        yield running


@pytest_asyncio.fixture
async def page(browser: Browser, controlled: ControlledServer) -> AsyncIterator[Page]:
    async with opened(browser, controlled.server.http.address) as shown:
        await expect(shown.locator("#state")).to_have_text("Serving")
        yield shown
