"""Effect of a stream's settings on its decodes. A change has no effect on an open utterance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind
from tests.support.timelines.simulated_stream import (
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
    stream = SimulatedStream("..###..###", SessionConfig(server, server.runtime(), word_timestamps=word_times))
    for _ in range(10):
        stream.feed(1)
    stream.end()
    return {decode.kind: decode.window.options for decode in stream.decodes}


def test_partials_and_finals_have_their_own_beam_size_and_context() -> None:
    options = decodes(beam_size=7, realtime_beam_size=2, encoder_context="full", realtime_encoder_context="short")
    for kind in (Kind.FINAL, Kind.SPECULATIVE):
        assert (options[kind].beam_size, options[kind].context) == (7, EncoderContext.FULL)
    assert (options[Kind.PARTIAL].beam_size, options[Kind.PARTIAL].context) == (2, EncoderContext.SHORT)


def test_speculative_decode_has_all_options_of_the_final() -> None:
    options = decodes(word_times=True, hotwords="gRPC")
    assert replace(options[Kind.SPECULATIVE], kind=Kind.FINAL) == options[Kind.FINAL]


def test_decode_options_have_the_kind() -> None:
    assert all(options.kind is kind for kind, options in decodes().items())


def test_word_timestamps_are_computed_on_request_but_not_for_partials() -> None:
    timed, untimed = decodes(word_times=True), decodes()
    assert {kind: options.word_timestamps for kind, options in timed.items()} == {
        Kind.FINAL: True,
        Kind.SPECULATIVE: True,
        Kind.PARTIAL: False,
    }
    assert not any(options.word_timestamps for options in untimed.values())


@pytest.mark.parametrize(("language", "expected"), [("en", "en"), ("auto", None)])
def test_language_is_set_or_detected(language: str, expected: str | None) -> None:
    assert {options.language for options in decodes(language=language).values()} == {expected}


def test_prompt_hotwords_and_translate_reach_every_decode() -> None:
    for options in decodes(initial_prompt="Привет.", hotwords="gRPC, Silero", translate=True).values():
        assert (options.initial_prompt, options.hotwords) == ("Привет.", "gRPC, Silero")
        assert options.translate


def test_change_takes_effect_at_the_next_utterance() -> None:
    stream = stream_without_partials("..###..###..")
    stream.feed(4)
    stream.session.update({"language": "en"})
    stream.feed()
    assert [decode.window.options.language for decode in stream.decodes] == ["ru", "en"]
    assert stream.session.runtime.language == "en"


def test_change_during_silence_applies_to_the_speech_that_follows() -> None:
    stream = stream_without_partials("..###..")
    stream.feed(1)
    stream.session.update({"language": "en"})
    assert only_decode(stream.feed()).window.options.language == "en"


def test_change_takes_effect_after_a_cut() -> None:
    stream = stream_without_partials("#" * 60 + "..")
    stream.feed(30)
    stream.session.update({"language": "en"})
    stream.feed()
    assert [decode.window.options.language for decode in stream.decodes] == ["ru", "en"]


def test_open_utterance_keeps_its_endpoint_silence() -> None:
    stream = stream_without_partials("..###.....###.....")
    stream.feed(4)
    stream.session.update({"post_speech_silence_duration": 4 * SYMBOL_S})
    stream.feed(3)
    assert stream.session.pending_finals == 1
    stream.feed(9.75)
    assert stream.session.pending_finals == 1
    stream.feed(0.25)
    assert stream.session.pending_finals == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"language": "xx"}, "Invalid LANGUAGE='xx': must be"),
        (
            {"language": "en", "post_speech_silence_duration": 99},
            "Invalid POST_SPEECH_SILENCE_DURATION=99: ",
        ),
        ({"beam_size": 2}, "Invalid BEAM_SIZE=2: there is no such setting"),
    ],
)
def test_invalid_change_changes_nothing(changes: dict[str, object], message: str) -> None:
    stream = stream_without_partials("..###..")
    before = stream.session.runtime
    with pytest.raises(InvalidRequestError, match=message):
        stream.session.update(changes)
    assert stream.session.runtime == before
    assert stream.vads[-1].aggressiveness is None
    assert only_decode(stream.feed()).window.options.language == "ru"
    assert stream.session.pending_finals == 1


def test_change_is_passed_to_the_vad() -> None:
    stream = stream_without_partials("")
    stream.session.update({"webrtc_sensitivity": 1})
    assert stream.vads[-1].aggressiveness == 1


def test_pre_roll_is_set_by_the_server() -> None:
    stream = stream_without_partials(".....###..", pre_recording_buffer_duration=3 * SYMBOL_S)
    assert window_frames(only_decode(stream.feed())) == symbol_frames(2, 9)


def test_first_word_of_a_stream_has_the_available_pre_roll() -> None:
    stream = stream_without_partials("###..", pre_recording_buffer_duration=3 * SYMBOL_S)
    assert window_frames(only_decode(stream.feed())) == symbol_frames(0, 4)


def test_silence_does_not_end_an_utterance_below_the_minimum_length() -> None:
    stream = stream_without_partials("##......", min_length_of_recording=6 * SYMBOL_S)
    stream.feed(5.75)
    assert stream.session.pending_finals == 0
    stream.feed(0.25)
    assert stream.session.pending_finals == 1


def test_stream_keeps_its_initial_settings_without_an_update() -> None:
    server = server_settings()
    stream = SimulatedStream(
        "..###..", SessionConfig(server, server.runtime().updated({"language": "de"}), partials=False)
    )
    [decode] = [each for each in stream.feed() if isinstance(each, Decode)]
    assert (decode.window.options.language, stream.session.runtime.language) == ("de", "de")
    assert decode_kinds(stream.outputs) == [Kind.SPECULATIVE]
    assert stream.session.received_ms == 7 * SYMBOL_MS
