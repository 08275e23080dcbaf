"""How far a stream is: what was received, what is settled, and where a resumed dictation goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.config import SessionConfig
from stt_service.session.events import Final, SpeechStarted
from stt_service.session.session import Session
from stt_service.vad.types import Endpoint
from stt_service.whisper.types import Word
from tests.support.simulated_stream import (
    SYMBOL_MS,
    TRANSCRIPT,
    SimulatedStream,
    only_decode,
    server_settings,
    stream_without_partials,
)

SENTENCE = "..###.."  # two signs of silence end it, one has it decoded early


def test_the_end_of_the_audio_ends_the_utterance_and_settles_all() -> None:
    heard = stream_without_partials("..###")
    heard.feed()
    heard.end()
    assert heard.session.committed_ms < 2 * SYMBOL_MS
    heard.deliver_all()
    final = heard.events[-1]
    assert isinstance(final, Final)
    assert final.endpoint is Endpoint.END_OF_AUDIO
    assert heard.session.committed_ms == heard.session.received_ms == 5 * SYMBOL_MS


def test_sound_that_fills_no_frame_is_part_of_the_last_utterance() -> None:
    heard = stream_without_partials("..###")
    heard.send(5 * 4096 - 500)
    heard.end()
    samples = only_decode(heard.outputs).window.samples
    assert len(samples) == 4 * 2048
    assert not samples[-250:].any()
    assert samples[-251]


def test_in_long_silence_all_but_the_pre_roll_is_settled() -> None:
    heard = stream_without_partials("." * 90)
    heard.feed(78)
    assert heard.session.committed_ms == 0
    heard.feed(1)  # ten seconds and a pre-roll
    assert heard.session.committed_ms == 78 * SYMBOL_MS


def test_an_utterance_is_not_settled_before_it_is_told() -> None:
    heard = stream_without_partials(SENTENCE + "." * 10)
    early = only_decode(heard.feed())
    assert heard.session.committed_ms == 0
    heard.deliver(early)
    assert heard.session.committed_ms == 7 * SYMBOL_MS


def results_from(offset_ms: int, first_utterance: int) -> tuple[Session, SpeechStarted, Final]:
    """Return a session that heard a sentence, and what it said."""
    server = server_settings()
    config = SessionConfig(
        server, server.runtime(), partials=False, offset_ms=offset_ms, first_utterance=first_utterance
    )
    heard = SimulatedStream(SENTENCE, config)
    heard.deliver(only_decode(heard.feed()), replace(TRANSCRIPT, words=(Word("Мама", 0.1, 0.5, 0.8),)))
    started, final = heard.events
    assert isinstance(started, SpeechStarted)
    assert isinstance(final, Final)
    return heard.session, started, final


def test_a_resumed_dictation_goes_on_with_its_positions_and_numbers() -> None:
    fresh, started, final = results_from(0, 0)
    resumed, started_again, final_again = results_from(5000, 7)
    assert started_again == SpeechStarted(7, started.start_ms + 5000)
    assert final_again.utterance == 7
    assert (final_again.start_ms, final_again.end_ms) == (final.start_ms + 5000, final.end_ms + 5000)
    assert final_again.words[0].start_s == pytest.approx(final.words[0].start_s + 5)
    assert resumed.received_ms == fresh.received_ms + 5000
    assert resumed.committed_ms == fresh.committed_ms + 5000
    assert resumed.next_utterance == 8


def test_before_any_audio_a_resumed_dictation_is_where_it_was() -> None:
    server = server_settings()
    session = SimulatedStream("", SessionConfig(server, server.runtime(), offset_ms=5000)).session
    assert (session.received_ms, session.committed_ms) == (5000, 5000)


def test_a_lead_is_heard_by_the_resampler_alone() -> None:
    server = server_settings()
    config = SessionConfig(
        server, server.runtime(), partials=False, offset_ms=5000, first_utterance=3, left_context_ms=SYMBOL_MS
    )
    heard = SimulatedStream("#" + SENTENCE, config)
    heard.feed(0.5)
    assert (heard.session.received_ms, heard.session.committed_ms) == (5000, 5000)
    heard.deliver(only_decode(heard.feed()))
    assert heard.events[0] == SpeechStarted(3, 5000 + 2 * SYMBOL_MS)
    assert heard.session.received_ms == 5000 + 7 * SYMBOL_MS
