"""The dictation page in Chromium, as a user operates it, with a device or exact samples as its microphone."""

from __future__ import annotations

import asyncio
import base64
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ

CHROMIUM = "chromium"  # of the Debian package
FLAGS = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
STUB = Path(__file__).with_name("stub_microphone.js")
STATE_TIMEOUT_MS = 180_000  # the last words on a busy machine, and the wait for a server that restarts
DEVICE_TAIL_S = 2.0  # silence after a recording that a device plays; longer than the delay of its start
PLAY_TIMEOUT_S = 60.0  # longer than the audio
# The text of the blocks, without partials.
TEXT = """() => [...document.querySelectorAll('#sheet > p')].map((block) =>
    [...block.childNodes].map((node) => (node instanceof Text ? node.data : '')).join('')).join('\\n')"""


class Capture(Enum):
    """The source of the page's audio."""

    DEVICE = "device"  # the browser's fake device plays a file; browser and system resample it
    SAMPLES = "samples"  # the capture is replaced by a stub that delivers the samples of the file


def write_wav(path: Path, pcm: bytes) -> None:
    """Write audio of 16 kHz, mono, 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm)


@asynccontextmanager
async def chromium(pcm: bytes = b"") -> AsyncIterator[Browser]:
    """Start a browser whose fake device plays this audio once, and then silence.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    executable = shutil.which(CHROMIUM)
    if executable is None:
        raise FileNotFoundError(f"{CHROMIUM} is not installed: install the Debian package {CHROMIUM}.")
    with TemporaryDirectory() as folder:
        recording = Path(folder) / "microphone.wav"
        write_wav(recording, pcm)
        device = (f"--use-file-for-fake-audio-capture={recording}%noloop",) if pcm else ()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *device])
            try:
                yield browser
            finally:
                await browser.close()


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples for the stub; 16 bit, mono."""

    pcm: bytes
    rate_hz: int = SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / SAMPLE_BYTES / self.rate_hz


@dataclass(frozen=True, slots=True)
class DictationSheet:
    """An open dictation page."""

    page: Page
    context: BrowserContext
    capture: Capture

    async def start(self) -> None:
        """Press the record button; return once the page records."""
        await self.page.click("#record")
        await self.wait_for_state("recording", "offline")

    async def stop(self) -> None:
        """Press the record button again, without waiting for the last words."""
        await self.page.click("#record")

    async def state(self) -> str:
        found: str = await self.page.evaluate("() => document.body.dataset.state")
        return found

    async def wait_for_state(self, *states: str) -> None:
        condition = "(states) => states.includes(document.body.dataset.state)"
        await self.page.wait_for_function(condition, arg=list(states), timeout=STATE_TIMEOUT_MS)

    async def play(self, speed: float = 1.0, length_s: float = 0.0) -> None:
        """Set the pace of the samples, and their length if they repeat."""
        await self.page.evaluate("([speed, lengthS]) => stubMicrophone.play(speed, lengthS)", [speed, length_s])

    async def played(self, audio: Audio) -> None:
        """Return once the page has recorded the audio, from now on if a device plays it."""
        if self.capture is Capture.DEVICE:
            await asyncio.sleep(audio.duration_s + DEVICE_TAIL_S)
            return
        await self.page.wait_for_function(
            "() => stubMicrophone.isDone", timeout=1000 * (PLAY_TIMEOUT_S + audio.duration_s)
        )

    async def text(self) -> str:
        shown: str = await self.page.evaluate(TEXT)
        return shown

    async def download_audio(self, path: Path) -> None:
        """Save the page's recording as WAV by its menu."""
        await self.page.click("#more")
        async with self.page.expect_download() as download:
            await self.page.click('[data-download="wav"]')
        await (await download.value).save_as(path)


@asynccontextmanager
async def dictation_sheet(
    browser: Browser, url: str, audio: Audio, capture: Capture = Capture.SAMPLES
) -> AsyncIterator[DictationSheet]:
    """Open the page with empty storage. Without its service worker, whose copies would be additional requests."""
    context = await browser.new_context(locale="en-US", service_workers="block")
    try:
        page = await context.new_page()
        if capture is Capture.SAMPLES:
            await page.add_init_script(path=STUB)
        await page.goto(url)
        await page.wait_for_selector("#sheet:focus > p", state="attached")
        if capture is Capture.SAMPLES:
            encoded = base64.b64encode(audio.pcm).decode()
            await page.evaluate("([pcm, rateHz]) => stubMicrophone.load(pcm, rateHz)", [encoded, audio.rate_hz])
        yield DictationSheet(page, context, capture)
    finally:
        await context.close()
