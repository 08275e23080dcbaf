"""Properties of finals for any chunks and any order of deliveries."""

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
from tests.support.timelines.simulated_stream import (
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

PROPERTY = settings(derandomize=True, deadline=None, max_examples=150)
CUTS = st.lists(st.integers(0, 60_000), max_size=30)
COSTS_S = st.lists(st.sampled_from([0.0, 0.1, 0.5, 3.0]), min_size=1, max_size=9)


def windows(outputs: Iterable[Output]) -> dict[int, range]:
    """Return the frames of each utterance's last final or speculative decode."""
    decodes = [o for o in outputs if isinstance(o, Decode) and o.kind is not Kind.PARTIAL]
    return {decode.utterance: window_frames(decode) for decode in decodes}


def whole(timeline: str) -> tuple[list[Event], dict[int, range]]:
    """Return the events of the timeline sent in one chunk, and the windows."""
    return in_chunks(timeline, [], late=0, deliver_each=True)


def in_chunks(timeline: str, cuts: list[int], late: int, deliver_each: bool) -> tuple[list[Event], dict[int, range]]:
    stream = stream_without_partials(timeline, late=late)
    size = len(timeline) * SYMBOL_FRAMES * FRAME_BYTES
    bounds = sorted({0, size, *(cut for cut in cuts if cut < size)})
    for start, end in pairwise(bounds):
        stream.send(end - start)
        if deliver_each:
            stream.deliver_all()
    stream.end()
    stream.deliver_all()
    return stream.events, windows(stream.outputs)


def by_utterance(events: list[Event]) -> list[Event]:
    """Return the events sorted by utterance: the next one may start before the final of the last one."""
    return sorted(events, key=lambda event: (event.utterance, not isinstance(event, SpeechStarted)))


@PROPERTY
@given(TIMELINES, CUTS, VAD_DELAYS, st.booleans())
def test_same_audio_in_any_chunks_gives_the_same_events(
    timeline: str, cuts: list[int], late: int, deliver_each: bool
) -> None:
    events, decoded = whole(timeline)
    again, decoded_again = in_chunks(timeline, cuts, late, deliver_each)
    assert by_utterance(again) == by_utterance(events)
    assert decoded_again == decoded


@PROPERTY
@given(TIMELINES)
def test_every_frame_of_speech_is_in_exactly_one_final_window(timeline: str) -> None:
    _, decoded = whole(timeline)
    covered = [frame for window in decoded.values() for frame in window]
    speech = {n for n in range(len(timeline) * SYMBOL_FRAMES) if timeline[n // SYMBOL_FRAMES] == "#"}
    assert len(covered) == len(set(covered))
    assert speech <= set(covered)


@PROPERTY
@given(TIMELINES)
def test_windows_are_no_longer_than_the_longest_utterance(timeline: str) -> None:
    _, decoded = whole(timeline)
    assert all(len(window) <= 40 * SYMBOL_FRAMES for window in decoded.values())


@PROPERTY
@given(TIMELINES | WEAK_TIMELINES, st.integers(0, 400_000), VAD_DELAYS, st.booleans())
@example("###" + "o" * 45, 190_000, 0, True)  # cut, then too weak for an onset
def test_stream_that_resumes_an_interrupted_one_gives_the_same_finals(
    timeline: str, interrupted_at: int, late: int, delivered: bool
) -> None:
    expected, windows_of_all = whole(timeline)
    interrupted = stream_without_partials(timeline, late=late)
    interrupted.send(interrupted_at)
    if delivered:
        interrupted.deliver_all()
    before = ends(interrupted.events)
    after = resumed(timeline, interrupted.session.committed_ms, before)
    assert before + ends(after.events) == ends(expected)
    for utterance, window in windows(after.outputs).items():
        assert window == windows_of_all[utterance]


@PROPERTY
@given(TIMELINES | WEAK_TIMELINES, st.integers(0, 400_000), VAD_DELAYS, st.booleans())
def test_suspended_stream_and_its_continuation_give_the_same_finals(
    timeline: str, suspended_at: int, late: int, delivered: bool
) -> None:
    expected, _ = whole(timeline)
    suspended = stream_without_partials(timeline, late=late)
    suspended.send(suspended_at)
    if delivered:
        suspended.deliver_all()
    suspended.suspend()
    suspended.deliver_all()
    before = ends(suspended.events)
    after = resumed(timeline, suspended.session.committed_ms, before)
    assert before + ends(after.events) == ends(expected)


def ends(events: Iterable[Event]) -> list[Event]:
    """Return the final events of utterances, regardless of speculative decodes, which depend on costs."""
    finals = (replace(event, speculative=True) if isinstance(event, Final) else event for event in events)
    return [event for event in finals if isinstance(event, Final | Suppressed)]


def resumed(timeline: str, offset_ms: int, earlier: list[Event]) -> SimulatedStream:
    """Return a stream that resumes the timeline at the offset, after it has ended."""
    last = earlier[-1] if earlier else None
    server = server_settings()
    config = SessionConfig(
        server,
        server.runtime(),
        partials=False,
        offset_ms=offset_ms,
        first_utterance=len(earlier),
        continues_utterance=isinstance(last, Final) and last.endpoint is Endpoint.MAX_LENGTH,
    )
    stream = SimulatedStream(timeline, config, first_frame=offset_ms // FRAME_MS)
    stream.feed()
    stream.end()
    stream.deliver_all()
    return stream


def run_with_delays(stream: SimulatedStream, timeline: str, costs_s: list[float]) -> None:
    """Feed the timeline by symbols; partials begin one symbol later, transcripts follow after two, at varying costs."""
    stream.hold_partials()
    due: list[int] = []
    requested: list[list[Decode]] = [[], []]
    for number in range(len(timeline)):
        started_partials = [stream.begin_partial(utterance) for utterance in due]
        outputs = stream.feed(1)
        for decode in requested[number]:
            outputs += stream.deliver(decode, timing=replace(TIMING, inference_s=costs_s[number % len(costs_s)]))
        due = [output.utterance for output in outputs if isinstance(output, PartialDue)]
        requested.append([decode for decode in (*started_partials, *outputs) if isinstance(decode, Decode)])
    stream.end()
    stream.deliver_all()


@PROPERTY
@given(TIMELINES, COSTS_S, st.sampled_from([2, 5]))
def test_costs_and_partials_do_not_change_finals(timeline: str, costs_s: list[float], silence_symbols: int) -> None:
    """They change when a final is decoded, but not its window or text."""
    quiet = stream_without_partials(timeline, post_speech_silence_duration=silence_symbols * SYMBOL_S)
    quiet.feed()
    quiet.end()
    quiet.deliver_all()
    busy = stream_with_partials(timeline, post_speech_silence_duration=silence_symbols * SYMBOL_S)
    run_with_delays(busy, timeline, costs_s)
    assert windows(busy.outputs) == windows(quiet.outputs)
    assert [replace(final, speculative=True, timing=TIMING) for final in busy.events if isinstance(final, Final)] == [
        replace(final, speculative=True) for final in quiet.events if isinstance(final, Final)
    ]
