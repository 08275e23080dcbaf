"""What holds of every stream, however it is cut, answered, ended and changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from drawn_speech import (
    CLEAR,
    COST,
    FRAME_BYTES,
    FRAME_MS,
    SIGN_FRAMES,
    SIGN_S,
    DrawnVad,
    frames_of,
    parameters,
    pcm,
    talk,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.events import Decode, Event, Final, Output, Partial, Promote, SpeechStarted, Suppressed
from stt_service.session import Session, SessionConfig
from stt_service.transcript import Kind

LAW = settings(derandomize=True, deadline=None, max_examples=150)
# Speech of three signs or more is an utterance; forty-five are too many for one.
DRAWINGS = st.lists(
    st.tuples(st.sampled_from("#."), st.sampled_from([3, 4, 5, 8, 45])) | st.just((".", 1)), max_size=9
).map(lambda stretches: "".join(sign * length for sign, length in stretches))
CUTS = st.lists(st.integers(0, 60_000), max_size=30)
LATE = st.sampled_from([0, 1, 48])


def windows(outputs: Iterable[Output]) -> dict[int, range]:
    """Return the frames of each utterance's final: of its last decode at final quality."""
    decodes = [o for o in outputs if isinstance(o, Decode) and o.kind is not Kind.PARTIAL]
    return {decode.utterance: frames_of(decode) for decode in decodes}


def whole(drawing: str) -> tuple[list[Event], dict[int, range]]:
    """Return what is told of the drawing sent in one piece, and the windows."""
    return in_pieces(drawing, [], late=0, answered_at_once=True)


def in_pieces(drawing: str, cuts: list[int], late: int, answered_at_once: bool) -> tuple[list[Event], dict[int, range]]:
    heard = talk(drawing, late=late)
    sound = len(drawing) * SIGN_FRAMES * FRAME_BYTES
    places = sorted({0, sound, *(cut for cut in cuts if cut < sound)})
    for start, end in pairwise(places):
        heard.send(end - start)
        if answered_at_once:
            heard.answer_all()
    heard.end()
    heard.answer_all()
    return heard.events, windows(heard.outputs)


def told_of(events: list[Event]) -> list[Event]:
    """Return the events by utterance: the beginning of the next may come before the final of the last."""
    return sorted(events, key=lambda event: (event.utterance, not isinstance(event, SpeechStarted)))


@LAW
@given(DRAWINGS, CUTS, LATE, st.booleans())
def test_the_same_sound_in_any_pieces_gives_the_same_answers(
    drawing: str, cuts: list[int], late: int, answered_at_once: bool
) -> None:
    events, decoded = whole(drawing)
    again, decoded_again = in_pieces(drawing, cuts, late, answered_at_once)
    assert told_of(again) == told_of(events)
    assert decoded_again == decoded


@LAW
@given(DRAWINGS)
def test_every_frame_of_speech_is_in_exactly_one_final_window(drawing: str) -> None:
    _, decoded = whole(drawing)
    kept = [frame for window in decoded.values() for frame in window]
    spoken = {n for n in range(len(drawing) * SIGN_FRAMES) if drawing[n // SIGN_FRAMES] == "#"}
    assert len(kept) == len(set(kept))
    assert spoken <= set(kept)


@LAW
@given(DRAWINGS)
def test_no_window_is_longer_than_the_longest_utterance(drawing: str) -> None:
    _, decoded = whole(drawing)
    assert all(len(window) <= 40 * SIGN_FRAMES for window in decoded.values())


@dataclass
class Send:
    size: int


@dataclass
class Answer:
    which: int


class Finalize:
    pass


@dataclass
class Update:
    silence_signs: int


STEPS = st.lists(
    st.builds(Send, st.sampled_from([1, 1023, 5000, 16_384, 65_536]))
    | st.builds(Answer, st.integers(0, 9))
    | st.builds(Finalize)
    | st.builds(Update, st.integers(1, 4)),
    max_size=60,
)


class Watched:
    """A session and the laws that are checked after every step."""

    def __init__(self, drawing: str, late: int) -> None:
        server = parameters()
        config = SessionConfig(server, server.live(), offset_ms=1000, first_utterance=5)
        self._session = Session(config, DrawnVad(drawing, late))
        self._sound = pcm(drawing)
        self._waiting: list[Decode] = []
        self._started: list[int] = []  # utterances, in order
        self._told: list[int] = []  # those that ended in a final or a suppression
        self._starts_ms: dict[int, int] = {}  # no later than where an utterance begins
        self._partials: dict[int, Partial] = {}  # the last of each utterance
        self._final_ms = 1000

    def take(self, step: Send | Answer | Finalize | Update) -> None:
        match step:
            case Send(size):
                chunk, self._sound = self._sound[:size], self._sound[size:]
                self._check(self._session.push(chunk))
            case Answer(which) if self._waiting:
                self._answer(self._waiting.pop(which % len(self._waiting)))
            case Finalize():
                self._check(self._session.finalize())
            case Update(silence_signs):
                self._session.update({"post_speech_silence_duration": silence_signs * SIGN_S})
                self._check([])

    def finish(self) -> None:
        self._check(self._session.push(self._sound))
        self._check(self._session.end())
        while self._waiting:
            self._answer(self._waiting.pop())
        assert self._told == self._started
        assert self._session.owed == 0
        assert self._session.final_ms == self._session.received_ms

    def _answer(self, decode: Decode) -> None:
        self._check(self._session.receive(decode, CLEAR, COST))

    def _check(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Decode():
                    self._on_decode(output)
                case Promote(utterance):
                    assert any(d.utterance == utterance and d.kind is Kind.EARLY for d in self._waiting)
                case SpeechStarted(utterance, start_ms):
                    assert utterance == 5 + len(self._started)
                    self._started.append(utterance)
                    self._starts_ms[utterance] = start_ms
                case Partial():
                    self._on_partial(output)
                case Final(utterance=utterance) | Suppressed(utterance=utterance):
                    assert utterance == 5 + len(self._told)
                    self._told.append(utterance)
        self._check_settled()

    def _on_decode(self, decode: Decode) -> None:
        start_ms = 1000 + decode.window.samples.astype(float)[0] * 32_768 * FRAME_MS
        assert self._final_ms <= start_ms
        self._starts_ms[decode.utterance] = min(self._starts_ms[decode.utterance], int(start_ms))
        if decode.kind is Kind.PARTIAL:
            assert (decode.utterance, Kind.PARTIAL) not in {(d.utterance, d.kind) for d in self._waiting}
        self._waiting.append(decode)

    def _on_partial(self, partial: Partial) -> None:
        last = self._partials.get(partial.utterance)
        assert partial.utterance == self._started[-1]
        assert partial.revision == (last.revision + 1 if last else 1)
        assert partial.stable.startswith(last.stable if last else "")
        self._partials[partial.utterance] = partial

    def _check_settled(self) -> None:
        final_ms, received_ms = self._session.final_ms, self._session.received_ms
        assert self._final_ms <= final_ms <= received_ms
        for utterance in self._started[len(self._told) :]:
            assert final_ms <= self._starts_ms[utterance]
        self._final_ms = final_ms


@LAW
@given(DRAWINGS, LATE, STEPS)
def test_whatever_happens_order_and_positions_hold(
    drawing: str, late: int, steps: list[Send | Answer | Finalize | Update]
) -> None:
    watched = Watched(drawing, late)
    for step in steps:
        watched.take(step)
    watched.finish()
