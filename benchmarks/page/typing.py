"""Time from a key to the frame that shows its text, with and without finals that arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import quantiles

from playwright.async_api import Browser

from benchmarks.comparison.systems import SAMPLE_BYTES
from benchmarks.page.browser import Audio, DictationSheet, dictation_sheet
from benchmarks.page.scripted_server import Script, ScriptedServer, scripted_server

MAX_KEY_P95_MS = 30.0
KEY_S = 1 / 20
DICTATION = Script(utterance_ms=500, partial_ms=100)  # faster than any speaker: 2 finals and 8 partials in a second
SILENCE = Script(utterance_ms=10_000_000, partial_ms=10_000_000)
RATE_HZ = 48_000
SENTENCE = "Word after word, and line after line, the text of a long day of dictation grows. "
TEXT_BYTES = 200_000
TEXTS: Mapping[str, str] = {
    "empty": "",
    "200 kB, paragraphs": "\n".join([SENTENCE * 6] * (TEXT_BYTES // (6 * len(SENTENCE)))),
    "200 kB, one paragraph": SENTENCE * (TEXT_BYTES // len(SENTENCE)),
}
KEYS = "zqj"  # in no word of the texts
PASTE = """(text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    document.querySelector("#sheet").dispatchEvent(event);
}"""
# The sheet handles `beforeinput` on its element and changes the DOM at once; a listener on the document follows it.
# The task after the next frame's callbacks is the earliest that follows its painting.
OBSERVE = """() => {
    window.keys = { latenciesMs: [], longTasksMs: [] };
    let pressedMs = 0;
    document.addEventListener("keydown", ({ timeStamp }) => (pressedMs = timeStamp), true);
    document.addEventListener("beforeinput", () => {
        const startedMs = pressedMs;
        requestAnimationFrame(() => {
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => keys.latenciesMs.push(performance.now() - startedMs);
            port2.postMessage(null);
        });
    });
    const tasks = new PerformanceObserver((list) => {
        keys.longTasksMs.push(...list.getEntries().map(({ duration }) => duration));
    });
    tasks.observe({ type: "longtask" });
}"""


@dataclass(frozen=True, slots=True)
class Typed:
    """The keys of one run."""

    name: str
    keys: int
    shown: int  # keys whose text is in the sheet
    finals: int
    latencies_ms: list[float]
    long_tasks_ms: list[float]  # of 50 ms or more: the browser reports no others

    @property
    def p95_ms(self) -> float:
        return quantiles(self.latencies_ms, n=20)[-1]

    def row(self) -> str:
        p50_ms = quantiles(self.latencies_ms, n=2)[0]
        longest = f"{max(self.long_tasks_ms):.0f} ms" if self.long_tasks_ms else "–"
        return (
            f"| {self.name} | {self.finals} | {self.keys} | {self.keys - self.shown} | {p50_ms:.1f} ms | "
            f"{self.p95_ms:.1f} ms | {max(self.latencies_ms):.1f} ms | {len(self.long_tasks_ms)} | {longest} |"
        )


HEAD = (
    "| text | finals | keys | keys lost | key to screen, p50 | p95 | most | long tasks | longest |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


async def measure_typing(browser: Browser, keys: int) -> list[Typed]:
    """Type into each text, first without dictation, then while finals arrive at the cursor."""
    server = ScriptedServer(SILENCE)
    length_s = 2 * keys * KEY_S + 60  # more than the keys take on a busy machine
    audio = Audio(bytes(RATE_HZ * SAMPLE_BYTES), RATE_HZ)
    runs = list[Typed]()
    async with scripted_server(server) as url:
        for name, text in TEXTS.items():
            for state, script in (("no dictation", SILENCE), ("finals arrive", DICTATION)):
                server.script = script
                async with dictation_sheet(browser, url, audio) as sheet:
                    await sheet.play(length_s=length_s)
                    await sheet.page.evaluate(PASTE, text)
                    await sheet.start()
                    runs.append(await _type(f"{name}; {state}", sheet, server, keys))
    return runs


async def _type(name: str, sheet: DictationSheet, server: ScriptedServer, keys: int) -> Typed:
    await sheet.page.evaluate(OBSERVE)
    before, finals = await sheet.text(), server.finals
    for number in range(keys):
        await sheet.page.keyboard.press(KEYS[number % len(KEYS)])
        await asyncio.sleep(KEY_S)
    found = "(keys) => window.keys.latenciesMs.length === keys"
    await sheet.page.wait_for_function(found, arg=keys)
    latencies_ms, long_tasks_ms = await sheet.page.evaluate("() => [keys.latenciesMs, keys.longTasksMs]")
    after = await sheet.text()
    shown = sum(after.count(key) - before.count(key) for key in KEYS)
    return Typed(name, keys, shown, server.finals - finals, latencies_ms, long_tasks_ms)
