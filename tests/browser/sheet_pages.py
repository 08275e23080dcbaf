"""The dictation page without a server: its files, and a stream whose events the test sends."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

from playwright.async_api import Browser, BrowserContext, Dialog, Page, ViewportSize, WebSocketRoute, expect

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
    "limits": {"promptChars": 2000, "hotwords": 100},
    "settings": {"language": "auto", "postSpeechSilence": "1.500s"},
}
DOCUMENTS = {"/": "index.html", "/manifest.webmanifest": "manifest.webmanifest"}
# The text of the blocks, without partials.
SHOWN_TEXT = """() => [...document.querySelectorAll('#sheet > p')].map((block) =>
  [...block.childNodes].map((node) => (node instanceof Text ? node.data : '')).join('')).join('\\n')"""
MOVE_CARET = """({ line, offset }) => {
  const node = document.querySelectorAll('#sheet > p')[line].firstChild;
  getSelection().collapse(node, offset);
}"""
WATCH_STATES = """() => {
  window.states = [];
  const state = document.getElementById("state");
  new MutationObserver(() => states.push(state.textContent)).observe(state, { childList: true });
}"""


def _wait_until_rows(database: str, store: str, condition: str) -> str:
    """Return a function that waits until the rows of a store meet a condition."""
    return f"""async (value) => {{
      const resultOf = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const database = await resultOf(indexedDB.open("{database}"));
      const rows = () => resultOf(database.transaction("{store}").objectStore("{store}").getAll());
      while (!({condition})(await rows(), value)) await new Promise(requestAnimationFrame);
    }}"""


# Waits until a sheet with the text is in the database.
WAIT_UNTIL_STORED = _wait_until_rows("stt-sheets", "sheets", "(rows, text) => rows.some((row) => row.text === text)")
# Waits until a recording's audio is in the database.
WAIT_FOR_STORED_AUDIO = _wait_until_rows("stt-recordings", "chunks", "(rows) => rows.length > 0")

SHUTDOWN_POLL_S = 0.01
ALL_MS = "1000000000"  # after the end of all audio
Json = dict[str, object]
Rejection = Callable[[dict[str, Json]], Json | None]  # the failure of a stream, from its first message
Words = Sequence[tuple[str, float]]  # with confidences


class ScriptedStream:
    """The server's end of /api/stream: accepts each stream, and sends what the test wants."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None  # of the stream whose events are sent
        self._sockets: list[WebSocketRoute] = []  # of the accepted streams
        self._starts: asyncio.Queue[None] = asyncio.Queue()
        self._updates: asyncio.Queue[Json] = asyncio.Queue()
        self._held_end = asyncio.Event()
        self._is_refusing = self._is_holding_end = self._is_committing = False
        self.rejection: Rejection = lambda _: None
        self.configs: list[Json] = []  # of all streams
        self.config: Json = {}
        self.captions: Json = {}
        self._closing: asyncio.Future[None] | None = None
        self.audio_bytes = 0

    async def accept(self, socket: WebSocketRoute) -> None:
        if self._is_refusing:
            await socket.close(code=1012)
            return
        self._socket = socket
        self._sockets.append(socket)
        socket.on_message(lambda message: self._on_message(socket, message))

    async def refuse(self) -> None:
        """Close the connection, and each further one."""
        self._is_refusing = True
        await self._close(1012)

    def permit(self) -> None:
        """Accept connections again."""
        self._is_refusing = False

    def select(self, number: int) -> None:
        """Send the next events to an earlier stream, counted from 0."""
        self._socket = self._sockets[number]

    async def started(self) -> None:
        """Wait until the page has opened one more stream."""
        await asyncio.wait_for(self._starts.get(), 20)

    def begin(self, utterance: int, start_ms: int = 0) -> None:
        self._send(speechStarted={"utterance": str(utterance), "startMs": str(start_ms)})

    def partial(self, utterance: int, text: str) -> None:
        self._send(partial={"utterance": str(utterance), "stable": text, "startMs": "0"})

    def final(self, utterance: int, text: str, words: Words = (), committed_ms: int = 0) -> None:
        times = [
            {"text": word, "startMs": str(100 * number), "endMs": str(100 * number + 90), "confidence": confidence}
            for number, (word, confidence) in enumerate(words)
        ]
        start_ms, end_ms = str(1000 * utterance), str(1000 * utterance + 900)
        final = {"utterance": str(utterance), "text": text, "startMs": start_ms, "endMs": end_ms, "words": times}
        last = {"language": "en", "confidence": 0.9, "endpoint": "ENDPOINT_SILENCE"}
        self._send(final={**final, **last}, committedMs=str(committed_ms))

    def suppress(self, utterance: int) -> None:
        self._send(suppressed={"utterance": str(utterance), "startMs": "0", "endMs": "500", "reason": "NO_SPEECH"})

    def commit_audio(self) -> None:
        """Commit all audio as it arrives from now on."""
        self._is_committing = True

    def notice(self, message: str, reason: str = "OTHER") -> None:
        self._send(notice={"reason": reason, "message": message})

    def hold_end(self) -> None:
        """Do not answer the end of the audio."""
        self._is_holding_end = True

    async def complete(self) -> None:
        """Answer the end of the audio, once it has arrived."""
        await asyncio.wait_for(self._held_end.wait(), 20)
        self._send(receivedMs=ALL_MS, committedMs=ALL_MS)
        await self._close(1000)

    async def next_update(self) -> Json:
        """Return the next changed settings that the page sends."""
        return await asyncio.wait_for(self._updates.get(), 20)

    async def fail(self, reason: str, message: str) -> None:
        """End the stream with a failure."""
        self._send(failure={"reason": reason, "message": message})
        await self._close(1008)

    def allow(self) -> None:
        """Accept connections, and answer the end of the audio."""
        self._is_refusing = self._is_holding_end = False

    def _send(self, **event: object) -> None:
        assert self._socket is not None
        _send(self._socket, **event)

    def _on_message(self, socket: WebSocketRoute, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.audio_bytes += len(message)
            if self._is_committing:
                _send(socket, committedMs=ALL_MS)
        else:
            self._on_text(socket, json.loads(message))

    def _on_text(self, socket: WebSocketRoute, message: dict[str, Json]) -> None:
        match message:
            case {"config": config}:
                self.config, self.captions = config, message.get("captions", {})
                self.configs.append(config)
                if failure := self.rejection(message):
                    _send(socket, failure={"message": "Rejected.", **failure})
                    self._closing = asyncio.ensure_future(socket.close(code=1008))
                    return
                _send(socket, started={"streamId": "1", "model": "base"})
                self._starts.put_nowait(None)
            case {"update": update}:
                self._updates.put_nowait(update)
            case {"end": _} if self._is_holding_end:
                self._held_end.set()
            case {"end": _}:
                _send(socket, receivedMs=ALL_MS, committedMs=ALL_MS)
                self._closing = asyncio.ensure_future(socket.close(code=1000))

    async def _close(self, code: int) -> None:
        assert self._socket is not None
        await self._socket.close(code=code)


def _send(socket: WebSocketRoute, **event: object) -> None:
    socket.send(json.dumps({"receivedMs": "0", "committedMs": "0", **event}))


class SheetPage:
    """A loaded dictation page and the server's end of its stream."""

    def __init__(self, page: Page, stream: ScriptedStream, origin: str) -> None:
        self.page, self.stream, self.origin = page, stream, origin
        self.context: BrowserContext = page.context
        self.text = page.locator("#sheet")
        self.problems: list[str] = []  # errors in the console; violations of the CSP are errors there, too

    def watch(self, page: Page) -> None:
        """Collect the errors of the page's console."""
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    async def record(self, state: str = "Recording") -> ScriptedStream:
        """Press the button; return the stream once the server has accepted it, and the page shows the state."""
        await self.page.click("#record")
        await self.stream.started()
        await expect(self.page.locator("#state")).to_have_text(state)
        return self.stream

    async def interrupt(self) -> None:
        """Reload the page while it records, once it has audio to recognize after that."""
        await self.page.evaluate(WAIT_FOR_STORED_AUDIO)
        await self.page.reload()

    async def expect_text(self, text: str) -> None:
        """Wait until the sheet has exactly this text, without partials."""
        await self.page.wait_for_function(f"(text) => ({SHOWN_TEXT})() === text", arg=text, timeout=5000)

    async def shown_text(self) -> str:
        shown: str = await self.page.evaluate(SHOWN_TEXT)
        return shown

    async def watch_states(self) -> None:
        """Collect the states that the page shows from now on."""
        await self.page.evaluate(WATCH_STATES)

    async def shown_states(self) -> set[str]:
        return set(await self.page.evaluate("() => window.states"))

    async def move(self, line: int, offset: int) -> None:
        """Move the caret as a click does."""
        await self.page.evaluate(MOVE_CARET, {"line": line, "offset": offset})

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)


async def choose(page: Page, item: str) -> None:
    """Choose an item of the menu."""
    await page.click("#more")
    await page.click(item)


async def begin_sheets(sheet: SheetPage, *texts: str) -> None:
    """Type each text into a sheet of its own, and begin another one."""
    for text in texts:
        await sheet.page.keyboard.type(text)
        await choose(sheet.page, "#clear")
        await sheet.expect_text("")


def answer_dialogs(listen: Callable[..., None], *, is_accepted: bool) -> list[str]:
    """Answer the next dialog (`page.once`) or all of them (`page.on`); return the list of their messages, or types."""
    questions: list[str] = []

    def on_dialog(dialog: Dialog) -> None:
        questions.append(dialog.message or dialog.type)
        asyncio.ensure_future(dialog.accept() if is_accepted else dialog.dismiss())  # noqa: RUF006

    listen("dialog", on_dialog)
    return questions


async def downloaded(page: Page, file_format: str) -> bytes:
    """Return the content of a file that the page's menu offers."""
    await page.click("#more")
    async with page.expect_download() as download:
        await page.click(f"[data-download={file_format}]")
    value = await download.value
    assert value.suggested_filename.startswith("dictation-")
    assert value.suggested_filename.endswith(f".{file_format}")
    return await asyncio.to_thread(Path(await value.path()).read_bytes)


class _Files(SimpleHTTPRequestHandler):
    """The page's files with the server's policy. A worklet is loaded past the routes of Playwright."""

    protocol_version = "HTTP/1.1"  # a page of 70 files needs few connections
    token = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/api/info":
            is_authorized = not self.token or self.headers.get("Authorization") == f"Bearer {self.token}"
            self._send_json({**INFO, "tokensRequired": bool(self.token), "authorized": is_authorized})
        else:
            self.path = "/" + DOCUMENTS.get(path, path.removeprefix("/assets/").removeprefix("/"))
            super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def _send_json(self, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _FileServer(ThreadingHTTPServer):
    """A browser that is closed may reset its connections."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            raise


@contextmanager
def page_files(token: str = "", host: str = "localhost") -> Iterator[str]:
    """Serve the files; return the origin. With a token, the server reports that it requires it."""
    handler = type("Files", (_Files,), {"token": token})
    with _FileServer(("127.0.0.1", 0), partial(handler, directory=str(ASSETS))) as server:
        Thread(target=server.serve_forever, args=(SHUTDOWN_POLL_S,), daemon=True).start()
        yield f"http://{host}:{server.server_port}"
        server.shutdown()


@asynccontextmanager
async def sheet_page(
    browser: Browser,
    *,
    width: int = 1280,
    color_scheme: Literal["light", "dark"] = "light",
    locale: str = "en-US",
    permissions: Sequence[str] = (),
    token: str = "",
    host: str = "localhost",
    user_agent: str | None = None,
    script: str = "",
) -> AsyncIterator[SheetPage]:
    """Open the page, with a script that runs first; at the end, there must have been no error in the console."""
    with page_files(token, host) as origin:
        viewport: ViewportSize = {"width": width, "height": 740}
        context = await browser.new_context(
            viewport=viewport,
            color_scheme=color_scheme,
            locale=locale,
            permissions=[*permissions],
            user_agent=user_agent,
            service_workers="block",  # it would load each file a second time
        )
        await context.add_init_script(script)
        stream = ScriptedStream()
        await context.route_web_socket(f"{origin.replace('http', 'ws')}/api/stream", stream.accept)
        opened = SheetPage(await context.new_page(), stream, origin)
        opened.watch(opened.page)
        await opened.page.goto(origin)
        await opened.page.wait_for_selector("#sheet > p", state="attached")
        yield opened
        assert opened.problems == []
        await context.close()
