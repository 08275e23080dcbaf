"""Time from a key to the screen in the dictation page, with much text and while finals arrive.

    python -m lab.page.key_latency [--characters 200000] [--keys 200]

A page in Chromium (headless, with software rendering) has the text in paragraphs or in one line. The time is from the
dispatch of the key event to the frame that shows it, as the Event Timing API measures it, in steps of 8 ms; events
shorter than 16 ms are not reported by it and count as 16 ms. The second time is that of the page's own code and layout.
"""

from __future__ import annotations

import argparse
import asyncio

from playwright.async_api import async_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.sheet_pages import SheetPage, sheet_page

PARAGRAPH = "The quick brown fox jumps over the lazy dog, and the lazy dog does not mind at all. " * 6
FINAL_EVERY_KEYS = 10
KEY_DELAY_MS = 30
PERCENTILE = 0.95

# Counts events of 16 ms and more, and measures from the capture of each key to the end of its layout.
OBSERVE = """() => {
  window.durations = [];
  window.work = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "keydown") durations.push(entry.duration);
  }).observe({ type: "event", durationThreshold: 16 });
  const sheet = document.getElementById("sheet");
  let start = 0;
  addEventListener("keydown", () => (start = performance.now()), true);
  addEventListener("keyup", () => {}, true);
  sheet.addEventListener("beforeinput", () => {
    queueMicrotask(() => {
      sheet.getBoundingClientRect();
      work.push(performance.now() - start);
    });
  });
}"""


async def measure(sheet: SheetPage, text: str, keys: int) -> tuple[float, float, float]:
    """Return the median and the percentile of the frame times, and the percentile of the page's own time."""
    await sheet.text.focus()
    await sheet.page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    await sheet.press("Control+v")
    await sheet.expect_text(text)
    stream = await sheet.record()
    await sheet.text.focus()
    await sheet.page.evaluate(OBSERVE)
    for key in range(keys):
        if key % FINAL_EVERY_KEYS == 0:
            stream.final(key // FINAL_EVERY_KEYS, "One more sentence.")
            stream.partial(key // FINAL_EVERY_KEYS + 1, "and the next")
        await sheet.page.keyboard.press("abcdefgh "[key % 9])
        await asyncio.sleep(KEY_DELAY_MS / 1000)
    slow: list[float] = await sheet.page.evaluate("() => durations")
    work: list[float] = await sheet.page.evaluate("() => work")
    frames = sorted([*slow, *[16.0] * (keys - len(slow))])
    return frames[keys // 2], frames[int(PERCENTILE * keys)], sorted(work)[int(PERCENTILE * len(work))]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--characters", type=int, default=200_000)
    parser.add_argument("--keys", type=int, default=200)
    options = parser.parse_args()
    count = options.characters // (len(PARAGRAPH) + 1)
    texts = {
        "empty": "",
        "paragraphs": "\n".join([PARAGRAPH] * count),
        "one line": PARAGRAPH * count,
    }
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        print(f"{'text':12} {'characters':>10} {'p50':>8} {'p95':>8} {'own p95':>8}")
        for name, text in texts.items():
            permissions = ["microphone", "clipboard-read", "clipboard-write"]
            async with sheet_page(browser, permissions=permissions) as sheet:
                p50, p95, work = await measure(sheet, text, options.keys)
            print(f"{name:12} {len(text):10} {p50:5.0f} ms {p95:5.0f} ms {work:5.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
