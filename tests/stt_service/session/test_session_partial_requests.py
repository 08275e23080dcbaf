"""Requested partials: the window, and whether the partial is still needed, is decided when it begins."""

from __future__ import annotations

from stt_service.session.events import Decode, PartialDue, SpeechStarted, Withdraw
from stt_service.whisper.types import Kind
from tests.support.timelines.simulated_stream import (
    SYMBOL_MS,
    SYMBOL_S,
    SimulatedStream,
    decode_kinds,
    partials,
    stream_with_partials,
    symbol_frames,
    window_frames,
)

DUE = [PartialDue(0)]


def with_held_partials(timeline: str = "..##########", **settings: object) -> SimulatedStream:
    """Return a stream whose partials begin only by `begin_partial`."""
    stream = stream_with_partials(timeline, **settings)
    stream.hold_partials()
    return stream


def started_partial(stream: SimulatedStream, utterance: int = 0) -> Decode:
    decode = stream.begin_partial(utterance)
    assert decode is not None
    return decode


def test_partial_contains_the_audio_received_while_it_was_queued() -> None:
    stream = with_held_partials()
    assert stream.feed(3) == [SpeechStarted(0, 2 * SYMBOL_MS), *DUE]
    stream.feed(5)
    decode = started_partial(stream)
    assert (decode.kind, window_frames(decode)) == (Kind.PARTIAL, symbol_frames(1, 8))
    stream.deliver(decode)
    assert [partial.end_ms for partial in partials(stream)] == [8 * SYMBOL_MS]


def test_queued_partial_is_requested_once() -> None:
    stream = with_held_partials()
    stream.feed(3)
    assert stream.feed() == []


def test_delivery_of_a_partial_requests_the_next() -> None:
    stream = with_held_partials()
    stream.feed(3)
    decode = started_partial(stream)
    assert stream.feed(4) == []
    assert stream.deliver(decode)[1:] == DUE


def test_pause_counts_from_the_start_of_the_decode() -> None:
    stream = with_held_partials(realtime_processing_pause=3 * SYMBOL_S)
    stream.feed(6)
    assert stream.deliver(started_partial(stream))[1:] == []
    assert stream.feed(2.75) == []
    assert stream.feed(0.25) == DUE


def test_canceled_partial_is_requested_again() -> None:
    stream = with_held_partials()
    stream.feed(4)
    stream.session.cancel_partial(0)
    assert stream.feed(1) == DUE
    assert window_frames(started_partial(stream)) == symbol_frames(1, 5)


def test_partial_is_not_started_after_the_end_of_the_utterance() -> None:
    stream = with_held_partials("..###...")
    stream.feed()
    assert stream.begin_partial() is None


def test_partial_is_not_started_after_finalize() -> None:
    stream = with_held_partials()
    stream.feed(4)
    stream.finalize()
    assert stream.begin_partial() is None


def test_partial_is_not_started_during_a_speculative_decode() -> None:
    stream = with_held_partials("..###..")
    stream.feed(5)
    assert decode_kinds(stream.feed(1)) == [Kind.SPECULATIVE]
    assert stream.begin_partial() is None


def test_partial_that_was_not_started_is_requested_again_when_speech_resumes() -> None:
    stream = with_held_partials("..###.##")
    assert stream.feed(5)[1:] == DUE
    stream.feed(1)
    assert stream.begin_partial() is None
    assert stream.feed(1) == [Withdraw(0), *DUE]
    assert window_frames(started_partial(stream)) == symbol_frames(1, 7)


def test_partial_is_started_once_speech_has_resumed() -> None:
    stream = with_held_partials("..###.##")
    assert stream.feed(5)[1:] == DUE
    stream.feed(1)
    assert stream.feed(1) == [Withdraw(0)]
    assert window_frames(started_partial(stream)) == symbol_frames(1, 7)


def test_partial_of_an_earlier_utterance_does_not_affect_the_open_one() -> None:
    stream = with_held_partials("..###...######")
    stream.feed(8)
    stream.feed(3)
    assert stream.begin_partial(0) is None
    stream.session.cancel_partial(0)
    assert stream.feed(1) == []
    assert window_frames(started_partial(stream, 1)) == symbol_frames(7, 12)


def test_no_partial_is_requested_at_the_end_of_the_audio() -> None:
    stream = with_held_partials()
    stream.feed(2.9)
    assert decode_kinds(outputs := stream.end()) == [Kind.FINAL]
    assert not any(isinstance(output, PartialDue) for output in outputs)


def test_partial_queued_during_silence_contains_the_silence() -> None:
    """It is still needed: there is no speculative decode, and the last partial has less speech."""
    stream = with_held_partials(
        "..###.....", post_speech_silence_duration=9 * SYMBOL_S, early_transcription_on_silence=0
    )
    stream.feed(5)
    stream.feed(3)
    decode = started_partial(stream)
    assert window_frames(decode) == symbol_frames(1, 8)
    assert stream.deliver(decode)[1:] == []
    assert stream.feed() == []
