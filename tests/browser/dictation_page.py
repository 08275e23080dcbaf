"""A page that dictates: controls `Dictation` in Chromium and records its events."""

from __future__ import annotations

import asyncio
import base64
import json
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

from playwright.async_api import Page

TIMEOUT_S = 90.0  # of an event; recognition on a busy machine

Detail = dict[str, object]
Matches = Callable[[Detail], bool]

# An open dictation in the page. Levels are counted in the page, as there are 20 in a second.
BIND = """
window.observe = (dictation) => {
    window.dictation = dictation;
    window.levels = [];
    dictation.addEventListener("level", ({ detail }) => levels.push(detail));
    for (const type of ["state", "speech", "partial", "final", "suppressed", "notice", "storage"]) {
        dictation.addEventListener(type, ({ detail }) => window.record(type, JSON.stringify(detail)));
    }
};
window.base64Of = async (blob) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const parts = [];
    for (let start = 0; start < bytes.length; start += 8192) {
        parts.push(String.fromCharCode(...bytes.subarray(start, start + 8192)));
    }
    return btoa(parts.join(""));
};
"""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of `Dictation`."""

    type: str
    detail: Detail


@dataclass(slots=True)
class DictationPage:
    """A page with the module; events of all dictations in it, also before reloads, in order."""

    page: Page
    url: str
    events: list[Event] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    async def open(cls, page: Page, url: str) -> DictationPage:
        """Open a file of the server, which is a document without code of its own that the service worker copies."""
        opened = cls(page, url)
        session = await page.context.new_cdp_session(page)
        await session.send("Page.setBypassCSP", {"enabled": True})  # a file has a policy that permits no code
        await page.expose_function("record", lambda kind, detail: opened._record(kind, detail))
        await page.add_init_script(BIND)
        await page.goto(f"{url}/assets/recording/dictation.js")
        await opened.load()
        return opened

    async def load(self) -> None:
        """Import the module and the worklet's file, so that recording needs no server; `start` may be called then."""
        await self.page.evaluate(
            """async () => {
                window.Dictation = (await import("/assets/recording/dictation.js")).Dictation;
            }"""
        )

    async def reload(self) -> None:
        """Reload the page, as a user does."""
        await self.page.reload()
        await self.load()

    async def start(self, **options: object) -> None:
        """Start recording; options are those of `Dictation` without the address."""
        await self.page.evaluate(
            """async ([baseUrl, options]) => {
                observe(new Dictation({ baseUrl, ...options }));
                await dictation.start();
            }""",
            [self.url, {"settings": {"language": "en"}, **options}],
        )

    async def stop(self) -> Detail:
        """Stop recording; return the result of `stop`."""
        result: Detail = await self.page.evaluate("() => dictation.stop()")
        return result

    async def recoverable(self) -> list[Detail]:
        """Return the recordings that an earlier page left."""
        found: list[Detail] = await self.page.evaluate(
            """async (baseUrl) => {
                window.recovered = await Dictation.recover({ baseUrl });
                return JSON.parse(JSON.stringify(recovered));
            }""",
            self.url,
        )
        return found

    async def resume(self, recording: object) -> None:
        """Recognize the rest of a recording that `recoverable` returned."""
        await self.page.evaluate(
            "async (id) => observe(await recovered.find((entry) => entry.id === id).resume())", recording
        )

    async def wait_for(self, kind: str, matches: Matches = lambda _: True, after: int = 0) -> Detail:
        """Return the first event that matches; `after` is a number of events to skip."""
        async with asyncio.timeout(TIMEOUT_S), self._arrived:
            while True:
                for event in self.events[after:]:
                    if event.type == kind and matches(event.detail):
                        return event.detail
                await self._arrived.wait()

    async def wait_for_state(self, state: str, after: int = 0) -> Detail:
        return await self.wait_for("state", lambda detail: detail["state"] == state, after)

    def of(self, kind: str) -> list[Detail]:
        """Return the details of the events of a type."""
        return [event.detail for event in self.events if event.type == kind]

    @property
    def finals(self) -> list[tuple[object, object]]:
        """Utterance numbers and texts of the finals, as they came."""
        return [(detail["utterance"], detail["text"]) for detail in self.of("final")]

    def assert_exactly_once(self) -> None:
        """Assert that each utterance has one result, in order."""
        results = [event.detail["utterance"] for event in self.events if event.type in ("final", "suppressed")]
        assert results == list(range(len(results)))

    async def wav(self, expression: str = "dictation.download()") -> WavAudio:
        """Return the WAV file of a JavaScript expression for a Blob."""
        return wav_audio(base64.b64decode(await self.page.evaluate(f"async () => base64Of(await {expression})")))

    async def _record(self, kind: str, detail: str) -> None:
        async with self._arrived:
            self.events.append(Event(kind, json.loads(detail)))
            self._arrived.notify_all()


@dataclass(frozen=True, slots=True)
class WavAudio:
    """16-bit mono PCM of a WAV file."""

    rate_hz: int
    pcm: bytes

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / 2 / self.rate_hz


def number(value: object) -> float:
    """Return a number of a detail."""
    assert isinstance(value, int | float)
    return value


def wav_audio(data: bytes) -> WavAudio:
    """Read a WAV file."""
    with wave.open(BytesIO(data), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return WavAudio(file.getframerate(), file.readframes(file.getnframes()))
