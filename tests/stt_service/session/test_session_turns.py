"""A partial asks for its turn; what it hears is settled when the turn comes, and whether it is wanted at all."""

from __future__ import annotations

from stt_service.session.events import Decode, PartialDue, SpeechStarted, Withdraw
from stt_service.whisper.types import Kind
from tests.support.simulated_stream import (
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


def with_held_partials(drawing: str = "..##########", **settings: object) -> SimulatedStream:
    """Return a talk whose turns are held back."""
    heard = stream_with_partials(drawing, **settings)
    heard.hold_partials()
    return heard


def begun_partial(heard: SimulatedStream, utterance: int = 0) -> Decode:
    decode = heard.begin_partial(utterance)
    assert decode is not None
    return decode


def test_a_partial_holds_what_was_said_while_it_waited() -> None:
    heard = with_held_partials()
    assert heard.feed(3) == [SpeechStarted(0, 2 * SYMBOL_MS), *DUE]
    heard.feed(5)
    decode = begun_partial(heard)
    assert (decode.kind, window_frames(decode)) == (Kind.PARTIAL, symbol_frames(1, 8))
    heard.deliver(decode)
    assert [partial.end_ms for partial in partials(heard)] == [8 * SYMBOL_MS]


def test_a_partial_that_waits_asks_once() -> None:
    heard = with_held_partials()
    heard.feed(3)
    assert heard.feed() == []


def test_a_partial_whose_turn_came_is_followed_by_the_next_when_it_is_answered() -> None:
    heard = with_held_partials()
    heard.feed(3)
    decode = begun_partial(heard)
    assert heard.feed(4) == []
    assert heard.deliver(decode)[1:] == DUE


def test_the_pause_counts_from_the_turn() -> None:
    heard = with_held_partials(realtime_processing_pause=3 * SYMBOL_S)
    heard.feed(6)
    assert heard.deliver(begun_partial(heard))[1:] == []
    assert heard.feed(2.75) == []
    assert heard.feed(0.25) == DUE


def test_a_turn_that_will_not_come_is_asked_for_again() -> None:
    heard = with_held_partials()
    heard.feed(4)
    heard.session.cancel_partial(0)
    assert heard.feed(1) == DUE
    assert window_frames(begun_partial(heard)) == symbol_frames(1, 5)


def test_a_turn_after_the_end_of_the_utterance_gives_nothing() -> None:
    heard = with_held_partials("..###...")
    heard.feed()
    assert heard.begin_partial() is None


def test_a_turn_after_an_end_from_outside_gives_nothing() -> None:
    heard = with_held_partials()
    heard.feed(4)
    heard.finalize()
    assert heard.begin_partial() is None


def test_a_turn_once_the_final_is_decoded_ahead_gives_nothing() -> None:
    heard = with_held_partials("..###..")
    heard.feed(5)
    assert decode_kinds(heard.feed(1)) == [Kind.SPECULATIVE]
    assert heard.begin_partial() is None


def test_a_partial_whose_turn_gave_nothing_asks_again_when_speech_resumes() -> None:
    heard = with_held_partials("..###.##")
    assert heard.feed(5)[1:] == DUE
    heard.feed(1)
    assert heard.begin_partial() is None
    assert heard.feed(1) == [Withdraw(0), *DUE]
    assert window_frames(begun_partial(heard)) == symbol_frames(1, 7)


def test_a_turn_that_comes_once_speech_has_resumed_is_as_good_as_any() -> None:
    heard = with_held_partials("..###.##")
    assert heard.feed(5)[1:] == DUE
    heard.feed(1)
    assert heard.feed(1) == [Withdraw(0)]
    assert window_frames(begun_partial(heard)) == symbol_frames(1, 7)


def test_a_turn_of_an_earlier_utterance_gives_nothing_and_is_not_that_of_the_open_one() -> None:
    heard = with_held_partials("..###...######")
    heard.feed(8)
    heard.feed(3)
    assert heard.begin_partial(0) is None
    heard.session.cancel_partial(0)
    assert heard.feed(1) == []
    assert window_frames(begun_partial(heard, 1)) == symbol_frames(7, 12)


def test_at_the_end_of_the_audio_no_partial_is_asked_for() -> None:
    heard = with_held_partials()
    heard.feed(2.9)
    assert decode_kinds(outputs := heard.end()) == [Kind.FINAL]
    assert not any(isinstance(output, PartialDue) for output in outputs)


def test_a_partial_that_waits_during_silence_holds_the_silence() -> None:
    """It is wanted still: nothing is decoded ahead here, and more was said than the last one told."""
    heard = with_held_partials(
        "..###.....", post_speech_silence_duration=9 * SYMBOL_S, early_transcription_on_silence=0
    )
    heard.feed(5)
    heard.feed(3)
    decode = begun_partial(heard)
    assert window_frames(decode) == symbol_frames(1, 8)
    assert heard.deliver(decode)[1:] == []
    assert heard.feed() == []
