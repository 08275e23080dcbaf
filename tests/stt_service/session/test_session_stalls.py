"""Streams whose audio stalls: partials during the stall, and the state for the stream that resumes them."""

from __future__ import annotations

from dataclasses import replace

from stt_service.session.events import DecodeTiming, Final, Withdraw
from stt_service.whisper.types import Kind
from tests.support.timelines.simulated_stream import (
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

SENTENCE = "..###.."  # two symbols of silence end it, one starts the speculative decode


def deliver_expensive(stream: SimulatedStream) -> None:
    """Deliver the last partial with an inference time of three seconds."""
    stream.deliver(
        stream.decodes[-1], replace(TRANSCRIPT, text="мама"), DecodeTiming(queue_s=0, inference_s=3, batch=1)
    )


def test_open_utterance_of_a_suspended_stream_gets_no_final_and_stays_uncommitted() -> None:
    stream = stream_without_partials(SENTENCE + "...###")
    stream.feed()
    stream.deliver_all()
    stream.suspend()
    stream.deliver_all()
    assert [event.utterance for event in stream.events if isinstance(event, Final)] == [0]
    assert stream.session.committed_ms == 7 * SYMBOL_MS


def test_pending_finals_of_a_suspended_stream_are_still_emitted() -> None:
    stream = stream_without_partials(SENTENCE + "...###")
    stream.feed()
    stream.suspend()
    assert stream.session.pending_finals == 1
    stream.deliver_all()
    assert stream.session.pending_finals == 0
    assert stream.session.committed_ms == 7 * SYMBOL_MS


def test_speculative_decodes_of_a_suspended_utterance_are_withdrawn() -> None:
    stream = stream_without_partials("..###..", post_speech_silence_duration=2)
    speculative = only_decode(stream.feed())
    assert stream.suspend() == [Withdraw(0, speculative.number)]


def test_suspended_stream_ignores_audio_and_finalize() -> None:
    stream = stream_without_partials("..###" + "#" * 5 + "...")
    stream.feed(5)
    stream.suspend()
    assert stream.feed() + stream.finalize() == []
    assert stream.session.committed_ms == 0


def test_partial_is_not_started_after_the_suspension() -> None:
    stream = stream_with_partials()
    stream.hold_partials()
    stream.feed(5)
    stream.suspend()
    assert stream.begin_partial() is None


def test_stream_has_advanced_once_an_utterance_has_ended() -> None:
    stream = stream_without_partials(SENTENCE)
    stream.feed(5)
    assert not stream.session.has_advanced
    stream.feed()
    assert stream.session.has_advanced


def test_stall_requests_a_partial_of_all_audio_although_the_last_one_was_expensive() -> None:
    stream = stream_with_partials()
    stream.feed(4)
    deliver_expensive(stream)
    assert decode_kinds(stream.feed(3)) == []
    assert window_frames(only_decode(stream.catch_up())) == symbol_frames(1, 7)


def test_partial_in_progress_at_a_stall_is_followed_by_one_of_all_audio() -> None:
    stream = stream_with_partials()
    stream.feed(4)
    stream.feed(3)
    assert stream.catch_up() == []
    deliver_expensive(stream)
    assert window_frames(stream.decodes[-1]) == symbol_frames(1, 7)
    deliver_expensive(stream)
    assert len(partials(stream)) == len(stream.decodes) == 2


def test_stall_requests_no_partial_of_covered_audio() -> None:
    stream = stream_with_partials()
    stream.feed(4)
    deliver_expensive(stream)
    assert stream.catch_up() == []


def test_stall_in_silence_requests_no_partial() -> None:
    stream = stream_with_partials("....")
    stream.feed()
    assert stream.catch_up() == []


def test_partials_after_a_stall_are_paced_as_before() -> None:
    stream = stream_with_partials("." + "#" * 60, realtime_processing_pause=2 * SYMBOL_S)
    stream.feed(4)
    stream.catch_up()
    assert decode_kinds(stream.feed(1)) == []
    deliver_expensive(stream)
    assert decode_kinds(stream.feed(4)) == []
    assert {decode.kind for decode in stream.decodes} == {Kind.PARTIAL}
