"""Streams faster than real time together use at most half of the event loop, one time slice at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from stt_service.scheduling.fair_queueing import OwnerPath
from stt_service.scheduling.loop_budget import LoopBudget

pytestmark = pytest.mark.timeout(30)


class SimulatedLoop:
    """A simulated clock: time slices advance it, and delayed calls run when they are due."""

    def __init__(self) -> None:
        self.time = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.budget = LoopBudget(lambda: self.time, self.call_later)
        self.started: list[tuple[OwnerPath, float]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append((self.time + seconds, call))

    async def run_slices(self, owner: OwnerPath, slice_s: float, count: int) -> None:
        for _ in range(count):
            async with self.budget.time_slice(owner):
                self.started.append((owner, self.time))
                self.time += slice_s

    async def run(self, *streams: tuple[OwnerPath, float, int]) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self.run_slices(*stream)) for stream in streams]
            while not all(task.done() for task in running):
                await run_until_idle()
                if self.due:
                    at, call = self.due.pop(0)
                    self.time = max(self.time, at)
                    call()


async def run_until_idle() -> None:
    """Run all tasks until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


ANN, BOB = ("ann", 1), ("bob", 1)


async def test_no_slice_starts_for_as_long_as_the_last_one_took() -> None:
    loop = SimulatedLoop()
    await loop.run((ANN, 0.25, 3), (BOB, 0.25, 1))
    assert [at for _, at in loop.started] == [0, 0.5, 1.0, 1.5]


async def test_streams_run_round_robin() -> None:
    loop = SimulatedLoop()
    await loop.run((ANN, 0.25, 3), (BOB, 0.25, 3))
    assert [owner for owner, _ in loop.started] == [ANN, BOB] * 3


async def test_client_with_many_streams_gets_no_more_than_another() -> None:
    loop = SimulatedLoop()
    await loop.run(*((("ann", stream), 0.25, 4) for stream in range(8)), (BOB, 0.25, 12))
    first = [owner[0] for owner, _ in loop.started[:20]]
    assert abs(first.count("ann") - first.count("bob")) <= 2


async def test_cancelled_stream_is_skipped() -> None:
    loop = SimulatedLoop()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run_slices(ANN, 0.25, 1))
        cancelled = tasks.create_task(loop.run_slices(BOB, 0.25, 1))
        last = tasks.create_task(loop.run_slices(("cid", 1), 0.25, 1))
        await run_until_idle()
        cancelled.cancel()
        loop.due.pop(0)[1]()
        await last
    assert [owner for owner, _ in loop.started] == [ANN, ("cid", 1)]


async def test_stream_cancelled_as_its_slice_is_granted_is_skipped() -> None:
    loop = SimulatedLoop()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run_slices(ANN, 0.25, 1))
        cancelled = tasks.create_task(loop.run_slices(BOB, 0.25, 1))
        last = tasks.create_task(loop.run_slices(("cid", 1), 0.25, 1))
        await run_until_idle()
        loop.due.pop(0)[1]()
        cancelled.cancel()
        await run_until_idle()
        loop.due.pop(0)[1]()
        await last
    assert [owner for owner, _ in loop.started] == [ANN, ("cid", 1)]


async def test_failed_slice_releases_the_budget() -> None:
    loop = SimulatedLoop()
    with pytest.raises(ValueError, match="no audio"):
        async with loop.budget.time_slice(ANN):
            raise ValueError("no audio")
    loop.due.pop(0)[1]()
    await loop.run_slices(BOB, 0.25, 1)
