"""A stream whose audio stalls: what is shown meanwhile, and what is left to the stream that resumes it."""

from __future__ import annotations

from dataclasses import replace

from stt_service.session.events import DecodeTiming, Final, Withdraw
from stt_service.whisper.types import Kind
from tests.support.simulated_stream import (
    SYMBOL_MS,
    SYMBOL_S,
    TRANSCRIPT,
    SimulatedStream,
    decode_kinds,
    only_decode,
    partials,
    stream_with_partials,
    stream_without_partials,
    symbol_frames,
    window_frames,
)

SENTENCE = "..###.."  # two signs of silence end it, one has it decoded early


def expensive(heard: SimulatedStream) -> None:
    """Answer the last partial with one that took its worker three seconds."""
    heard.deliver(heard.decodes[-1], replace(TRANSCRIPT, text="мама"), DecodeTiming(queue_s=0, inference_s=3, batch=1))


def test_the_open_utterance_of_a_suspended_stream_gets_no_final_and_stays_uncommitted() -> None:
    heard = stream_without_partials(SENTENCE + "...###")
    heard.feed()
    heard.deliver_all()
    heard.suspend()
    heard.deliver_all()
    assert [event.utterance for event in heard.events if isinstance(event, Final)] == [0]
    assert heard.session.committed_ms == 7 * SYMBOL_MS


def test_pending_finals_of_a_suspended_stream_are_still_emitted() -> None:
    heard = stream_without_partials(SENTENCE + "...###")
    heard.feed()
    heard.suspend()
    assert heard.session.pending_finals == 1
    heard.deliver_all()
    assert heard.session.pending_finals == 0
    assert heard.session.committed_ms == 7 * SYMBOL_MS


def test_early_decodes_of_a_suspended_utterance_are_withdrawn() -> None:
    heard = stream_without_partials("..###..", post_speech_silence_duration=2)
    early = only_decode(heard.feed())
    assert heard.suspend() == [Withdraw(0, early.number)]


def test_a_suspended_stream_ignores_what_still_comes() -> None:
    heard = stream_without_partials("..###" + "#" * 5 + "...")
    heard.feed(5)
    heard.suspend()
    assert heard.feed() + heard.finalize() == []
    assert heard.session.committed_ms == 0


def test_a_partial_whose_turn_comes_after_the_suspension_is_not_made() -> None:
    heard = stream_with_partials()
    heard.hold_partials()
    heard.feed(5)
    heard.suspend()
    assert heard.begin_partial() is None


def test_a_stream_has_advanced_once_an_utterance_has_ended() -> None:
    heard = stream_without_partials(SENTENCE)
    heard.feed(5)
    assert not heard.session.has_advanced
    heard.feed()
    assert heard.session.has_advanced


def test_a_stall_makes_a_partial_of_all_audio_although_the_last_one_was_expensive() -> None:
    heard = stream_with_partials()
    heard.feed(4)
    expensive(heard)
    assert decode_kinds(heard.feed(3)) == []
    assert window_frames(only_decode(heard.catch_up())) == symbol_frames(1, 7)


def test_a_partial_that_is_being_decoded_when_a_stall_begins_is_followed_by_one_of_all_audio() -> None:
    heard = stream_with_partials()
    heard.feed(4)
    heard.feed(3)
    assert heard.catch_up() == []
    expensive(heard)
    assert window_frames(heard.decodes[-1]) == symbol_frames(1, 7)
    expensive(heard)
    assert len(partials(heard)) == len(heard.decodes) == 2


def test_a_stall_makes_no_partial_of_audio_that_one_has_covered() -> None:
    heard = stream_with_partials()
    heard.feed(4)
    expensive(heard)
    assert heard.catch_up() == []


def test_a_stall_in_silence_makes_no_partial() -> None:
    heard = stream_with_partials("....")
    heard.feed()
    assert heard.catch_up() == []


def test_after_a_stall_partials_are_paced_as_before() -> None:
    heard = stream_with_partials("." + "#" * 60, realtime_processing_pause=2 * SYMBOL_S)
    heard.feed(4)
    heard.catch_up()
    assert decode_kinds(heard.feed(1)) == []
    expensive(heard)
    assert decode_kinds(heard.feed(4)) == []
    assert {decode.kind for decode in heard.decodes} == {Kind.PARTIAL}
