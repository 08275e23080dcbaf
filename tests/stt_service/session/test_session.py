"""One stream: what is decoded, what is told, and when; `#` is speech and `.` silence, a sign 128 ms."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.session.events import Final, Promote, SpeechStarted, Suppressed
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind, Word
from tests.support.simulated_stream import (
    SYMBOL_MS,
    SYMBOL_S,
    TIMING,
    TRANSCRIPT,
    SimulatedStream,
    decode_kinds,
    only_decode,
    stream_without_partials,
    symbol_frames,
    window_frames,
)

SENTENCE = "..###.."  # two signs of silence end it, one has it decoded early


def finals(heard: SimulatedStream) -> list[Final]:
    return [event for event in heard.events if isinstance(event, Final)]


def test_silence_says_nothing() -> None:
    heard = stream_without_partials("." * 20)
    assert heard.feed() + heard.end() == []


def test_speech_is_told_when_it_begins() -> None:
    heard = stream_without_partials("..###")
    heard.feed()
    assert heard.events == [SpeechStarted(0, 2 * SYMBOL_MS)]


def test_a_window_is_the_speech_with_its_pre_roll_and_trail() -> None:
    heard = stream_without_partials(SENTENCE)
    decode = only_decode(heard.feed())
    assert window_frames(decode) == symbol_frames(1, 6)
    assert decode.window.speech_end_s == pytest.approx(4 * SYMBOL_S)


def test_a_final_tells_what_is_known() -> None:
    heard = stream_without_partials(SENTENCE)
    heard.deliver(only_decode(heard.feed()))
    assert finals(heard) == [
        Final(
            utterance=0,
            text=TRANSCRIPT.text,
            start_ms=2 * SYMBOL_MS,
            end_ms=5 * SYMBOL_MS,
            language="ru",
            language_probability=0.9,
            confidence=exp(-0.2),
            words=(),
            endpoint=Endpoint.SILENCE,
            endpoint_s=2 * SYMBOL_S,
            speculative=True,
            timing=TIMING,
            committed_ms=7 * SYMBOL_MS,
        )
    ]


def test_words_have_their_times_in_the_dictation() -> None:
    heard = stream_without_partials("." * 10 + SENTENCE)
    heard.deliver(only_decode(heard.feed()), replace(TRANSCRIPT, words=(Word("Мама", 0.3, 0.5, 0.8),)))
    [word] = finals(heard)[0].words
    assert (word.text, word.probability) == ("Мама", 0.8)
    assert (word.start_s, word.end_s) == pytest.approx((11 * SYMBOL_S + 0.3, 11 * SYMBOL_S + 0.5))


def test_no_word_begins_before_the_onset() -> None:
    heard = stream_without_partials("." * 10 + SENTENCE)
    words = (Word("Мама", 0.0, 0.01, 0.8), Word("мыла", 0.01, 0.5, 0.8), Word("раму", 0.5, 0.6, 0.8))
    heard.deliver(only_decode(heard.feed()), replace(TRANSCRIPT, words=words))
    [final] = finals(heard)
    onset_s = final.start_ms / 1000
    assert onset_s > 11 * SYMBOL_S
    times = [(word.start_s, word.end_s) for word in final.words]
    assert times[0] == (onset_s, onset_s)
    assert times[1] == pytest.approx((onset_s, 11 * SYMBOL_S + 0.5))
    assert times == sorted(times)


def test_an_early_transcript_is_the_final_once_the_utterance_has_ended() -> None:
    heard = stream_without_partials(SENTENCE)
    early = only_decode(heard.feed(6))
    assert early.kind is Kind.SPECULATIVE
    assert heard.deliver(early) == []
    [final] = heard.feed()
    assert isinstance(final, Final)
    assert final.speculative


def test_an_early_decode_that_is_late_is_promoted_and_is_the_final() -> None:
    heard = stream_without_partials(SENTENCE)
    early = only_decode(heard.feed(6))
    assert heard.feed() == [Promote(0)]
    [final] = heard.deliver(early)
    assert isinstance(final, Final)
    assert final.speculative


@pytest.mark.parametrize("answered", ["before", "after", "at the end"])
def test_speech_that_resumes_voids_the_early_decode(answered: str) -> None:
    heard = stream_without_partials("..###.##..")
    early = only_decode(heard.feed(6))
    if answered == "before":
        assert heard.deliver(early) == []
    second = only_decode(heard.feed(3))
    if answered == "after":
        assert heard.deliver(early) == []
    heard.feed()
    if answered == "at the end":
        assert heard.deliver(early) == []
    [final] = heard.deliver(second)
    assert isinstance(final, Final)
    assert window_frames(second) == symbol_frames(1, 9)


def test_where_nothing_is_decoded_early_the_end_asks_for_the_final() -> None:
    heard = stream_without_partials(SENTENCE, early_transcription_on_silence=0)
    assert heard.feed(6.5)[1:] == []
    decode = only_decode(heard.feed())
    assert decode.kind is Kind.FINAL
    [final] = heard.deliver(decode)
    assert isinstance(final, Final)
    assert not final.speculative


def test_an_end_before_the_early_decode_asks_for_the_final() -> None:
    heard = stream_without_partials(SENTENCE, early_transcription_on_silence=3 * SYMBOL_S)
    assert decode_kinds(heard.feed()) == [Kind.FINAL]


@pytest.mark.parametrize("endpoint", [Endpoint.FINALIZE, Endpoint.DRAIN, Endpoint.STALLED])
def test_an_open_utterance_is_ended_from_outside(endpoint: Endpoint) -> None:
    heard = stream_without_partials("..###")
    heard.feed()
    decode = only_decode(heard.session.finalize(endpoint))
    assert (decode.kind, window_frames(decode)) == (Kind.FINAL, symbol_frames(1, 5))
    heard.deliver(decode)
    assert [final.endpoint for final in finals(heard)] == [endpoint]


def test_an_early_decode_is_the_final_of_an_utterance_that_is_ended_from_outside() -> None:
    heard = stream_without_partials("..###..", post_speech_silence_duration=2)
    early = only_decode(heard.feed())
    assert heard.finalize() == [Promote(0)]
    heard.deliver(early)
    [final] = finals(heard)
    assert (final.endpoint, final.speculative, final.endpoint_s) == (Endpoint.FINALIZE, True, 2 * SYMBOL_S)


def test_without_an_utterance_there_is_none_to_end() -> None:
    heard = stream_without_partials("....")
    heard.feed()
    assert heard.finalize() == []


def test_the_stream_goes_on_after_an_utterance_was_ended_from_outside() -> None:
    heard = stream_without_partials("..######..")
    heard.feed(5)
    heard.finalize()
    heard.feed()
    assert [window_frames(decode) for decode in heard.decodes] == [symbol_frames(1, 5), symbol_frames(5, 9)]


def test_what_the_vad_held_back_is_heard_when_the_utterance_is_ended() -> None:
    heard = stream_without_partials("..###", late=100)
    assert heard.feed() == []
    heard.finalize()
    assert window_frames(only_decode(heard.outputs)) == symbol_frames(1, 5)


def test_too_long_an_utterance_is_cut_without_a_gap() -> None:
    heard = stream_without_partials("#" * 60 + "..")
    heard.feed()
    heard.deliver_all()
    first, second = finals(heard)
    windows = [window_frames(decode) for decode in heard.decodes]
    assert first.endpoint is Endpoint.MAX_LENGTH
    assert (windows[0].start, windows[0].stop, windows[1].stop) == (0, windows[1].start, 61 * 4)
    assert first.end_ms == second.start_ms


def test_an_early_decode_of_an_utterance_that_is_cut_before_its_end_is_not_its_final() -> None:
    heard = stream_without_partials("#" * 35 + "." * 5, post_speech_silence_duration=9 * SYMBOL_S)
    heard.feed()
    early, final, *_ = heard.decodes
    assert (early.kind, final.kind) == (Kind.SPECULATIVE, Kind.FINAL)
    assert window_frames(final).stop < window_frames(early).stop
    assert heard.deliver(early) == []
    assert len(heard.deliver(final)) == 1


def test_finals_are_told_in_the_order_of_their_utterances() -> None:
    heard = stream_without_partials(SENTENCE * 3)
    heard.feed()
    first, second, third = heard.decodes
    assert heard.deliver(third) == []
    assert heard.deliver(second) == []
    assert heard.session.pending_finals == 3
    heard.deliver(first)
    assert [final.utterance for final in finals(heard)] == [0, 1, 2]
    assert heard.session.pending_finals == 0


def test_a_transcript_counts_once() -> None:
    heard = stream_without_partials(SENTENCE)
    decode = only_decode(heard.feed())
    assert len(heard.deliver(decode)) == 1
    assert heard.deliver(decode) == []


def test_what_cannot_be_trusted_is_told_as_suppressed_in_its_turn() -> None:
    heard = stream_without_partials(SENTENCE * 2)
    heard.feed()
    first, second = heard.decodes
    heard.deliver(second)
    suppressed, final = heard.deliver(first, replace(TRANSCRIPT, text="Субтитры сделал DimaTorzok"))
    text = "Субтитры сделал DimaTorzok"
    assert suppressed == Suppressed(
        0, 2 * SYMBOL_MS, 5 * SYMBOL_MS, SuppressionReason.KNOWN_PHRASE, text, Endpoint.SILENCE, 7 * SYMBOL_MS
    )
    assert isinstance(final, Final)


def test_a_stream_that_retires_hears_its_open_utterance_to_the_end_and_no_more() -> None:
    heard = stream_without_partials("..###......###..")
    heard.feed(4)
    heard.session.stop_after_utterance()
    over = [heard.session.is_retired]
    heard.feed()
    over.append(heard.session.is_retired)
    assert over == [False, True]
    heard.deliver_all()
    assert [final.end_ms for final in finals(heard)] == [5 * SYMBOL_MS]
    assert heard.session.committed_ms == 7 * SYMBOL_MS


def test_a_stream_that_retires_in_silence_is_over_at_once_and_its_pre_roll_is_for_another() -> None:
    heard = stream_without_partials("..###.....###")
    heard.feed(10)
    heard.deliver_all()
    heard.session.stop_after_utterance()
    assert heard.session.is_retired
    assert heard.feed() == []
    assert heard.session.committed_ms == 7 * SYMBOL_MS


def test_half_a_sample_at_the_end_is_refused_and_costs_nothing_said_before() -> None:
    heard = stream_without_partials("..###")
    heard.feed()
    heard.session.feed(b"\x00")
    heard.end()
    with pytest.raises(InvalidRequestError, match="ended inside a sample"):
        heard.session.check_whole()
    heard.deliver_all()
    assert [final.endpoint for final in finals(heard)] == [Endpoint.END_OF_AUDIO]
