"""Streams that run ahead of the clock take at most half of the event loop together, one piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from stt_service.scheduling.fair_queueing import OwnerPath
from stt_service.scheduling.loop_budget import LoopBudget

pytestmark = pytest.mark.timeout(30)


class Loop:
    """A clock that is set by hand: pieces take time, and what is to be called later is called when it is due."""

    def __init__(self) -> None:
        self.time = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.budget = LoopBudget(lambda: self.time, self.later)
        self.begun: list[tuple[OwnerPath, float]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append((self.time + seconds, call))

    async def pieces(self, owner: OwnerPath, cost_s: float, count: int) -> None:
        for _ in range(count):
            async with self.budget.time_slice(owner):
                self.begun.append((owner, self.time))
                self.time += cost_s

    async def run(self, *streams: tuple[OwnerPath, float, int]) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self.pieces(*stream)) for stream in streams]
            while not all(task.done() for task in running):
                await settled()
                if self.due:
                    at, call = self.due.pop(0)
                    self.time = max(self.time, at)
                    call()


async def settled() -> None:
    """Let all tasks go on until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


ANN, BOB = ("ann", 1), ("bob", 1)


async def test_after_a_piece_no_other_begins_for_as_long_as_it_took() -> None:
    loop = Loop()
    await loop.run((ANN, 0.25, 3), (BOB, 0.25, 1))
    assert [at for _, at in loop.begun] == [0, 0.5, 1.0, 1.5]


async def test_streams_take_turns() -> None:
    loop = Loop()
    await loop.run((ANN, 0.25, 3), (BOB, 0.25, 3))
    assert [owner for owner, _ in loop.begun] == [ANN, BOB] * 3


async def test_a_client_with_many_streams_gets_no_more_than_another() -> None:
    loop = Loop()
    await loop.run(*((("ann", stream), 0.25, 4) for stream in range(8)), (BOB, 0.25, 12))
    first = [owner[0] for owner, _ in loop.begun[:20]]
    assert abs(first.count("ann") - first.count("bob")) <= 2


async def test_a_stream_that_gives_up_leaves_the_turn_to_the_next() -> None:
    loop = Loop()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.pieces(ANN, 0.25, 1))
        gone = tasks.create_task(loop.pieces(BOB, 0.25, 1))
        last = tasks.create_task(loop.pieces(("cid", 1), 0.25, 1))
        await settled()
        gone.cancel()
        loop.due.pop(0)[1]()
        await last
    assert [owner for owner, _ in loop.begun] == [ANN, ("cid", 1)]


async def test_a_stream_that_gives_up_just_as_its_turn_comes_leaves_it_too() -> None:
    loop = Loop()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.pieces(ANN, 0.25, 1))
        gone = tasks.create_task(loop.pieces(BOB, 0.25, 1))
        last = tasks.create_task(loop.pieces(("cid", 1), 0.25, 1))
        await settled()
        loop.due.pop(0)[1]()
        gone.cancel()
        await settled()
        loop.due.pop(0)[1]()
        await last
    assert [owner for owner, _ in loop.begun] == [ANN, ("cid", 1)]


async def test_a_piece_that_fails_ends_the_turn() -> None:
    loop = Loop()
    with pytest.raises(ValueError, match="no audio"):
        async with loop.budget.time_slice(ANN):
            raise ValueError("no audio")
    loop.due.pop(0)[1]()
    await loop.pieces(BOB, 0.25, 1)
