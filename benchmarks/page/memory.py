"""Memory of the page during an hour of dictation at a fast pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from playwright.async_api import Browser, CDPSession

from benchmarks.comparison.systems import SAMPLE_BYTES
from benchmarks.page.browser import Audio, DictationSheet, dictation_sheet
from benchmarks.page.scripted_server import Script, ScriptedServer, scripted_server

SPEECH = Script(utterance_ms=5000, partial_ms=500)
RATE_HZ = 48_000  # that of most devices
POINTS = 6  # with equal distances, after the start
POLL_S = 0.1
STALL_TIMEOUT_S = 60.0  # without progress of the audio
MB = 2**20
MAX_HEAP_GROWTH_MB = 4.0  # in an hour: text, word times, marks and undo history of 10,000 words
HEAD = "| audio | finals | text | heap | array buffers | DOM nodes | wall time |\n|---|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Point:
    """The memory of the page after a garbage collection."""

    audio_s: float
    wall_s: float
    finals: int
    text_bytes: int
    heap_bytes: int
    buffer_bytes: int  # of ArrayBuffers, which are outside of the heap
    nodes: int

    def row(self) -> str:
        return (
            f"| {self.audio_s / 60:.0f} min | {self.finals} | {self.text_bytes / 1000:.1f} kB | "
            f"{self.heap_bytes / MB:.2f} MB | {self.buffer_bytes / MB:.2f} MB | {self.nodes} | {self.wall_s:.0f} s |"
        )


def heap_growth_mb(points: Sequence[Point]) -> float:
    """Return the growth of the heap after the first part of the recording, in which code and buffers are created."""
    return (points[-1].heap_bytes - points[1].heap_bytes) / MB


async def measure_memory(browser: Browser, minutes: float, speed: float) -> list[Point]:
    """Dictate so many minutes of audio at a multiple of real time."""
    server, length_s = ScriptedServer(SPEECH), minutes * 60
    audio = Audio(bytes(RATE_HZ * SAMPLE_BYTES), RATE_HZ)
    async with scripted_server(server) as url, dictation_sheet(browser, url, audio) as sheet:
        cdp = await sheet.context.new_cdp_session(sheet.page)
        points, started_s = [await _point(sheet, cdp, server, 0.0)], monotonic()
        await sheet.play(speed, length_s)
        await sheet.start()
        for number in range(1, POINTS + 1):
            await _received(server, length_s * number / POINTS)
            points.append(await _point(sheet, cdp, server, monotonic() - started_s))
        await sheet.stop()
        await sheet.wait_for_state("idle")
    return points


async def _received(server: ScriptedServer, audio_s: float) -> None:
    """Wait until the server has so much audio.

    Raises:
        TimeoutError: it receives no more.
    """
    last_ms, changed_s = 0.0, monotonic()
    while server.received_ms < audio_s * 1000:
        if server.received_ms > last_ms:
            last_ms, changed_s = server.received_ms, monotonic()
        if monotonic() - changed_s > STALL_TIMEOUT_S:
            raise TimeoutError(f"The page sent {last_ms / 1000:.0f} s of {audio_s:.0f} s of audio.")
        await asyncio.sleep(POLL_S)


async def _point(sheet: DictationSheet, cdp: CDPSession, server: ScriptedServer, wall_s: float) -> Point:
    await cdp.send("HeapProfiler.collectGarbage")
    heap = await cdp.send("Runtime.getHeapUsage")
    counters = await cdp.send("Memory.getDOMCounters")
    text = await sheet.text()
    return Point(
        audio_s=server.received_ms / 1000,
        wall_s=wall_s,
        finals=server.finals,
        text_bytes=len(text.encode()),
        heap_bytes=heap["usedSize"],
        buffer_bytes=heap["backingStorageSize"],
        nodes=counters["nodes"],
    )
