"""What holds after every step of a stream, however it is cut, answered, ended and changed."""

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
    SpeechStarted,
    Suppressed,
    Withdraw,
)
from stt_service.session.session import Session
from stt_service.whisper.types import Kind
from tests.support.simulated_stream import (
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

LAW = settings(derandomize=True, deadline=None, max_examples=150)


@dataclass
class Send:
    size: int


@dataclass
class Answer:
    which: int
    inference_s: float


@dataclass
class Turn:
    """A partial's turn comes, or will not; that of any utterance of late, waiting or not."""

    which: int
    comes: bool


class Finalize:
    pass


@dataclass
class Update:
    silence_signs: int


Step = Send | Answer | Turn | Finalize | Update
STEPS = st.lists(
    st.builds(Send, st.sampled_from([1, 1023, 5000, 16_384, 65_536]))
    | st.builds(Answer, st.integers(0, 9), st.sampled_from([0.0, 0.05, 0.5]))
    | st.builds(Turn, st.integers(1, 3), st.sampled_from([True, True, True, False]))
    | st.builds(Finalize)
    | st.builds(Update, st.integers(1, 4)),
    max_size=60,
)


class CheckedSession:
    """A session and the laws that are checked after every step."""

    def __init__(self, drawing: str, late: int) -> None:
        server = server_settings()
        config = SessionConfig(server, server.runtime(), offset_ms=1000, first_utterance=5)
        self._session = Session(config, lambda _: ScriptedVad(drawing, late))
        self._sound = pcm(drawing)
        self._due: set[int] = set()  # utterances whose partial waits for its turn
        self._waiting: list[Decode] = []
        self._early: Decode | None = None  # of the open utterance, not withdrawn
        self._started: list[int] = []  # utterances, in order
        self._ended: set[int] = set()
        self._told: list[int] = []  # those that ended in a final or a suppression
        self._starts_ms: dict[int, int] = {}  # no later than where an utterance begins
        self._partials: dict[int, Partial] = {}  # the last of each utterance
        self._committed_ms = 1000

    def take(self, step: Step) -> None:
        match step:
            case Send(size):
                chunk, self._sound = self._sound[:size], self._sound[size:]
                self._check(self._session.feed(chunk))
            case Answer(which, inference_s) if self._waiting:
                self._answer(self._waiting.pop(which % len(self._waiting)), inference_s)
            case Turn(which, comes) if len(self._started) >= which:
                self._turn(self._started[-which], comes)
            case Finalize():
                self._check(self._session.finalize())
            case Update(silence_signs):
                self._session.update({"post_speech_silence_duration": silence_signs * SYMBOL_S})
                self._check([])

    def finish(self) -> None:
        self._check(self._session.feed(self._sound))
        self._check(self._session.end())
        for utterance in self._due:
            assert self._session.begin_partial(utterance) is None
        while self._waiting:
            self._answer(self._waiting.pop(), 0.0)
        assert self._told == self._started
        assert self._session.pending_finals == 0
        assert self._session.committed_ms == self._session.received_ms

    def _answer(self, decode: Decode, inference_s: float) -> None:
        self._check(self._session.deliver(decode, TRANSCRIPT, replace(TIMING, inference_s=inference_s)))

    def _turn(self, utterance: int, comes: bool) -> None:
        if utterance not in self._due:
            return
        self._due.remove(utterance)
        if not comes:
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
                    assert self._early is not None
                    assert self._early.utterance == utterance
                    self._ended.add(utterance)
                case Withdraw(utterance):
                    assert self._early is not None
                    assert self._early.utterance == utterance == self._open
                    self._early = None
                case SpeechStarted(utterance, start_ms):
                    assert utterance == 5 + len(self._started)
                    self._started.append(utterance)
                    self._starts_ms[utterance] = start_ms
                case Partial():
                    self._on_partial(output)
                case Final(utterance=utterance) | Suppressed(utterance=utterance):
                    assert utterance == 5 + len(self._told)
                    self._told.append(utterance)
                    self._ended.add(utterance)
        self._check_settled()

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
                assert not self._is_asked(decode.utterance)
            case Kind.SPECULATIVE:
                self._early = decode
            case Kind.FINAL:
                self._ended.add(decode.utterance)
        self._waiting.append(decode)

    def _on_due(self, utterance: int) -> None:
        assert utterance == self._open
        assert not self._is_asked(utterance)
        self._due.add(utterance)

    def _is_asked(self, utterance: int) -> bool:
        """Tell whether a partial of the utterance waits for its turn, or is decoded."""
        decoded = {decode.utterance for decode in self._waiting if decode.kind is Kind.PARTIAL}
        return utterance in self._due | decoded

    def _on_partial(self, partial: Partial) -> None:
        last = self._partials.get(partial.utterance)
        assert partial.utterance == self._open
        assert partial.revision == (last.revision + 1 if last else 1)
        assert partial.stable.startswith(last.stable if last else "")
        assert (last.end_ms if last else partial.start_ms) <= partial.end_ms <= self._session.received_ms
        self._partials[partial.utterance] = partial

    def _check_settled(self) -> None:
        committed_ms, received_ms = self._session.committed_ms, self._session.received_ms
        assert self._committed_ms <= committed_ms <= received_ms
        for utterance in self._started[len(self._told) :]:
            assert committed_ms <= self._starts_ms[utterance]
        self._committed_ms = committed_ms


@LAW
@given(TIMELINES, VAD_DELAYS, STEPS)
def test_whatever_happens_order_and_positions_hold(drawing: str, late: int, steps: list[Step]) -> None:
    watched = CheckedSession(drawing, late)
    for step in steps:
        watched.take(step)
    watched.finish()
