"""The comparison's replay: it sends audio in real time and ends within its time limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from benchmarks.comparison.systems import Connection, Message, MessageKind, RejectedError
from benchmarks.harness.replay import BYTES_PER_SECOND, Pace, replay_concurrently
from benchmarks.harness.replay import replay as run_replay

FRAME_BYTES = 1024
AUDIO = bytes(range(256)) * 12  # three frames
ENDLESS_S = 1000.0
QUICK = Pace(tail_s=0.032, idle_timeout_s=ENDLESS_S, max_wait_s=ENDLESS_S)
EPSILON_S = 1e-6  # rounding error of a sum of lengths


class Scripted(Connection):
    """A system that sends the given texts after the audio has ended, then ends the stream."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.frames: list[bytes] = []
        self.sent_at: list[float] = []
        self.finished = asyncio.Event()
        self.closed = False

    async def open(self) -> None:
        pass

    async def send(self, pcm: bytes) -> None:
        self.frames.append(pcm)
        self.sent_at.append(monotonic())

    async def finish(self) -> None:
        self.finished.set()

    async def messages(self) -> AsyncIterator[Message]:
        await self.finished.wait()
        for text in self.texts:
            yield Message(monotonic(), MessageKind.FINAL, text)

    async def close(self) -> None:
        self.closed = True


class NeverEnding(Scripted):
    """A system that never ends a stream."""

    async def messages(self) -> AsyncIterator[Message]:
        async for message in super().messages():
            yield message
        await asyncio.Event().wait()


class NeverSilent(Scripted):
    """A system that never stops sending messages."""

    async def messages(self) -> AsyncIterator[Message]:
        while True:
            await asyncio.sleep(0)
            yield Message(monotonic(), MessageKind.PARTIAL, "and")


class NotAccepting(NeverEnding):
    """A system that accepts no audio."""

    async def send(self, pcm: bytes) -> None:
        await asyncio.Event().wait()


class Rejecting(Scripted):
    async def open(self) -> None:
        raise RejectedError("full")


class Broken(Scripted):
    async def messages(self) -> AsyncIterator[Message]:
        yield Message(monotonic(), MessageKind.PARTIAL, "and")
        raise ConnectionResetError("gone")


class EndingEarly(Scripted):
    """A system that ends the stream after the first frame."""

    async def send(self, pcm: bytes) -> None:
        await super().send(pcm)
        self.finished.set()


async def test_replay_sends_all_audio_in_frames_followed_by_silence() -> None:
    connection = Scripted()
    await run_replay(connection, AUDIO, QUICK)
    assert connection.frames == [AUDIO[i : i + FRAME_BYTES] for i in range(0, 3072, FRAME_BYTES)] + [bytes(FRAME_BYTES)]


async def test_replay_sends_no_frame_before_its_audio_time() -> None:
    connection = Scripted()
    stream = await run_replay(connection, AUDIO, QUICK)
    due_times = [stream.start_time + (number + 1) * FRAME_BYTES / BYTES_PER_SECOND for number in range(4)]
    assert all(sent_at > due - EPSILON_S for sent_at, due in zip(connection.sent_at, due_times, strict=True))


async def test_replay_lasts_until_the_system_ends_the_stream() -> None:
    connection = Scripted("one", "two")
    stream = await run_replay(connection, AUDIO, QUICK)
    assert [message.text for message in stream.messages] == ["one", "two"]
    assert (stream.error, stream.rejected, connection.closed) == ("", "", True)


async def test_replay_ends_after_the_idle_timeout() -> None:
    stream = await run_replay(NeverEnding("one"), AUDIO, Pace(tail_s=0.032, idle_timeout_s=0.01, max_wait_s=ENDLESS_S))
    assert ([message.text for message in stream.messages], stream.error) == (["one"], "")


async def test_system_that_never_stops_sending_is_disconnected() -> None:
    connection = NeverSilent()
    stream = await run_replay(connection, AUDIO, Pace(tail_s=0.032, idle_timeout_s=ENDLESS_S, max_wait_s=0.01))
    assert "time limit" in stream.error
    assert connection.closed


async def test_system_that_accepts_no_audio_is_disconnected() -> None:
    stream = await run_replay(NotAccepting(), AUDIO, Pace(tail_s=0.032, idle_timeout_s=ENDLESS_S, max_wait_s=0.01))
    assert ("time limit" in stream.error, stream.sent_s) == (True, 0)


async def test_rejection_is_distinct_from_an_error() -> None:
    connection = Rejecting()
    stream = await run_replay(connection, AUDIO, QUICK)
    assert (stream.rejected, stream.error, connection.frames, connection.closed) == ("full", "", [], True)


async def test_error_of_the_system_is_reported_with_the_messages_before_it() -> None:
    stream = await run_replay(Broken(), AUDIO, QUICK)
    assert ([message.text for message in stream.messages], stream.error) == (["and"], "ConnectionResetError: gone")


async def test_system_that_ends_the_stream_too_early_is_reported() -> None:
    connection = EndingEarly("one")
    stream = await run_replay(connection, AUDIO, QUICK)
    assert stream.error == "The system ended the stream after 0.0 s."
    assert len(connection.frames) < 4


async def test_concurrent_streams_have_separate_connections() -> None:
    connections = [Scripted("one"), Scripted("two")]
    waiting = iter(connections)
    streams, _ = await replay_concurrently(lambda: next(waiting), [AUDIO, AUDIO[:FRAME_BYTES]], QUICK)
    assert [[message.text for message in stream.messages] for stream in streams] == [["one"], ["two"]]
    assert [len(connection.frames) for connection in connections] == [4, 2]
