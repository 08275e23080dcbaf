"""The dictation page in Firefox: a real recording through the microphone of the system, typing, a reload."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.harness.word_errors import count_errors, normalize
from tests.browser.firefox import PROGRAM, FirefoxPage, open_firefox
from tests.browser.restartable_server import SPEECH, RestartableServer
from tests.browser.sheet_pages import SHOWN_TEXT, WAIT_UNTIL_STORED
from tests.support.audio import virtual_room
from tests.support.audio.virtual_room import VirtualRoom

pytestmark = [
    pytest.mark.model,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(PROGRAM is None, reason="needs Firefox (Debian: firefox-esr)"),
    pytest.mark.skipif(bool(virtual_room.missing_requirement()), reason=f"needs {virtual_room.missing_requirement()}"),
]

PREFERENCES = json.dumps({"language": "en", "silence": 0.7})
RECOGNITION_S = 90.0  # on a busy machine
MAX_WORD_ERROR_PERCENT = 30.0  # of the smallest model, through a virtual sound card
TEXT = f"({SHOWN_TEXT})()"
STATE = "document.getElementById('state').textContent"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[VirtualRoom]:
    with virtual_room.open_room(tmp_path) as room:
        yield room


@pytest_asyncio.fixture
async def page(room: VirtualRoom, server: RestartableServer, tmp_path: Path) -> AsyncIterator[FirefoxPage]:
    """Return the page, ready to record from the room."""
    profile = tmp_path / "profile"
    profile.mkdir()
    async with open_firefox(profile, {**os.environ, **room.variables}) as page:
        await page.go_to(server.url)
        await page.evaluate(f"localStorage.setItem('stt-settings', '{PREFERENCES}')")
        await page.reload()
        await page.wait_for("document.activeElement.id === 'sheet'")
        yield page


async def test_dictation_while_typing_and_after_a_reload(page: FirefoxPage, room: VirtualRoom) -> None:
    await page.type("Typed.")
    await page.click("#record")
    await page.wait_for(f"{STATE} === 'Recording'", RECOGNITION_S)
    recording = SPEECH[0]
    await asyncio.to_thread(room.play, recording.path)
    await page.wait_for("document.querySelector('#sheet .partial')", RECOGNITION_S)
    await page.press("Enter")
    await page.type("Second line")
    await page.click("#record")
    await page.wait_for(f"{STATE} === 'Not recording'", RECOGNITION_S)
    text = str(await page.evaluate(TEXT))
    dictated, second = text.removeprefix("Typed. ").split("\n")
    errors = count_errors(normalize(recording.text, "en"), normalize(dictated, "en"))
    assert errors.percent <= MAX_WORD_ERROR_PERCENT
    assert second == "Second line"
    await page.press("Control", "z")
    await page.wait_for(f"{TEXT} !== {json.dumps(text)}")
    await page.press("Control", "y")
    await page.wait_for(f"{TEXT} === {json.dumps(text)}")
    await page.evaluate(f"({WAIT_UNTIL_STORED})({json.dumps(text)})")
    await page.evaluate("localStorage.setItem('stt-settings', '{}')")
    await page.reload()
    await page.wait_for(f"{TEXT} === {json.dumps(text)}")
