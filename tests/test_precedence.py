"""Who goes first: what decodes runs behind the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Sequence

import pytest
from held_engine import decode

from stt_service.batcher import Lane, Model
from stt_service.precedence import NICENESS
from stt_service.scheduler import Job
from stt_service.transcript import Kind, Transcript, Window

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_decodes_run_behind_the_event_loop() -> None:
    seen = list[int]()

    def transcribe(windows: Sequence[Window]) -> list[Transcript]:
        seen.append(niceness())
        return [Transcript("", "en", 1, -0.2, 0, 1) for _ in windows]

    lane = Lane(max_batch=1)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lane.run())
        await lane.submit(Job("ann", 0, Kind.FINAL, Model(transcribe)), lambda: decode(Kind.FINAL, "ann"))
        running.cancel()
    assert seen == [max(niceness(), NICENESS)]
    assert niceness() < NICENESS or seen == [niceness()]
