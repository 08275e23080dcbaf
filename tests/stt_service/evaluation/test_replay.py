"""How the comparison speaks to a system: at the pace of speech, and never longer than it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from benchmarks.comparison.systems import Connection, Message, MessageKind, RejectedError
from benchmarks.harness.replay import BYTES_PER_SECOND, Pace, replay_concurrently
from benchmarks.harness.replay import replay as replayed

FRAME_BYTES = 1024
SOUND = bytes(range(256)) * 12  # three frames
ENDLESS_S = 1000.0
QUICK = Pace(tail_s=0.032, idle_timeout_s=ENDLESS_S, max_wait_s=ENDLESS_S)
EPSILON_S = 1e-6  # what a sum of lengths may be off by


class Scripted(Connection):
    """A system that tells what it was given, when its sound has ended, and ends the stream."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.frames: list[bytes] = []
        self.taken: list[float] = []
        self.finished = asyncio.Event()
        self.closed = False

    async def open(self) -> None:
        pass

    async def send(self, pcm: bytes) -> None:
        self.frames.append(pcm)
        self.taken.append(monotonic())

    async def finish(self) -> None:
        self.finished.set()

    async def messages(self) -> AsyncIterator[Message]:
        await self.finished.wait()
        for text in self.texts:
            yield Message(monotonic(), MessageKind.FINAL, text)

    async def close(self) -> None:
        self.closed = True


class Lasting(Scripted):
    """It never ends a stream."""

    async def messages(self) -> AsyncIterator[Message]:
        async for message in super().messages():
            yield message
        await asyncio.Event().wait()


class Talkative(Scripted):
    """It never stops talking."""

    async def messages(self) -> AsyncIterator[Message]:
        while True:
            await asyncio.sleep(0)
            yield Message(monotonic(), MessageKind.PARTIAL, "and")


class Deaf(Lasting):
    """It takes no sound."""

    async def send(self, pcm: bytes) -> None:
        await asyncio.Event().wait()


class Refusing(Scripted):
    async def open(self) -> None:
        raise RejectedError("full")


class Broken(Scripted):
    async def messages(self) -> AsyncIterator[Message]:
        yield Message(monotonic(), MessageKind.PARTIAL, "and")
        raise ConnectionResetError("gone")


class Leaving(Scripted):
    """It ends the stream when the first frame has come."""

    async def send(self, pcm: bytes) -> None:
        await super().send(pcm)
        self.finished.set()


async def test_all_sound_goes_out_in_frames_with_silence_after_it() -> None:
    connection = Scripted()
    await replayed(connection, SOUND, QUICK)
    assert connection.frames == [SOUND[i : i + FRAME_BYTES] for i in range(0, 3072, FRAME_BYTES)] + [bytes(FRAME_BYTES)]


async def test_no_frame_goes_out_before_it_was_spoken() -> None:
    connection = Scripted()
    stream = await replayed(connection, SOUND, QUICK)
    spoken = [stream.start_time + (number + 1) * FRAME_BYTES / BYTES_PER_SECOND for number in range(4)]
    assert all(taken > due - EPSILON_S for taken, due in zip(connection.taken, spoken, strict=True))


async def test_a_stream_lasts_until_the_system_ends_it() -> None:
    connection = Scripted("one", "two")
    stream = await replayed(connection, SOUND, QUICK)
    assert [message.text for message in stream.messages] == ["one", "two"]
    assert (stream.error, stream.rejected, connection.closed) == ("", "", True)


async def test_a_stream_ends_when_nothing_comes_any_more() -> None:
    stream = await replayed(Lasting("one"), SOUND, Pace(tail_s=0.032, idle_timeout_s=0.01, max_wait_s=ENDLESS_S))
    assert ([message.text for message in stream.messages], stream.error) == (["one"], "")


async def test_a_system_that_never_stops_talking_is_cut_off() -> None:
    connection = Talkative()
    stream = await replayed(connection, SOUND, Pace(tail_s=0.032, idle_timeout_s=ENDLESS_S, max_wait_s=0.01))
    assert "time limit" in stream.error
    assert connection.closed


async def test_a_system_that_takes_no_sound_is_cut_off() -> None:
    stream = await replayed(Deaf(), SOUND, Pace(tail_s=0.032, idle_timeout_s=ENDLESS_S, max_wait_s=0.01))
    assert ("time limit" in stream.error, stream.sent_s) == (True, 0)


async def test_a_refusal_is_told_apart_from_an_error() -> None:
    connection = Refusing()
    stream = await replayed(connection, SOUND, QUICK)
    assert (stream.rejected, stream.error, connection.frames, connection.closed) == ("full", "", [], True)


async def test_an_error_of_the_system_is_told_with_what_came_before_it() -> None:
    stream = await replayed(Broken(), SOUND, QUICK)
    assert ([message.text for message in stream.messages], stream.error) == (["and"], "ConnectionResetError: gone")


async def test_a_system_that_ends_the_stream_too_early_is_told() -> None:
    connection = Leaving("one")
    stream = await replayed(connection, SOUND, QUICK)
    assert stream.error == "It ended the stream after 0.0 s."
    assert len(connection.frames) < 4


async def test_streams_side_by_side_have_connections_of_their_own() -> None:
    connections = [Scripted("one"), Scripted("two")]
    waiting = iter(connections)
    streams, _ = await replay_concurrently(lambda: next(waiting), [SOUND, SOUND[:FRAME_BYTES]], QUICK)
    assert [[message.text for message in stream.messages] for stream in streams] == [["one"], ["two"]]
    assert [len(connection.frames) for connection in connections] == [4, 2]
