"""What a stream's settings do to its decodes, and what a change does: nothing to an open utterance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind
from tests.support.simulated_stream import (
    SYMBOL_MS,
    SYMBOL_S,
    SimulatedStream,
    decode_kinds,
    only_decode,
    server_settings,
    stream_without_partials,
    symbol_frames,
    window_frames,
)


def decodes(*, word_times: bool = False, **settings: object) -> dict[Kind, DecodeOptions]:
    """Return the options of each kind of decode under the settings."""
    server = server_settings(**settings)
    heard = SimulatedStream("..###..###", SessionConfig(server, server.runtime(), word_timestamps=word_times))
    for _ in range(10):
        heard.feed(1)
    heard.end()
    return {decode.kind: decode.window.options for decode in heard.decodes}


def test_partials_and_finals_have_their_own_search_and_context() -> None:
    options = decodes(beam_size=7, realtime_beam_size=2, encoder_context="full", realtime_encoder_context="short")
    for kind in (Kind.FINAL, Kind.SPECULATIVE):
        assert (options[kind].beam_size, options[kind].context) == (7, EncoderContext.FULL)
    assert (options[Kind.PARTIAL].beam_size, options[Kind.PARTIAL].context) == (2, EncoderContext.SHORT)


def test_an_early_decode_has_all_options_of_the_final() -> None:
    options = decodes(word_times=True, hotwords="gRPC")
    assert replace(options[Kind.SPECULATIVE], kind=Kind.FINAL) == options[Kind.FINAL]


def test_each_decode_says_what_it_is_for() -> None:
    assert all(options.kind is kind for kind, options in decodes().items())


def test_words_are_timed_on_request_but_not_those_of_partials() -> None:
    timed, untimed = decodes(word_times=True), decodes()
    assert {kind: options.word_timestamps for kind, options in timed.items()} == {
        Kind.FINAL: True,
        Kind.SPECULATIVE: True,
        Kind.PARTIAL: False,
    }
    assert not any(options.word_timestamps for options in untimed.values())


@pytest.mark.parametrize(("language", "asked"), [("en", "en"), ("auto", None)])
def test_a_language_is_asked_for_or_detected(language: str, asked: str | None) -> None:
    assert {options.language for options in decodes(language=language).values()} == {asked}


def test_what_steers_reaches_every_decode() -> None:
    for options in decodes(initial_prompt="Привет.", hotwords="gRPC, Silero", translate=True).values():
        assert (options.initial_prompt, options.hotwords) == ("Привет.", "gRPC, Silero")
        assert options.translate


def test_a_change_holds_from_the_next_utterance_on() -> None:
    heard = stream_without_partials("..###..###..")
    heard.feed(4)
    heard.session.update({"language": "en"})
    heard.feed()
    assert [decode.window.options.language for decode in heard.decodes] == ["ru", "en"]
    assert heard.session.runtime.language == "en"


def test_a_change_during_silence_holds_for_the_speech_that_follows() -> None:
    heard = stream_without_partials("..###..")
    heard.feed(1)
    heard.session.update({"language": "en"})
    assert only_decode(heard.feed()).window.options.language == "en"


def test_a_change_holds_for_what_follows_a_cut() -> None:
    heard = stream_without_partials("#" * 60 + "..")
    heard.feed(30)
    heard.session.update({"language": "en"})
    heard.feed()
    assert [decode.window.options.language for decode in heard.decodes] == ["ru", "en"]


def test_an_open_utterance_ends_after_the_silence_it_began_with() -> None:
    heard = stream_without_partials("..###.....###.....")
    heard.feed(4)
    heard.session.update({"post_speech_silence_duration": 4 * SYMBOL_S})
    heard.feed(3)
    assert heard.session.pending_finals == 1
    heard.feed(9.75)
    assert heard.session.pending_finals == 1
    heard.feed(0.25)
    assert heard.session.pending_finals == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"language": "xx"}, "Invalid LANGUAGE='xx': must be"),
        (
            {"language": "en", "post_speech_silence_duration": 99},
            "Invalid POST_SPEECH_SILENCE_DURATION=99: ",
        ),
        ({"beam_size": 2}, "Invalid BEAM_SIZE=2: there is no such setting"),
    ],
)
def test_a_change_that_will_not_do_changes_nothing(changes: dict[str, object], told: str) -> None:
    heard = stream_without_partials("..###..")
    before = heard.session.runtime
    with pytest.raises(InvalidRequestError, match=told):
        heard.session.update(changes)
    assert heard.session.runtime == before
    assert heard.vads[-1].aggressiveness is None
    assert only_decode(heard.feed()).window.options.language == "ru"
    assert heard.session.pending_finals == 1


def test_the_vad_is_told_of_a_change() -> None:
    heard = stream_without_partials("")
    heard.session.update({"webrtc_sensitivity": 1})
    assert heard.vads[-1].aggressiveness == 1


def test_the_server_sets_the_pre_roll() -> None:
    heard = stream_without_partials(".....###..", pre_recording_buffer_duration=3 * SYMBOL_S)
    assert window_frames(only_decode(heard.feed())) == symbol_frames(2, 9)


def test_the_first_word_of_a_stream_has_the_pre_roll_there_is() -> None:
    heard = stream_without_partials("###..", pre_recording_buffer_duration=3 * SYMBOL_S)
    assert window_frames(only_decode(heard.feed())) == symbol_frames(0, 4)


def test_silence_does_not_end_an_utterance_shorter_than_the_least() -> None:
    heard = stream_without_partials("##......", min_length_of_recording=6 * SYMBOL_S)
    heard.feed(5.75)
    assert heard.session.pending_finals == 0
    heard.feed(0.25)
    assert heard.session.pending_finals == 1


def test_without_an_update_a_stream_keeps_what_it_was_opened_with() -> None:
    server = server_settings()
    heard = SimulatedStream(
        "..###..", SessionConfig(server, server.runtime().updated({"language": "de"}), partials=False)
    )
    [decode] = [each for each in heard.feed() if isinstance(each, Decode)]
    assert (decode.window.options.language, heard.session.runtime.language) == ("de", "de")
    assert decode_kinds(heard.outputs) == [Kind.SPECULATIVE]
    assert heard.session.received_ms == 7 * SYMBOL_MS
