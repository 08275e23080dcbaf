"""One lane: who shares a batch, who is answered what, and what a failure or a cancellation leaves behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from stt_service.batcher import Decoded, Lane
from stt_service.errors import EngineFailed
from stt_service.events import Decode
from stt_service.transcript import DecodeOptions, Kind, Transcript, Window

pytestmark = pytest.mark.timeout(30)
Said = Decoded | EngineFailed | None
CANCELLED = "(cancelled)"


class Model:
    """Gives back each window's name, or fails where one is named in `failures`; waits for `release` first."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failures: dict[str, Exception] = {}
        self._loop = asyncio.get_running_loop()
        self._entered, self._released = asyncio.Event(), threading.Event()

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        names = [window.options.initial_prompt for window in windows]
        self.batches.append(names)
        self._loop.call_soon_threadsafe(self._entered.set)
        self._released.wait()
        for name in names:
            if name in self.failures:
                raise self.failures[name]
        return [Transcript(name, "ru", 1, -0.2, 0, 1) for name in names]

    async def entered(self) -> None:
        await self._entered.wait()

    def release(self) -> None:
        self._released.set()


class Streams:
    """Streams that ask one lane; Eve has done so before the others."""

    def __init__(self, lane: Lane, model: Model, group: asyncio.TaskGroup) -> None:
        self.lane, self.model, self._group = lane, model, group
        self._asked: list[asyncio.Task[Said]] = []
        self.eve = self.ask(Kind.EARLY, "eve")
        self._asked = []

    def ask(self, kind: Kind, stream: str, utterance: int = 0, name: str = "") -> asyncio.Task[Said]:
        """Begin to wait for a decode, which is named by its stream unless told otherwise."""
        options = DecodeOptions(initial_prompt=name or stream, kind=kind)
        decode = Decode(utterance, kind, Window(np.zeros(0, np.float32), options), 0)
        self._asked.append(self._group.create_task(self._said(stream, decode)))
        return self._asked[-1]

    async def answers(self) -> list[str | None]:
        """Let the model run; return what was said to whom asked after Eve, in their order."""
        self.model.release()
        await asyncio.wait(self._asked)
        return [_text(asked) for asked in self._asked]

    async def submitted(self) -> None:
        """Let those who asked come to wait: they do so in their first turn."""
        await asyncio.sleep(0)

    async def _said(self, stream: str, decode: Decode) -> Said:
        try:
            return await self.lane.decode(stream, decode)
        except EngineFailed as failure:
            return failure


def _text(asked: asyncio.Task[Said]) -> str | None:
    if asked.cancelled():
        return CANCELLED
    match asked.result():
        case Decoded(transcript):
            return transcript.text
        case EngineFailed() as failure:
            return str(failure)
        case None:
            return None


@asynccontextmanager
async def streams(max_batch: int = 8) -> AsyncIterator[Streams]:
    """Yield streams that find the model busy with Eve's early final, until they want answers."""
    model = Model()
    lane = Lane(model.transcribe, max_batch)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(lane.run())
        several = Streams(lane, model, group)
        await model.entered()
        try:
            yield several
        finally:
            model.release()
            running.cancel()


async def test_an_answer_has_its_transcript_and_its_cost() -> None:
    async with streams() as several:
        asked = several.ask(Kind.FINAL, "ann")
        several.ask(Kind.FINAL, "bob")
        await several.answers()
        decoded = await asked
        assert isinstance(decoded, Decoded)
        assert decoded.transcript.text == "ann"
        assert decoded.cost.batch == 2
        assert decoded.cost.queue_s > 0
        assert decoded.cost.inference_s > 0


async def test_what_arrives_while_a_batch_runs_is_the_next_one() -> None:
    async with streams() as several:
        for stream in ("ann", "bob", "cid"):
            several.ask(Kind.FINAL, stream)
        assert await several.answers() == ["ann", "bob", "cid"]
        assert several.model.batches == [["eve"], ["ann", "bob", "cid"]]


async def test_a_batch_has_its_greatest_size() -> None:
    async with streams(max_batch=2) as several:
        for stream in ("ann", "bob", "cid"):
            several.ask(Kind.FINAL, stream)
        assert await several.answers() == ["ann", "bob", "cid"]
        assert several.model.batches[1:] == [["ann", "bob"], ["cid"]]


async def test_finals_go_before_early_ones_and_those_before_partials() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann")
        several.ask(Kind.EARLY, "bob")
        several.ask(Kind.FINAL, "cid")
        await several.answers()
        assert several.model.batches[1:] == [["cid"], ["bob"], ["ann"]]


async def test_a_newer_partial_makes_the_waiting_one_needless() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann", 0, "older")
        several.ask(Kind.PARTIAL, "bob")
        several.ask(Kind.PARTIAL, "ann", 0, "newer")
        several.ask(Kind.PARTIAL, "ann", 1, "newest")
        assert await several.answers() == [None, "bob", None, "newest"]
        assert several.model.batches[1:] == [["newest", "bob"]]


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.EARLY])
async def test_a_final_early_or_not_makes_the_waiting_partial_of_its_stream_needless(kind: Kind) -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "ann", 0, "partial")
        several.ask(kind, "ann")
        several.ask(Kind.PARTIAL, "bob")
        assert await several.answers() == [None, "ann", "bob"]


@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.EARLY])
async def test_a_waiting_early_final_gives_way_to_the_next_of_its_utterance(kind: Kind) -> None:
    async with streams() as several:
        several.ask(Kind.EARLY, "ann", 0, "early")
        several.ask(Kind.EARLY, "ann", 1, "another utterance")
        several.ask(kind, "ann", 0, "later")
        assert await several.answers() == [None, "another utterance", "later"]


async def test_what_runs_already_is_taken_from_nobody() -> None:
    async with streams() as several:
        several.ask(Kind.PARTIAL, "eve", 0, "partial")
        several.ask(Kind.FINAL, "eve", 0, "final")
        assert await several.answers() == [None, "final"]
        assert _text(several.eve) == "eve"


async def test_an_early_final_that_is_promoted_goes_with_the_finals() -> None:
    async with streams() as several:
        several.ask(Kind.EARLY, "ann")
        several.ask(Kind.EARLY, "bob")
        several.ask(Kind.FINAL, "cid")
        await several.submitted()
        several.lane.promote("bob", 0)
        assert await several.answers() == ["ann", "bob", "cid"]
        assert several.model.batches[1:] == [["cid", "bob"], ["ann"]]


async def test_a_promotion_leaves_nobody_waiting_for_ever() -> None:
    async with streams() as several:
        several.ask(Kind.EARLY, "ann", 0, "early")
        several.ask(Kind.PARTIAL, "ann", 1, "partial of the next")
        await several.submitted()
        several.lane.promote("ann", 0)
        several.lane.promote("bob", 0)
        assert await several.answers() == ["early", "partial of the next"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(EngineFailed("the model failed"), "the model failed", id="as the engine says it"),
        pytest.param(MemoryError("all gone"), "the model failed: MemoryError('all gone')", id="unexpected"),
    ],
)
async def test_a_failure_reaches_all_of_the_batch_and_the_lane_lives_on(error: Exception, told: str) -> None:
    async with streams() as several:
        several.model.failures["bob"] = error
        for stream in ("ann", "bob"):
            several.ask(Kind.FINAL, stream)
        several.ask(Kind.EARLY, "cid")
        assert await several.answers() == [told, told, "cid"]


@pytest.mark.parametrize("kind", Kind)
async def test_what_nobody_waits_for_any_more_is_not_run(kind: Kind) -> None:
    async with streams() as several:
        gone = several.ask(kind, "ann")
        several.ask(kind, "bob")
        await several.submitted()
        gone.cancel()
        assert await several.answers() == [CANCELLED, "bob"]
        assert several.model.batches[1:] == [["bob"]]


async def test_a_promoted_final_that_nobody_waits_for_is_not_run() -> None:
    async with streams() as several:
        gone = several.ask(Kind.EARLY, "ann")
        several.ask(Kind.FINAL, "bob")
        await several.submitted()
        several.lane.promote("ann", 0)
        gone.cancel()
        assert await several.answers() == [CANCELLED, "bob"]
        assert several.model.batches[1:] == [["bob"]]


async def test_a_partial_that_nobody_waits_for_takes_no_final_with_it() -> None:
    async with streams() as several:
        several.ask(Kind.EARLY, "ann", 0, "final")
        gone = several.ask(Kind.PARTIAL, "ann", 0, "partial")
        await several.submitted()
        several.lane.promote("ann", 0)
        gone.cancel()
        assert await several.answers() == ["final", CANCELLED]


async def test_a_newer_decode_may_come_at_the_moment_of_a_cancellation() -> None:
    async with streams() as several:
        gone = several.ask(Kind.PARTIAL, "ann", 0, "older")
        await several.submitted()
        several.ask(Kind.PARTIAL, "ann", 0, "newer")
        gone.cancel()
        assert await several.answers() == [CANCELLED, "newer"]


async def test_a_decode_that_runs_may_be_cancelled() -> None:
    async with streams() as several:
        several.eve.cancel()
        several.ask(Kind.FINAL, "ann")
        assert await several.answers() == ["ann"]
        assert _text(several.eve) == CANCELLED
