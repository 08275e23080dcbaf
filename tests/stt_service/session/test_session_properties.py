"""What holds of the finals of every stream, however it is cut and answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode, Event, Final, Output, PartialDue, SpeechStarted, Suppressed
from stt_service.vad.types import Endpoint
from stt_service.whisper.types import Kind
from tests.support.simulated_stream import (
    FRAME_BYTES,
    FRAME_MS,
    SYMBOL_FRAMES,
    SYMBOL_S,
    TIMELINES,
    TIMING,
    VAD_DELAYS,
    WEAK_TIMELINES,
    SimulatedStream,
    server_settings,
    stream_with_partials,
    stream_without_partials,
    window_frames,
)

LAW = settings(derandomize=True, deadline=None, max_examples=150)
CUTS = st.lists(st.integers(0, 60_000), max_size=30)
COSTS_S = st.lists(st.sampled_from([0.0, 0.1, 0.5, 3.0]), min_size=1, max_size=9)


def windows(outputs: Iterable[Output]) -> dict[int, range]:
    """Return the frames of each utterance's final: of its last decode at final quality."""
    decodes = [o for o in outputs if isinstance(o, Decode) and o.kind is not Kind.PARTIAL]
    return {decode.utterance: window_frames(decode) for decode in decodes}


def whole(drawing: str) -> tuple[list[Event], dict[int, range]]:
    """Return what is told of the drawing sent in one piece, and the windows."""
    return in_chunks(drawing, [], late=0, answered_at_once=True)


def in_chunks(drawing: str, cuts: list[int], late: int, answered_at_once: bool) -> tuple[list[Event], dict[int, range]]:
    heard = stream_without_partials(drawing, late=late)
    sound = len(drawing) * SYMBOL_FRAMES * FRAME_BYTES
    places = sorted({0, sound, *(cut for cut in cuts if cut < sound)})
    for start, end in pairwise(places):
        heard.send(end - start)
        if answered_at_once:
            heard.deliver_all()
    heard.end()
    heard.deliver_all()
    return heard.events, windows(heard.outputs)


def by_utterance(events: list[Event]) -> list[Event]:
    """Return the events by utterance: the beginning of the next may come before the final of the last."""
    return sorted(events, key=lambda event: (event.utterance, not isinstance(event, SpeechStarted)))


@LAW
@given(TIMELINES, CUTS, VAD_DELAYS, st.booleans())
def test_the_same_sound_in_any_pieces_gives_the_same_answers(
    drawing: str, cuts: list[int], late: int, answered_at_once: bool
) -> None:
    events, decoded = whole(drawing)
    again, decoded_again = in_chunks(drawing, cuts, late, answered_at_once)
    assert by_utterance(again) == by_utterance(events)
    assert decoded_again == decoded


@LAW
@given(TIMELINES)
def test_every_frame_of_speech_is_in_exactly_one_final_window(drawing: str) -> None:
    _, decoded = whole(drawing)
    kept = [frame for window in decoded.values() for frame in window]
    spoken = {n for n in range(len(drawing) * SYMBOL_FRAMES) if drawing[n // SYMBOL_FRAMES] == "#"}
    assert len(kept) == len(set(kept))
    assert spoken <= set(kept)


@LAW
@given(TIMELINES)
def test_no_window_is_longer_than_the_longest_utterance(drawing: str) -> None:
    _, decoded = whole(drawing)
    assert all(len(window) <= 40 * SYMBOL_FRAMES for window in decoded.values())


@LAW
@given(TIMELINES | WEAK_TIMELINES, st.integers(0, 400_000), VAD_DELAYS, st.booleans())
@example("###" + "o" * 45, 190_000, 0, True)  # cut, and too weak after that to begin with
def test_a_stream_that_is_resumed_where_one_broke_off_says_what_that_would_have_said(
    drawing: str, broken_at: int, late: int, answered: bool
) -> None:
    told, windows_of_all = whole(drawing)
    broken = stream_without_partials(drawing, late=late)
    broken.send(broken_at)
    if answered:
        broken.deliver_all()
    before = ends(broken.events)
    after = resumed(drawing, broken.session.committed_ms, before)
    assert before + ends(after.events) == ends(told)
    for utterance, window in windows(after.outputs).items():
        assert window == windows_of_all[utterance]


@LAW
@given(TIMELINES | WEAK_TIMELINES, st.integers(0, 400_000), VAD_DELAYS, st.booleans())
def test_a_suspended_stream_and_the_one_that_resumes_it_emit_the_finals_of_an_undisturbed_one(
    drawing: str, suspended_at: int, late: int, answered: bool
) -> None:
    expected, _ = whole(drawing)
    suspended = stream_without_partials(drawing, late=late)
    suspended.send(suspended_at)
    if answered:
        suspended.deliver_all()
    suspended.suspend()
    suspended.deliver_all()
    before = ends(suspended.events)
    after = resumed(drawing, suspended.session.committed_ms, before)
    assert before + ends(after.events) == ends(expected)


def ends(events: Iterable[Event]) -> list[Event]:
    """Return what utterances ended in; whether it was decoded early is a matter of costs."""
    finals = (replace(event, speculative=True) if isinstance(event, Final) else event for event in events)
    return [event for event in finals if isinstance(event, Final | Suppressed)]


def resumed(drawing: str, offset_ms: int, told: list[Event]) -> SimulatedStream:
    """Return a talk that takes up what was broken off there, and says the rest of it."""
    last = told[-1] if told else None
    server = server_settings()
    config = SessionConfig(
        server,
        server.runtime(),
        partials=False,
        offset_ms=offset_ms,
        first_utterance=len(told),
        continues_utterance=isinstance(last, Final) and last.endpoint is Endpoint.MAX_LENGTH,
    )
    heard = SimulatedStream(drawing, config, first_frame=offset_ms // FRAME_MS)
    heard.feed()
    heard.end()
    heard.deliver_all()
    return heard


def run_with_delays(heard: SimulatedStream, drawing: str, costs_s: list[float]) -> None:
    """Hear the drawing sign by sign; turns come a sign later, answers two, each at another cost."""
    heard.hold_partials()
    due: list[int] = []
    asked: list[list[Decode]] = [[], []]
    for number in range(len(drawing)):
        turns = [heard.begin_partial(utterance) for utterance in due]
        said = heard.feed(1)
        for decode in asked[number]:
            said += heard.deliver(decode, timing=replace(TIMING, inference_s=costs_s[number % len(costs_s)]))
        due = [output.utterance for output in said if isinstance(output, PartialDue)]
        asked.append([decode for decode in (*turns, *said) if isinstance(decode, Decode)])
    heard.end()
    heard.deliver_all()


@LAW
@given(TIMELINES, COSTS_S, st.sampled_from([2, 5]))
def test_neither_costs_nor_partials_change_a_final(drawing: str, costs_s: list[float], silence_signs: int) -> None:
    """They change when it is decoded, early or not, never what."""
    quiet = stream_without_partials(drawing, post_speech_silence_duration=silence_signs * SYMBOL_S)
    quiet.feed()
    quiet.end()
    quiet.deliver_all()
    busy = stream_with_partials(drawing, post_speech_silence_duration=silence_signs * SYMBOL_S)
    run_with_delays(busy, drawing, costs_s)
    assert windows(busy.outputs) == windows(quiet.outputs)
    assert [replace(final, speculative=True, timing=TIMING) for final in busy.events if isinstance(final, Final)] == [
        replace(final, speculative=True) for final in quiet.events if isinstance(final, Final)
    ]
