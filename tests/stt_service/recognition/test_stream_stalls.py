"""Streams whose client or network stalls, in virtual time.

A timeline has audio (`#` speech, `.` silence; each symbol is 128 ms, sent at once) and seconds without any message
(`-`). At its end the client half-closes.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat
from stt_service.errors import AbortedError, DeadlineExceededError, SttError, UnavailableError
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.stream import STALL_TIMEOUT_S, StreamHandler, StreamTimeouts, TimedWriter
from stt_service.scheduling.executor import ModelPair
from stt_service.scheduling.loop_budget import LoopBudget
from stt_service.scheduling.realtime import RealtimeTracker
from stt_service.scheduling.types import DecodeFactory, DecodeFuture, DecodeJob, DecodeResult, ExecutorModel, NotDecoded
from stt_service.session.config import SessionConfig
from stt_service.session.events import DecodeTiming
from stt_service.session.session import Session
from tests.support.timelines.simulated_stream import (
    SYMBOL_FRAMES,
    SYMBOL_MS,
    SYMBOL_S,
    TRANSCRIPT,
    ScriptedVad,
    pcm,
    server_settings,
)
from tests.support.timelines.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from stt_service.recognition.stream import Context
    from stt_service.recognition.stream_registry import ActiveStream
    from stt_service.scheduling.executor import BatchExecutor

T = TypeVar("T")
LIMITS = StreamTimeouts(idle_s=300, duration_s=0, grace_s=60)
UNDISTURBED = "..########...."
EXPENSIVE = DecodeTiming(
    queue_s=0, inference_s=3, batch=1
)  # the next partial would wait for twelve more seconds of audio


class ImmediateExecutor:
    """Decodes each request immediately."""

    def __init__(self) -> None:
        self.loop_budget = LoopBudget()

    def submit(self, job: DecodeJob, make_decode: DecodeFactory) -> DecodeFuture:
        future: DecodeFuture = asyncio.get_running_loop().create_future()
        decode = make_decode()
        future.set_result(NotDecoded.WITHDRAWN if decode is None else DecodeResult(decode, TRANSCRIPT, EXPENSIVE))
        return future

    def promote(self, stream: str, utterance: int) -> None:
        pass

    def withdraw(self, stream: str, utterance: int, number: int) -> None:
        pass


@dataclass
class Outcome:
    """The responses that a client received, with times of the loop's clock."""

    responses: list[pb.StreamingRecognizeResponse] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    failure: SttError | None = None
    ended_s: float = 0.0
    reads: float = math.inf  # number of responses that the client reads
    write_s: float = 0.0  # time of the first write

    async def write(self, response: pb.StreamingRecognizeResponse) -> None:
        if not self.responses:
            await asyncio.sleep(self.write_s)
        if len(self.responses) >= self.reads:
            await asyncio.Event().wait()
        self.responses.append(response)
        self.at_s.append(asyncio.get_running_loop().time())

    @property
    def finals(self) -> list[pb.Final]:
        return [response.final for response in self.responses if response.HasField("final")]

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """Return number, start and end of each final."""
        return [(final.utterance, final.start_ms, final.end_ms) for final in self.finals]

    @property
    def endpoints(self) -> list[int]:
        return [final.endpoint for final in self.finals]

    @property
    def partials_end_ms(self) -> list[tuple[float, int]]:
        """Return the time of each partial, and the end of its audio."""
        pairs = zip(self.at_s, self.responses, strict=True)
        return [(at_s, response.partial.end_ms) for at_s, response in pairs if response.HasField("partial")]


class Client:
    """Sends a timeline, then half-closes or stays silent."""

    def __init__(self, timeline: str, *, half_closes: bool = True) -> None:
        self._timeline, self._half_closes = timeline, half_closes
        self.drawing = timeline.replace("-", "")

    async def requests(self, first_symbol: int = 0) -> AsyncIterator[pb.StreamingRecognizeRequest]:
        sent = 0
        for symbol in self._timeline:
            if symbol == "-":
                await asyncio.sleep(1)
            else:
                sent += 1
                if sent > first_symbol:
                    yield pb.StreamingRecognizeRequest(audio=pcm(".", (sent - 1) * SYMBOL_FRAMES))
        if not self._half_closes:
            await asyncio.Event().wait()


@dataclass
class Scenario:
    """A stream and the events that affect it from outside."""

    client: Client
    resumable: bool = True
    limits: StreamTimeouts = LIMITS
    reads: float = math.inf
    untimed_write_s: float = 0.0  # time that the writer takes for the first response, which it limits itself
    resumed: pb.StreamingRecognizeResponse | None = None  # the last response of the stream that this one resumes
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    terminated: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Outcome:
        outcome = Outcome(reads=self.reads, write_s=self.untimed_write_s)
        offset_ms = self.resumed.committed_ms if self.resumed is not None else 0
        stream = SimpleNamespace(recognizer=self._recognition(offset_ms), terminated=self.terminated)
        handler = StreamHandler(cast("ActiveStream", stream), AudioFormat(), self.limits, self.draining, self.resumable)
        requests = self.client.requests(offset_ms // SYMBOL_MS)
        try:
            writer = cast("Context", outcome)
            await handler.run(requests, writer if self.untimed_write_s else TimedWriter(writer, self.limits.write_s))
        except SttError as error:
            outcome.failure = error
        outcome.ended_s = asyncio.get_running_loop().time()
        return outcome

    def _recognition(self, offset_ms: int) -> StreamRecognizer:
        server = server_settings()
        config = SessionConfig(server, server.runtime(), offset_ms=offset_ms)
        session = Session(config, lambda _: ScriptedVad(self.client.drawing))
        model = ExecutorModel(lambda windows: [TRANSCRIPT for _ in windows])
        decoding = ModelPair(cast("BatchExecutor", ImmediateExecutor()), model, model)
        return StreamRecognizer(session, decoding, ("us", "ours"), RealtimeTracker(time.monotonic()))


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work())


def run_stream(
    timeline: str, *, half_closes: bool = True, resumable: bool = True, limits: StreamTimeouts = LIMITS
) -> Outcome:
    return run(lambda: Scenario(Client(timeline, half_closes=half_closes), resumable, limits).run())


def resume(timeline: str, broken: Outcome) -> Outcome:
    """Return the outcome of a stream that resumes the broken one with the rest of the timeline."""
    return run(lambda: Scenario(Client(timeline.replace("-", "")), resumed=broken.responses[-1]).run())


@pytest.mark.parametrize("stall_s", [1, 4, 20, 299])
@pytest.mark.parametrize("at", range(3, 10))
def test_stall_of_a_resumable_stream_changes_no_final(stall_s: int, at: int) -> None:
    stalled = UNDISTURBED[:at] + "-" * stall_s + UNDISTURBED[at:]
    outcome, undisturbed = run_stream(stalled), run_stream(UNDISTURBED)
    assert outcome.finals == undisturbed.finals
    assert outcome.failure is None


def test_stall_of_a_stream_that_cannot_resume_ends_its_utterance() -> None:
    outcome = run_stream("..####---####....", resumable=False)
    assert outcome.endpoints == [pb.ENDPOINT_STALLED, pb.ENDPOINT_SILENCE]


def test_each_stall_of_a_stream_that_cannot_resume_ends_an_utterance() -> None:
    outcome = run_stream("..####---####---####---", resumable=False)
    assert outcome.endpoints == [pb.ENDPOINT_STALLED] * 3


def test_pause_shorter_than_a_stall_ends_no_utterance() -> None:
    outcome = run_stream("..####--####....", resumable=False)
    assert outcome.endpoints == [pb.ENDPOINT_SILENCE]


def test_partial_covers_the_audio_before_a_stall_within_a_second() -> None:
    outcome = run_stream(".." + "#" * 9 + "----####....")
    shown = [end_ms for at_s, end_ms in outcome.partials_end_ms if at_s <= 1]
    assert shown[-1] == 11 * SYMBOL_MS


def test_idle_resumable_stream_commits_nothing_of_the_open_utterance() -> None:
    outcome = run_stream("..###...####", half_closes=False)
    assert outcome.endpoints == [pb.ENDPOINT_SILENCE]
    assert isinstance(outcome.failure, DeadlineExceededError)
    assert outcome.ended_s == LIMITS.idle_s
    assert outcome.responses[-1].committed_ms == 7 * SYMBOL_MS


def test_idle_stream_that_cannot_resume_gets_the_text_of_its_open_utterance() -> None:
    outcome = run_stream("..###...####", half_closes=False, resumable=False)
    assert outcome.endpoints == [pb.ENDPOINT_SILENCE, pb.ENDPOINT_STALLED]
    assert isinstance(outcome.failure, DeadlineExceededError)


def test_stream_that_resumes_an_idle_one_has_the_finals_of_an_undisturbed_one() -> None:
    broken = run_stream("..####", half_closes=False)
    assert broken.finals == []
    assert resume(UNDISTURBED, broken).finals == run_stream(UNDISTURBED).finals


@pytest.mark.parametrize("reads", range(1, 6))
def test_client_that_does_not_read_loses_no_unread_result(reads: int) -> None:
    broken = run(lambda: Scenario(Client(UNDISTURBED, half_closes=False), reads=reads).run())
    assert isinstance(broken.failure, DeadlineExceededError)
    after = resume(UNDISTURBED, broken)
    spans = [(start_ms, end_ms) for _, start_ms, end_ms in broken.spans + after.spans]
    assert spans == [(start_ms, end_ms) for _, start_ms, end_ms in run_stream(UNDISTURBED).spans]


def test_writer_may_wait_for_other_streams_without_limit() -> None:
    outcome = run(lambda: Scenario(Client(UNDISTURBED), untimed_write_s=3600).run())
    assert outcome.failure is None
    assert outcome.spans == run_stream(UNDISTURBED).spans


@pytest.mark.parametrize("duration_symbols", range(3, 20))
def test_stream_over_its_duration_ends_after_its_open_utterance(duration_symbols: int) -> None:
    limits = StreamTimeouts(idle_s=300, duration_s=duration_symbols * SYMBOL_S, grace_s=60)
    whole = UNDISTURBED * 2
    broken = run_stream(whole, limits=limits)
    assert isinstance(broken.failure, DeadlineExceededError)
    assert pb.ENDPOINT_END_OF_AUDIO not in broken.endpoints
    assert broken.responses[-1].committed_ms > 0
    after = resume(whole, broken)
    spans = [(start_ms, end_ms) for _, start_ms, end_ms in broken.spans + after.spans]
    assert spans == [(start_ms, end_ms) for _, start_ms, end_ms in run_stream(whole).spans]


def test_silent_stream_over_its_duration_ends_with_progress() -> None:
    limits = StreamTimeouts(idle_s=300, duration_s=SYMBOL_S, grace_s=60)
    assert run_stream("." * 200, limits=limits).responses[-1].committed_ms > 0


def run_drained(timeline: str, *, resumable: bool) -> Outcome:
    """Return the outcome for a silent client of a server that drains after 0.5 s."""

    async def drain() -> Outcome:
        scenario = Scenario(Client(timeline, half_closes=False), resumable)
        running = asyncio.create_task(scenario.run())
        await asyncio.sleep(0.5)
        scenario.draining.set()
        return await running

    return run(drain)


def test_stalled_client_does_not_delay_a_drain_and_loses_nothing() -> None:
    outcome = run_drained("..####", resumable=True)
    assert outcome.ended_s == STALL_TIMEOUT_S
    assert isinstance(outcome.failure, UnavailableError)
    assert outcome.finals == []
    assert outcome.responses[-1].committed_ms == 0
    assert resume(UNDISTURBED, outcome).finals == run_stream(UNDISTURBED).finals


def test_drain_sends_the_open_utterance_to_a_client_that_cannot_resume() -> None:
    assert run_drained("..####", resumable=False).endpoints == [pb.ENDPOINT_STALLED]


def test_utterance_that_outlasts_a_drain_is_left_to_the_next_stream() -> None:
    outcome = run_drained("..####" + "--#" * 30, resumable=True)
    assert outcome.ended_s == pytest.approx(50.5)
    assert (outcome.finals, outcome.responses[-1].committed_ms) == ([], 0)


def test_terminating_a_stalled_stream_ends_its_utterance() -> None:
    async def terminate() -> Outcome:
        scenario = Scenario(Client("..####", half_closes=False))
        running = asyncio.create_task(scenario.run())
        await asyncio.sleep(10)
        scenario.terminated.set()
        return await running

    outcome = run(terminate)
    assert outcome.endpoints == [pb.ENDPOINT_FINALIZE]
    assert isinstance(outcome.failure, AbortedError)


class Chatter(Client):
    """Sends audio, then a message without audio every second."""

    def __init__(self, timeline: str, message: pb.StreamingRecognizeRequest) -> None:
        super().__init__(timeline)
        self._message = message

    async def requests(self, first_symbol: int = 0) -> AsyncIterator[pb.StreamingRecognizeRequest]:
        async for request in super().requests(first_symbol):
            yield request
        while True:
            await asyncio.sleep(1)
            yield self._message


@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize(
    "message",
    [
        pytest.param(pb.StreamingRecognizeRequest(audio=b""), id="empty audio"),
        pytest.param(pb.StreamingRecognizeRequest(silence=pb.Silence()), id="no silence"),
        pytest.param(pb.StreamingRecognizeRequest(finalize=pb.Finalize()), id="finalize"),
        pytest.param(pb.StreamingRecognizeRequest(update=pb.Settings()), id="update"),
    ],
)
def test_messages_without_audio_do_not_keep_a_stream_open(
    message: pb.StreamingRecognizeRequest, resumable: bool
) -> None:
    outcome = run(lambda: Scenario(Chatter("..", message), resumable).run())
    assert isinstance(outcome.failure, DeadlineExceededError)
    assert outcome.ended_s == LIMITS.idle_s


def test_messages_without_audio_do_not_delay_the_end_of_a_stalled_utterance() -> None:
    chatter = Chatter("..####", pb.StreamingRecognizeRequest(update=pb.Settings()))
    outcome = run(lambda: Scenario(chatter, resumable=False).run())
    assert outcome.endpoints == [pb.ENDPOINT_STALLED]
