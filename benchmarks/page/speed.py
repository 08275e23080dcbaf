"""Measure how fast and how large the page is: python -m benchmarks.page.speed [--only loading,typing,memory]

    loading  first contentful paint, click to "recording", bytes of the first load; with a real server
    typing   key to screen, with 200 kB of text and while finals arrive; long tasks of the page
    memory   heap during an hour of audio at a fast pace

Typing and memory have a server of the same files whose recognition is a script, and exact samples as their microphone,
so that the measurement sets the pace of finals and of the audio. Exit code 1 if a limit is missed: 150,000 bytes of the
first load, 30 ms from key to screen for 95 % of the keys, 4 MB of additional heap after the first part of the audio.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from playwright.async_api import Browser

from benchmarks.page.browser import Audio, chromium
from benchmarks.page.loading import MAX_FIRST_LOAD_BYTES, measure_loads
from benchmarks.page.memory import HEAD as MEMORY_HEAD
from benchmarks.page.memory import MAX_HEAP_GROWTH_MB, heap_growth_mb, measure_memory
from benchmarks.page.texts import dictation_of, server_settings
from benchmarks.page.typing import HEAD as TYPING_HEAD
from benchmarks.page.typing import MAX_KEY_P95_MS, measure_typing
from benchmarks.service import Service

PARTS = ("loading", "typing", "memory")


async def loading(browser: Browser, repeat: int) -> bool:
    """Print the table of loads; return whether the limit is kept."""
    with Service(server_settings("en")) as server:
        server.wait_until_listening()
        loads = await measure_loads(browser, server.http_address, repeat)
    print("| first load | median | most |\n|---|---|---|", *loads.rows(), "", sep="\n", flush=True)
    return loads.load_bytes <= MAX_FIRST_LOAD_BYTES


async def typing(browser: Browser, keys: int) -> bool:
    """Print the table of keys; return whether the limit is kept and every key is in the text."""
    runs = await measure_typing(browser, keys)
    print(TYPING_HEAD, *(run.row() for run in runs), "", sep="\n", flush=True)
    return all(run.p95_ms <= MAX_KEY_P95_MS and run.shown == run.keys for run in runs)


async def memory(browser: Browser, minutes: float, speed: float) -> bool:
    """Print the table of the heap; return whether the limit is kept."""
    points = await measure_memory(browser, minutes, speed)
    growth_mb = heap_growth_mb(points)
    print(MEMORY_HEAD, *(point.row() for point in points), "", sep="\n")
    print(f"growth of the heap after the first part: {growth_mb:.2f} MB (limit {MAX_HEAP_GROWTH_MB:g} MB)", flush=True)
    return growth_mb <= MAX_HEAP_GROWTH_MB


async def run(given: argparse.Namespace) -> bool:
    """Print all tables; return whether all limits are kept."""
    kept = list[bool]()
    async with chromium(Audio(dictation_of("en", None).pcm()).pcm) as browser:
        for part in given.only.split(","):
            match part:
                case "loading":
                    kept.append(await loading(browser, given.repeat))
                case "typing":
                    kept.append(await typing(browser, given.keys))
                case "memory":
                    kept.append(await memory(browser, given.minutes, given.speed))
                case _:
                    raise SystemExit(f"Invalid --only value {part!r}: valid values are {', '.join(PARTS)}.")
    return all(kept)


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; with commas")
    parser.add_argument("--repeat", type=int, default=10, help="loads")
    parser.add_argument("--keys", type=int, default=400, help="in each text")
    parser.add_argument("--minutes", type=float, default=60.0, help="of audio for the memory")
    parser.add_argument("--speed", type=float, default=20.0, help="pace of that audio, as a multiple of real time")
    sys.exit(not asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
