"""The dictation page without a server: its files, and a stream whose events the test sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypedDict, Unpack

from playwright.async_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.browser.conftest import ASSETS

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
INFO = {
    "version": "0.1.0",
    "tokensRequired": False,
    "authorized": True,
    "secure": False,
    "model": "base",
    "notReady": None,
    "languages": ["en", "ru"],
}
DOCUMENTS = {"/": "index.html", "/manifest.webmanifest": "manifest.webmanifest"}
# The text of the blocks, without partials.
SHOWN_TEXT = """() => [...document.querySelectorAll('#sheet > p')].map((block) =>
  [...block.childNodes].map((node) => (node instanceof Text ? node.data : '')).join('')).join('\\n')"""
MOVE_CARET = """({ line, offset }) => {
  const node = document.querySelectorAll('#sheet > p')[line].firstChild;
  getSelection().collapse(node, offset);
}"""

Words = list[tuple[str, float]]  # with confidences


class ContextOptions(TypedDict, total=False):
    """Options of `Browser.new_context` that the tests use."""

    viewport: dict[str, int]
    color_scheme: str
    locale: str
    permissions: list[str]


class ScriptedStream:
    """The server's end of /api/stream: accepts each stream, and sends what the test wants."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self._is_started = asyncio.Event()
        self._closing: asyncio.Future[None] | None = None
        self.audio_bytes = 0

    def accept(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(self._on_message)

    async def started(self) -> None:
        await asyncio.wait_for(self._is_started.wait(), 20)

    def begin(self, utterance: int, start_ms: int = 0) -> None:
        self._send(speechStarted={"utterance": str(utterance), "startMs": str(start_ms)})

    def partial(self, utterance: int, text: str) -> None:
        self._send(partial={"utterance": str(utterance), "stable": text, "startMs": "0"})

    def final(self, utterance: int, text: str, words: Words = ()) -> None:  # type: ignore[assignment]
        times = [
            {"text": word, "startMs": str(100 * number), "endMs": str(100 * number + 90), "confidence": confidence}
            for number, (word, confidence) in enumerate(words)
        ]
        start_ms, end_ms = str(1000 * utterance), str(1000 * utterance + 900)
        final = {"utterance": str(utterance), "text": text, "startMs": start_ms, "endMs": end_ms, "words": times}
        self._send(final={**final, "language": "en", "confidence": 0.9, "endpoint": "ENDPOINT_SILENCE"})

    def suppress(self, utterance: int) -> None:
        self._send(suppressed={"utterance": str(utterance), "startMs": "0", "endMs": "500", "reason": "NO_SPEECH"})

    def fail(self, reason: str, message: str) -> None:
        self._send(failure={"code": 16, "reason": reason, "message": message})

    def _send(self, **event: object) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps({"receivedMs": "0", "committedMs": "0", **event}))

    def _on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.audio_bytes += len(message)
        elif "config" in json.loads(message):
            self._send(started={"streamId": "1", "model": "base"})
            self._is_started.set()
        elif "end" in json.loads(message):
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        assert self._socket is not None
        await self._socket.close(code=1000)


class SheetPage:
    """A loaded dictation page and the server's end of its stream."""

    def __init__(self, page: Page, stream: ScriptedStream, context: BrowserContext) -> None:
        self.page, self.stream, self.context = page, stream, context
        self.text = page.locator("#sheet")
        self.problems: list[str] = []  # errors in the console; violations of the CSP are errors there, too

    def watch(self, page: Page) -> None:
        """Collect the errors of the page's console."""
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    async def record(self) -> ScriptedStream:
        """Press the button; return the stream once the server has accepted it."""
        await self.page.click("#record")
        await self.stream.started()
        await expect(self.page.locator("#state")).to_have_text("Recording")
        return self.stream

    async def expect_text(self, text: str) -> None:
        """Wait until the sheet has exactly this text, without partials."""
        await self.page.wait_for_function(f"(text) => ({SHOWN_TEXT})() === text", arg=text, timeout=5000)

    async def shown_text(self) -> str:
        shown: str = await self.page.evaluate(SHOWN_TEXT)
        return shown

    async def move(self, line: int, offset: int) -> None:
        """Move the caret as a click does."""
        await self.page.evaluate(MOVE_CARET, {"line": line, "offset": offset})

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)


class _Files(SimpleHTTPRequestHandler):
    """The page's files with the server's policy. A worklet is loaded past the routes of Playwright."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/api/info":
            self._send(json.dumps(INFO).encode(), "application/json")
            return
        if path == "/service-worker.js" and not (ASSETS / "service-worker.js").exists():
            self._send(b"", "text/javascript")
            return
        self.path = "/" + DOCUMENTS.get(path, path.removeprefix("/assets/"))
        super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def _send(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def page_files() -> Iterator[str]:
    """Serve the files; return the origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(ASSETS))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@asynccontextmanager
async def sheet_page(browser: Browser, **options: Unpack[ContextOptions]) -> AsyncIterator[SheetPage]:
    """Open the page; at the end, there must have been no error in the console."""
    with page_files() as origin:
        context = await browser.new_context(**options)  # type: ignore[arg-type]
        stream = ScriptedStream()
        await context.route_web_socket(f"{origin.replace('http', 'ws')}/api/stream", stream.accept)
        opened = SheetPage(await context.new_page(), stream, context)
        opened.watch(opened.page)
        await opened.page.goto(origin)
        await opened.page.wait_for_selector("#sheet:focus > p", state="attached")
        yield opened
        assert opened.problems == []
        await context.close()
