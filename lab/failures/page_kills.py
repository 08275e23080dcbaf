"""Proves that the web page loses no word when its server is killed, and measures its memory.

Kills: Chromium's microphone plays a dictation in real time; the server is killed with SIGKILL at random moments and
started again. The text is compared with that of an uninterrupted gRPC stream of the audio that the page recorded.
Memory: an hour of speech through the page's recording modules, as fast as the server recognizes it.

Ends with exit code 1 if an utterance is missing, repeated or at another position. Its text can differ in a word, as
resampling that starts at a resume point rounds differently (protocol.md).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page, async_playwright

from benchmarks.recordings import RECORDINGS, SAMPLE_RATE_HZ
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.dictation_page import DictationPage
from tests.browser.restartable_server import SETTINGS, RestartableServer

DICTATION = "en/dictation"
TAIL_S = 3.0  # of silence, so that the last utterance ends
LONGEST_BACKLOG_MS = 60_000  # of audio that waits for its text in the measurement of memory
FEED = (
    """async ([baseUrl, pcm, seconds]) => {
    const { openJournal } = await import("/assets/recording/journal.js");
    const { Recording } = await import("/assets/recording/recording.js");
    const { Recognizer } = await import("/assets/recording/recognizer.js");
    const audio = Uint8Array.from(atob(pcm), (letter) => letter.charCodeAt(0));
    const recording = Recording.begin(await openJournal(), "memory", 16000, { language: "en" }, () => {});
    window.fed = { seconds: 0, finals: 0, maxBufferedBytes: 0, isDone: false };
    let woken = () => {};
    const owner = {
        wasStarted: false,
        onEvent: (event) => { fed.finals += event.type === "final"; recording.saveResult(event); woken(); },
        onCommit: () => { recording.save(); woken(); },
        onConnection: () => {},
    };
    const target = { baseUrl, token: "", captions: null };
    const recognizer = new Recognizer(target, recording.format, recording.buffer, recording.tracker, owner);
    const done = recognizer.run();
    for (let position = 0; fed.seconds < seconds; fed.seconds += 0.05) {
        while (recording.buffer.durationMs > """
    + f"{LONGEST_BACKLOG_MS}"
    + """) {
            await new Promise((resolve) => { woken = resolve; });
        }
        recording.tape.append(audio.slice(position, position + 1600));
        position = (position + 1600) % (audio.length - 1600);
        recognizer.onInput();
    }
    recognizer.endInput();
    await done;
    fed.isDone = true;
}"""
)


@asynccontextmanager
async def opened_page(server: RestartableServer, pcm: bytes) -> AsyncIterator[DictationPage]:
    """Open a page whose microphone plays the audio."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "microphone.wav")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(pcm)
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={path}%noloop"]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
            yield await DictationPage.open(await browser.new_page(), server.url)
            await browser.close()


async def interrupted(server: RestartableServer, pcm: bytes, kills: int, chance: random.Random) -> bool:
    """Dictate with that many kills; return whether its utterances are those of an uninterrupted stream."""
    duration_s = len(pcm) / 2 / SAMPLE_RATE_HZ
    loop = asyncio.get_running_loop()
    async with opened_page(server, pcm) as dictation:
        await dictation.start(settings=SETTINGS)
        started_s = loop.time()
        for moment_s in sorted(chance.uniform(1, duration_s - 1) for _ in range(kills)):
            await asyncio.sleep(max(0.0, started_s + moment_s - loop.time()))
            server.kill()
            await asyncio.to_thread(server.start)
        await asyncio.sleep(max(0.0, started_s + duration_s + TAIL_S - loop.time()))
        await dictation.stop()  # returns at once while there is no server
        await dictation.wait_for_state("idle")
        dictation.assert_exactly_once()
        states = [str(detail["state"]) for detail in dictation.of("state")]
        outages = sum(before != "offline" and after == "offline" for before, after in pairwise(states))
        expected = await server.finals(await dictation.wav())
        spans = [(detail["startMs"], detail["endMs"]) for detail in dictation.of("final")]
        is_complete = spans == [(final.start_ms, final.end_ms) for final in expected]
        texts = [(str(text), final.text) for (_, text), final in zip(dictation.finals, expected, strict=False)]
        changed = [pair for pair in texts if pair[0] != pair[1]]
        print(
            f"kills={kills} outages={outages} utterances={len(expected)} each_once_at_its_place={is_complete} "
            f"identical_texts={len(texts) - len(changed)}",
            *changed,
            sep="\n  ",
            flush=True,
        )
        return is_complete


async def memory(server: RestartableServer, pcm: bytes, minutes: float) -> None:
    """Print the memory of the page while it sends that much speech."""
    async with opened_page(server, pcm) as dictation:
        page = dictation.page
        cdp = await page.context.new_cdp_session(page)
        audio = base64.b64encode(pcm).decode("ascii")
        feeding = asyncio.create_task(page.evaluate(FEED, [server.url, audio, minutes * 60]))
        while not feeding.done():
            await asyncio.wait([feeding], timeout=15)
            await _print_memory(page, await cdp.send("Runtime.getHeapUsage"))
        await feeding


async def _print_memory(page: Page, usage: dict[str, float]) -> None:
    fed = await page.evaluate("() => window.fed ?? { seconds: 0, finals: 0 }")
    buffers_mb = usage.get("backingStorageSize", 0) / 1e6
    print(
        f"audio_s={fed['seconds']:.0f} finals={fed['finals']} heap_mb={usage['usedSize'] / 1e6:.1f} "
        f"buffers_mb={buffers_mb:.1f}",
        flush=True,
    )


async def main() -> int:
    """Run the measurement; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dictations", type=int, default=5)
    parser.add_argument("--kills", type=int, default=4, help="in each dictation")
    parser.add_argument("--minutes", type=float, default=0, help="of speech for the measurement of memory")
    arguments = parser.parse_args()
    (recording,) = (each for each in RECORDINGS if each.name == DICTATION)
    server, chance = RestartableServer(), random.Random(1)
    server.start()
    try:
        results = [
            await interrupted(server, recording.pcm(), arguments.kills, chance) for _ in range(arguments.dictations)
        ]
        if arguments.minutes:
            await memory(server, recording.pcm(), arguments.minutes)
    finally:
        server.close()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
