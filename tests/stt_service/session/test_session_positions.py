"""Positions of a stream: received and committed audio, and the continuation of a resumed dictation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.config import SessionConfig
from stt_service.session.events import Final, SpeechEnded, SpeechStarted
from stt_service.session.session import Session
from stt_service.vad.types import Endpoint
from stt_service.whisper.types import Word
from tests.support.timelines.simulated_stream import (
    SYMBOL_MS,
    TRANSCRIPT,
    SimulatedStream,
    only_decode,
    server_settings,
    stream_without_partials,
)

SENTENCE = "..###.."  # two symbols of silence end it, one starts the speculative decode


def test_end_of_the_audio_ends_the_utterance_and_commits_all_audio() -> None:
    stream = stream_without_partials("..###")
    stream.feed()
    stream.end()
    assert stream.session.committed_ms < 2 * SYMBOL_MS
    stream.deliver_all()
    final = stream.events[-1]
    assert isinstance(final, Final)
    assert final.endpoint is Endpoint.END_OF_AUDIO
    assert stream.session.committed_ms == stream.session.received_ms == 5 * SYMBOL_MS


def test_audio_shorter_than_a_frame_belongs_to_the_last_utterance() -> None:
    stream = stream_without_partials("..###")
    stream.send(5 * 4096 - 500)
    stream.end()
    samples = only_decode(stream.outputs).window.samples
    assert len(samples) == 4 * 2048
    assert not samples[-250:].any()
    assert samples[-251]


def test_long_silence_commits_all_audio_except_the_pre_roll() -> None:
    stream = stream_without_partials("." * 90)
    stream.feed(78)
    assert stream.session.committed_ms == 0
    stream.feed(1)  # ten seconds and a pre-roll
    assert stream.session.committed_ms == 78 * SYMBOL_MS


def test_utterance_is_committed_once_its_final_is_emitted() -> None:
    stream = stream_without_partials(SENTENCE + "." * 10)
    speculative = only_decode(stream.feed())
    assert stream.session.committed_ms == 0
    stream.deliver(speculative)
    assert stream.session.committed_ms == 7 * SYMBOL_MS


def test_end_of_speech_is_reported_at_the_endpoint_before_the_final_is_decoded() -> None:
    server = server_settings()
    stream = SimulatedStream(
        SENTENCE + ".", SessionConfig(server, server.runtime(), partials=False, offset_ms=1000, speech_ended=True)
    )
    stream.feed(6.75)
    assert stream.events == [SpeechStarted(0, 1000 + 2 * SYMBOL_MS)]
    stream.feed(0.25)
    assert stream.events[1:] == [
        SpeechEnded(0, end_ms=1000 + 5 * SYMBOL_MS, endpoint_ms=1000 + 7 * SYMBOL_MS, endpoint=Endpoint.SILENCE)
    ]
    stream.deliver_all()
    assert isinstance(stream.events[-1], Final)


def test_end_of_speech_is_within_the_received_audio() -> None:
    server = server_settings()
    stream = SimulatedStream("..###", SessionConfig(server, server.runtime(), partials=False, speech_ended=True))
    stream.send(5 * 4096 - 512)
    stream.end()
    ended = stream.events[-1]
    received_ms = 5 * SYMBOL_MS - 16
    assert stream.session.received_ms == received_ms
    assert ended == SpeechEnded(0, received_ms, received_ms, Endpoint.END_OF_AUDIO)


def test_end_of_speech_is_not_reported_unless_requested() -> None:
    stream = stream_without_partials(SENTENCE)
    stream.feed()
    stream.deliver_all()
    assert [type(event) for event in stream.events] == [SpeechStarted, Final]


def results_from(offset_ms: int, first_utterance: int) -> tuple[Session, SpeechStarted, Final]:
    """Return a session after one sentence, and its events."""
    server = server_settings()
    config = SessionConfig(
        server, server.runtime(), partials=False, offset_ms=offset_ms, first_utterance=first_utterance
    )
    stream = SimulatedStream(SENTENCE, config)
    stream.deliver(only_decode(stream.feed()), replace(TRANSCRIPT, words=(Word("Мама", 0.1, 0.5, 0.8),)))
    started, final = stream.events
    assert isinstance(started, SpeechStarted)
    assert isinstance(final, Final)
    return stream.session, started, final


def test_resumed_dictation_continues_positions_and_numbers() -> None:
    fresh, started, final = results_from(0, 0)
    resumed, started_again, final_again = results_from(5000, 7)
    assert started_again == SpeechStarted(7, started.start_ms + 5000)
    assert final_again.utterance == 7
    assert (final_again.start_ms, final_again.end_ms) == (final.start_ms + 5000, final.end_ms + 5000)
    assert final_again.words[0].start_s == pytest.approx(final.words[0].start_s + 5)
    assert resumed.received_ms == fresh.received_ms + 5000
    assert resumed.committed_ms == fresh.committed_ms + 5000
    assert resumed.next_utterance == 8


def test_resumed_dictation_without_audio_is_at_its_offset() -> None:
    server = server_settings()
    session = SimulatedStream("", SessionConfig(server, server.runtime(), offset_ms=5000)).session
    assert (session.received_ms, session.committed_ms) == (5000, 5000)


def test_left_context_is_for_the_resampler_only() -> None:
    server = server_settings()
    config = SessionConfig(
        server, server.runtime(), partials=False, offset_ms=5000, first_utterance=3, left_context_ms=SYMBOL_MS
    )
    stream = SimulatedStream("#" + SENTENCE, config)
    stream.feed(0.5)
    assert (stream.session.received_ms, stream.session.committed_ms) == (5000, 5000)
    stream.deliver(only_decode(stream.feed()))
    assert stream.events[0] == SpeechStarted(3, 5000 + 2 * SYMBOL_MS)
    assert stream.session.received_ms == 5000 + 7 * SYMBOL_MS
