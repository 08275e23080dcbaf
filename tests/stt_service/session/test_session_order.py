"""Invariants of a stream after every step, for any chunks, deliveries, endings and changes of settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.session.config import SessionConfig
from stt_service.session.events import (
    Decode,
    Final,
    Output,
    Partial,
    PartialDue,
    Promote,
    SpeechEnded,
    SpeechStarted,
    Suppressed,
    Withdraw,
)
from stt_service.session.session import Session
from stt_service.whisper.types import Kind
from tests.support.timelines.simulated_stream import (
    FRAME_MS,
    SYMBOL_S,
    TIMELINES,
    TIMING,
    TRANSCRIPT,
    VAD_DELAYS,
    ScriptedVad,
    pcm,
    server_settings,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=150)


@dataclass
class Send:
    size: int


@dataclass
class Deliver:
    which: int
    inference_s: float


@dataclass
class BeginPartial:
    """A requested partial of a recent utterance begins or is canceled; it may not be requested at all."""

    which: int
    begins: bool


class Finalize:
    pass


@dataclass
class Update:
    silence_symbols: int


Step = Send | Deliver | BeginPartial | Finalize | Update
STEPS = st.lists(
    st.builds(Send, st.sampled_from([1, 1023, 5000, 16_384, 65_536]))
    | st.builds(Deliver, st.integers(0, 9), st.sampled_from([0.0, 0.05, 0.5]))
    | st.builds(BeginPartial, st.integers(1, 3), st.sampled_from([True, True, True, False]))
    | st.builds(Finalize)
    | st.builds(Update, st.integers(1, 4)),
    max_size=60,
)


class CheckedSession:
    """A session whose invariants are checked after every step."""

    def __init__(self, timeline: str, late: int) -> None:
        server = server_settings()
        config = SessionConfig(server, server.runtime(), offset_ms=1000, first_utterance=5, speech_ended=True)
        self._session = Session(config, lambda _: ScriptedVad(timeline, late))
        self._audio = pcm(timeline)
        self._due: set[int] = set()  # utterances with a requested partial that has not started
        self._pending: list[Decode] = []
        self._speculative: Decode | None = None  # of the open utterance, not withdrawn
        self._started: list[int] = []  # utterances, in order
        self._ended: set[int] = set()
        self._speech_ended: list[SpeechEnded] = []
        self._emitted: list[int] = []  # utterances with a final or a suppression
        self._starts_ms: dict[int, int] = {}  # upper bound of the start of an utterance
        self._partials: dict[int, Partial] = {}  # the last of each utterance
        self._committed_ms = 1000

    def apply(self, step: Step) -> None:
        match step:
            case Send(size):
                chunk, self._audio = self._audio[:size], self._audio[size:]
                self._check(self._session.feed(chunk))
            case Deliver(which, inference_s) if self._pending:
                self._deliver(self._pending.pop(which % len(self._pending)), inference_s)
            case BeginPartial(which, begins) if len(self._started) >= which:
                self._begin_partial(self._started[-which], begins)
            case Finalize():
                self._check(self._session.finalize())
            case Update(silence_symbols):
                self._session.update({"post_speech_silence_duration": silence_symbols * SYMBOL_S})
                self._check([])

    def finish(self) -> None:
        self._check(self._session.feed(self._audio))
        self._check(self._session.end())
        for utterance in self._due:
            assert self._session.begin_partial(utterance) is None
        while self._pending:
            self._deliver(self._pending.pop(), 0.0)
        assert self._emitted == self._started == [event.utterance for event in self._speech_ended]
        assert self._session.pending_finals == 0
        assert self._session.committed_ms == self._session.received_ms

    def _deliver(self, decode: Decode, inference_s: float) -> None:
        self._check(self._session.deliver(decode, TRANSCRIPT, replace(TIMING, inference_s=inference_s)))

    def _begin_partial(self, utterance: int, begins: bool) -> None:
        if utterance not in self._due:
            return
        self._due.remove(utterance)
        if not begins:
            self._session.cancel_partial(utterance)
            return
        decode = self._session.begin_partial(utterance)
        assert decode is None or (decode.utterance, decode.kind) == (utterance, Kind.PARTIAL)
        self._check([decode] if decode else [])

    def _check(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Decode():
                    self._on_decode(output)
                case PartialDue(utterance):
                    self._on_due(utterance)
                case Promote(utterance):
                    assert self._speculative is not None
                    assert self._speculative.utterance == utterance
                    self._ended.add(utterance)
                case Withdraw(utterance):
                    assert self._speculative is not None
                    assert self._speculative.utterance == utterance == self._open
                    self._speculative = None
                case SpeechStarted(utterance, start_ms):
                    assert utterance == 5 + len(self._started)
                    self._started.append(utterance)
                    self._starts_ms[utterance] = start_ms
                case SpeechEnded(utterance):
                    assert utterance == self._started[-1] == 5 + len(self._speech_ended)
                    self._speech_ended.append(output)
                    self._ended.add(utterance)
                case Partial():
                    self._on_partial(output)
                case Final(utterance=utterance) | Suppressed(utterance=utterance):
                    ended = self._speech_ended[utterance - 5]
                    assert (ended.end_ms, ended.endpoint_ms) == (output.end_ms, output.committed_ms)
                    assert ended.endpoint is output.endpoint
                    assert utterance == 5 + len(self._emitted)
                    self._emitted.append(utterance)
                    self._ended.add(utterance)
        self._check_positions()

    @property
    def _open(self) -> int | None:
        return next((utterance for utterance in self._started[-1:] if utterance not in self._ended), None)

    def _on_decode(self, decode: Decode) -> None:
        first = int(decode.window.samples.astype(float)[0] * 32_768)
        assert first == decode.start < decode.end
        start_ms = 1000 + first * FRAME_MS
        assert self._committed_ms <= start_ms
        self._starts_ms[decode.utterance] = min(self._starts_ms[decode.utterance], start_ms)
        match decode.kind:
            case Kind.PARTIAL:
                assert not self._is_in_flight(decode.utterance)
            case Kind.SPECULATIVE:
                self._speculative = decode
            case Kind.FINAL:
                self._ended.add(decode.utterance)
        self._pending.append(decode)

    def _on_due(self, utterance: int) -> None:
        assert utterance == self._open
        assert not self._is_in_flight(utterance)
        self._due.add(utterance)

    def _is_in_flight(self, utterance: int) -> bool:
        """Return whether a partial of the utterance is requested or being decoded."""
        decoded = {decode.utterance for decode in self._pending if decode.kind is Kind.PARTIAL}
        return utterance in self._due | decoded

    def _on_partial(self, partial: Partial) -> None:
        last = self._partials.get(partial.utterance)
        assert partial.utterance == self._open
        assert partial.revision == (last.revision + 1 if last else 1)
        assert partial.stable.startswith(last.stable if last else "")
        assert (last.end_ms if last else partial.start_ms) <= partial.end_ms <= self._session.received_ms
        self._partials[partial.utterance] = partial

    def _check_positions(self) -> None:
        committed_ms, received_ms = self._session.committed_ms, self._session.received_ms
        assert self._committed_ms <= committed_ms <= received_ms
        for utterance in self._started[len(self._emitted) :]:
            assert committed_ms <= self._starts_ms[utterance]
        self._committed_ms = committed_ms


@PROPERTY
@given(TIMELINES, VAD_DELAYS, STEPS)
def test_order_and_positions_hold_for_any_steps(timeline: str, late: int, steps: list[Step]) -> None:
    session = CheckedSession(timeline, late)
    for step in steps:
        session.apply(step)
    session.finish()
