"""The detected language of short audio: the dictation's last one, unless the evidence is strong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_service.session.config import SessionConfig
from stt_service.session.events import Final
from stt_service.whisper.language import SHORT_AUDIO_S, STRONG_PROBABILITY, choose_language
from stt_service.whisper.types import Kind, Transcript
from tests.support.timelines.simulated_stream import (
    SYMBOL_S,
    TIMING,
    TRANSCRIPT,
    SimulatedStream,
    only_decode,
    server_settings,
)

WEAK, LONG_S = STRONG_PROBABILITY - 0.3, SHORT_AUDIO_S + 1
TELUGU = {"te": WEAK, "en": 0.2, "ru": 0.1}


def test_weakly_detected_language_of_short_audio_is_replaced_by_the_previous_one() -> None:
    assert choose_language(TELUGU, "en", 1.7) == "en"


@pytest.mark.parametrize(
    ("probabilities", "previous", "audio_s"),
    [
        pytest.param(TELUGU, None, 1.7, id="nothing was spoken before"),
        pytest.param(TELUGU, "xx", 1.7, id="the model does not know the previous one"),
        pytest.param(TELUGU, "en", LONG_S, id="the audio is long"),
        pytest.param({"te": STRONG_PROBABILITY, "en": 0.05}, "en", 1.7, id="the evidence is strong"),
    ],
)
def test_detected_language_is_used_where(probabilities: dict[str, float], previous: str | None, audio_s: float) -> None:
    assert choose_language(probabilities, previous, audio_s) == "te"


def two_words(previous_language: str | None = None) -> SimulatedStream:
    """Return a session that has received two words, each an utterance of its own."""
    server = server_settings(language="auto", early_transcription_on_silence=0)
    config = SessionConfig(server, server.runtime(), partials=False, previous_language=previous_language)
    stream = SimulatedStream("...###..." + "...###...", config)
    stream.feed()
    return stream


def in_language(language: str, probability: float) -> Transcript:
    return replace(TRANSCRIPT, language=language, language_probability=probability)


def languages(stream: SimulatedStream) -> list[str]:
    return [event.language for event in stream.events if isinstance(event, Final)]


def test_word_with_weak_evidence_is_decoded_again_in_the_previous_language() -> None:
    stream = two_words()
    first, second = stream.decodes
    stream.deliver(first, in_language("en", 0.99))
    second_decode = only_decode(stream.deliver(second, in_language("te", WEAK)))
    assert (second_decode.kind, second_decode.window.options.previous_language) == (Kind.FINAL, "en")
    assert (second_decode.window.samples == second.window.samples).all()
    stream.deliver(second_decode, in_language("en", 0.2))
    assert languages(stream) == ["en", "en"]


def test_repeated_decode_with_the_previous_language_is_final() -> None:
    stream = two_words()
    first, second = stream.decodes
    stream.deliver(first, in_language("en", 0.99))
    second_decode = only_decode(stream.deliver(second, in_language("te", WEAK)))
    stream.deliver(second_decode, in_language("te", WEAK))
    assert languages(stream) == ["en", "te"]


@given(st.booleans(), st.sampled_from([None, "ru"]))
def test_order_of_transcripts_does_not_change_the_language(second_first: bool, previous: str | None) -> None:
    stream = two_words(previous)
    texts = {0: in_language("en", 0.99), 1: in_language("te", WEAK)}
    first, second = stream.decodes
    outputs = []
    for decode in (second, first) if second_first else (first, second):
        outputs += stream.deliver(decode, texts[decode.utterance])
    stream.deliver(only_decode(outputs), in_language("en", 0.3), TIMING)
    assert languages(stream) == ["en", "en"]


def test_resumed_stream_keeps_the_language_of_the_final_before_it() -> None:
    stream = two_words(previous_language="en")
    first, _ = stream.decodes
    second_decode = only_decode(stream.deliver(first, in_language("te", WEAK)))
    assert second_decode.window.options.previous_language == "en"


def test_language_of_a_stream_that_names_it_is_never_changed() -> None:
    server = server_settings(language="ru", early_transcription_on_silence=0, post_speech_silence_duration=2 * SYMBOL_S)
    stream = SimulatedStream(
        "...###...", SessionConfig(server, server.runtime(), partials=False, previous_language="en")
    )
    stream.feed()
    stream.deliver_all()
    assert languages(stream) == ["ru"]
