"""Streams audio to a system at the pace of a microphone, and stores its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ, Connection, Message, RejectedError
from benchmarks.harness.scheduling_delay import Ticks

BYTES_PER_SECOND = SAMPLE_RATE_HZ * SAMPLE_BYTES
STREAM_STAGGER_S = 0.5  # between the starts of concurrent streams, so that their pauses do not coincide
CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How audio is sent, and when a stream is over."""

    frame_s: float = 0.032
    tail_s: float = 3.0  # silence after the audio
    idle_timeout_s: float = 20.0  # the stream is over when no message came for so long after all audio was sent
    max_wait_s: float = 60.0  # and always so long after
    open_timeout_s: float = 60.0


@dataclass(slots=True)
class Replay:
    """Result of one stream."""

    start_time: float = 0.0  # time of its first sample, on the clock of the messages
    sent_s: float = 0.0  # audio sent, including the silence after it
    messages: list[Message] = field(default_factory=list)
    rejected: str = ""  # reason
    error: str = ""
    send_delays_s: list[float] = field(
        default_factory=list
    )  # of frames, if the system had accepted the previous one in time
    blocked_s: float = 0.0  # longest time for which the system blocked a frame

    @property
    def end_time(self) -> float:
        """Return when all audio had been sent and the last message had come."""
        sent = self.start_time + self.sent_s
        return max(sent, self.messages[-1].at) if self.messages else sent


async def replay(connection: Connection, pcm: bytes, pace: Pace) -> Replay:
    """Open the connection, replay the audio, close it. Errors of the system are stored, not raised."""
    stream = Replay(start_time=monotonic())
    try:
        async with asyncio.timeout(pace.open_timeout_s):
            await connection.open()
        await _replay(connection, pcm + bytes(_bytes(pace.tail_s)), pace, stream)
    except RejectedError as refusal:
        stream.rejected = str(refusal) or "no reason given"
    except TimeoutError:
        stream.error = f"A time limit passed, with {stream.sent_s:.1f} s of audio sent."
    except Exception as error:  # an error of any client library is a result of this stream
        stream.error = f"{type(error).__name__}: {error}"
    finally:
        await _close(connection, stream)
    return stream


async def _replay(connection: Connection, pcm: bytes, pace: Pace, stream: Replay) -> None:
    listening = asyncio.create_task(_receive(connection, stream))
    stream.start_time = monotonic()
    try:
        async with asyncio.timeout(len(pcm) / BYTES_PER_SECOND + pace.max_wait_s):
            await _send(connection, pcm, stream, _bytes(pace.frame_s), listening)
            if not listening.done():
                await connection.finish()
                await _wait_until_idle(stream, pace.idle_timeout_s, listening)
        if listening.done():
            listening.result()  # raises the error that ended it
            if stream.sent_s < len(pcm) / BYTES_PER_SECOND - pace.frame_s / 2:  # a sum of many frames
                stream.error = f"The system ended the stream after {stream.sent_s:.1f} s."
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def _close(connection: Connection, stream: Replay) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await connection.close()
    except Exception as error:  # the same
        stream.error = stream.error or f"closing: {type(error).__name__}: {error}"


async def _receive(connection: Connection, stream: Replay) -> None:
    async for message in connection.messages():
        stream.messages.append(message)


async def _send(
    connection: Connection, pcm: bytes, stream: Replay, frame_bytes: int, listening: asyncio.Task[None]
) -> None:
    """Send each frame when its last sample has been spoken, never ahead."""
    accepted = stream.start_time
    for start in range(0, len(pcm), frame_bytes):
        frame = pcm[start : start + frame_bytes]
        due = stream.start_time + (start + len(frame)) / BYTES_PER_SECOND
        await asyncio.sleep(due - monotonic())
        if listening.done():
            return
        handed = monotonic()
        if accepted <= due:  # otherwise it waited for the system, which hides the delay of the harness
            stream.send_delays_s.append(handed - due)
        await connection.send(frame)
        accepted = monotonic()
        stream.blocked_s = max(stream.blocked_s, accepted - handed)
        stream.sent_s += len(frame) / BYTES_PER_SECOND


async def _wait_until_idle(stream: Replay, idle_s: float, listening: asyncio.Task[None]) -> None:
    """Wait until the system ends the stream, or has sent nothing for the idle timeout."""
    finished = monotonic()
    while not listening.done():
        last = max(finished, stream.messages[-1].at) if stream.messages else finished
        if (left_s := last + idle_s - monotonic()) <= 0:
            return
        await asyncio.wait([listening], timeout=left_s)


async def replay_concurrently(
    connect: Callable[[], Connection], pcms: Sequence[bytes], pace: Pace
) -> tuple[list[Replay], Ticks]:
    """Replay all recordings concurrently, one stream each; return the delay of the event loop during that time too."""

    async def one(number: int, pcm: bytes) -> Replay:
        await asyncio.sleep(number * STREAM_STAGGER_S)
        return await replay(connect(), pcm, pace)

    ticks = Ticks()
    ticking = asyncio.create_task(ticks.run())
    try:
        return list(await asyncio.gather(*(one(number, pcm) for number, pcm in enumerate(pcms)))), ticks
    finally:
        ticking.cancel()


def _bytes(length_s: float) -> int:
    return int(length_s * SAMPLE_RATE_HZ) * SAMPLE_BYTES
