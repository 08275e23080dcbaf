"""Chromium with a microphone that plays a file, and pages that load the modules of the web page."""

from __future__ import annotations

import shutil
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, async_playwright

from benchmarks.recordings import SAMPLE_RATE_HZ
from tests.browser.dictation_page import DictationPage
from tests.browser.restartable_server import PAUSE, SPEECH, RestartableServer

ASSETS = Path(__file__).parents[2] / "stt_service" / "http" / "page" / "assets"
# The headless shell has the same engine; without the browser's windows, it needs half of the CPU time.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
FLAGS = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

Launch = Callable[[Path | None], Awaitable[Browser]]


@pytest_asyncio.fixture(scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """Return Playwright; the tests are skipped without the Debian package chromium-headless-shell or chromium."""
    if CHROMIUM is None:
        pytest.skip("needs the Debian package chromium-headless-shell or chromium")
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def launch(playwright: Playwright) -> AsyncIterator[Launch]:
    """Return a function that starts a browser whose microphone plays a WAV file once, and then silence."""
    async with AsyncExitStack() as browsers:

        async def start(recording: Path | None) -> Browser:
            file = () if recording is None else (f"--use-file-for-fake-audio-capture={recording}%noloop",)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *file])
            browsers.push_async_callback(browser.close)
            return browser

        yield start


@pytest_asyncio.fixture(scope="session")
async def browser(launch: Launch) -> Browser:
    """Return a browser whose microphone beeps."""
    return await launch(None)


class _Files(SimpleHTTPRequestHandler):
    """Answers / with an empty page and /assets with the files of the web page; there is no API."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments, directory=str(ASSETS))

    def do_GET(self) -> None:
        if self.path != "/":
            self.path = self.path.removeprefix("/assets")
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>blank</title>")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="session")
def blank_url() -> Iterator[str]:
    """Return the address of an empty page with the modules of the web page and no API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture
async def blank_page(browser: Browser, blank_url: str) -> AsyncIterator[Page]:
    """Return an empty page that can import the modules of the web page: `await import("/assets/…")`."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(blank_url)
    yield page
    await context.close()


@pytest.fixture(scope="module")
def running_server() -> Iterator[RestartableServer]:
    server = RestartableServer()
    yield server
    server.close()


@pytest.fixture
def server(running_server: RestartableServer) -> RestartableServer:
    """Return a server that runs."""
    return running_server.ensure_started()


@pytest_asyncio.fixture(scope="module")
async def speaking(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Return a browser whose microphone plays the recording."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    _write_wav(path, PAUSE.join(recording.pcm() for recording in SPEECH))
    return await launch(path)


def _write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm)


@pytest_asyncio.fixture
async def dictation(speaking: Browser, server: RestartableServer) -> AsyncIterator[DictationPage]:
    """Return a page of the server, with empty storage."""
    context = await speaking.new_context()
    yield await DictationPage.open(await context.new_page(), server.url)
    await context.close()
