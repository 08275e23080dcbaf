"""Delay of the harness itself, and its priority: its clock timestamps the messages of every system."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

TICK_S = 0.02
AHEAD = -10  # niceness


class Ticks:
    """Sleeps a tick again and again; `late_s` is how much longer each took, the maximum error of a timestamp."""

    def __init__(self) -> None:
        self.late_s: list[float] = []

    async def run(self) -> None:
        """Tick until canceled."""
        while True:
            due = monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self.late_s.append(monotonic() - due)


@contextmanager
def ahead_of_others() -> Iterator[bool]:
    """Raise the priority of this thread if permitted; return whether it was raised.

    Start servers outside: they would inherit it.
    """
    ordinary = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, AHEAD)
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, ordinary)
