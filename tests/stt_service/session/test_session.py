"""Decodes and events of one stream; `#` is speech and `.` silence, 128 ms per symbol."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.session.events import Final, Promote, SpeechStarted, Suppressed
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason
from stt_service.whisper.types import Kind, Word
from tests.support.timelines.simulated_stream import (
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

SENTENCE = "..###.."  # two symbols of silence end it, one starts the speculative decode


def finals(stream: SimulatedStream) -> list[Final]:
    return [event for event in stream.events if isinstance(event, Final)]


def test_silence_has_no_outputs() -> None:
    stream = stream_without_partials("." * 20)
    assert stream.feed() + stream.end() == []


def test_speech_started_is_emitted_at_the_onset() -> None:
    stream = stream_without_partials("..###")
    stream.feed()
    assert stream.events == [SpeechStarted(0, 2 * SYMBOL_MS)]


def test_window_is_the_speech_with_pre_roll_and_padding() -> None:
    stream = stream_without_partials(SENTENCE)
    decode = only_decode(stream.feed())
    assert window_frames(decode) == symbol_frames(1, 6)
    assert decode.window.speech_end_s == pytest.approx(4 * SYMBOL_S)


def test_final_has_all_fields() -> None:
    stream = stream_without_partials(SENTENCE)
    stream.deliver(only_decode(stream.feed()))
    assert finals(stream) == [
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
    stream = stream_without_partials("." * 10 + SENTENCE)
    stream.deliver(only_decode(stream.feed()), replace(TRANSCRIPT, words=(Word("Мама", 0.3, 0.5, 0.8),)))
    [word] = finals(stream)[0].words
    assert (word.text, word.probability) == ("Мама", 0.8)
    assert (word.start_s, word.end_s) == pytest.approx((11 * SYMBOL_S + 0.3, 11 * SYMBOL_S + 0.5))


def test_words_begin_no_earlier_than_the_onset() -> None:
    stream = stream_without_partials("." * 10 + SENTENCE)
    words = (Word("Мама", 0.0, 0.01, 0.8), Word("мыла", 0.01, 0.5, 0.8), Word("раму", 0.5, 0.6, 0.8))
    stream.deliver(only_decode(stream.feed()), replace(TRANSCRIPT, words=words))
    [final] = finals(stream)
    onset_s = final.start_ms / 1000
    assert onset_s > 11 * SYMBOL_S
    times = [(word.start_s, word.end_s) for word in final.words]
    assert times[0] == (onset_s, onset_s)
    assert times[1] == pytest.approx((onset_s, 11 * SYMBOL_S + 0.5))
    assert times == sorted(times)


def test_speculative_transcript_becomes_the_final_at_the_endpoint() -> None:
    stream = stream_without_partials(SENTENCE)
    speculative = only_decode(stream.feed(6))
    assert speculative.kind is Kind.SPECULATIVE
    assert stream.deliver(speculative) == []
    [final] = stream.feed()
    assert isinstance(final, Final)
    assert final.speculative


def test_running_speculative_decode_is_promoted_at_the_endpoint_and_becomes_the_final() -> None:
    stream = stream_without_partials(SENTENCE)
    speculative = only_decode(stream.feed(6))
    assert stream.feed() == [Promote(0)]
    [final] = stream.deliver(speculative)
    assert isinstance(final, Final)
    assert final.speculative


@pytest.mark.parametrize("answered", ["before", "after", "at the end"])
def test_resumed_speech_discards_the_speculative_decode(answered: str) -> None:
    stream = stream_without_partials("..###.##..")
    speculative = only_decode(stream.feed(6))
    if answered == "before":
        assert stream.deliver(speculative) == []
    second = only_decode(stream.feed(3))
    if answered == "after":
        assert stream.deliver(speculative) == []
    stream.feed()
    if answered == "at the end":
        assert stream.deliver(speculative) == []
    [final] = stream.deliver(second)
    assert isinstance(final, Final)
    assert window_frames(second) == symbol_frames(1, 9)


def test_final_is_requested_at_the_endpoint_without_a_speculative_decode() -> None:
    stream = stream_without_partials(SENTENCE, early_transcription_on_silence=0)
    assert stream.feed(6.5)[1:] == []
    decode = only_decode(stream.feed())
    assert decode.kind is Kind.FINAL
    [final] = stream.deliver(decode)
    assert isinstance(final, Final)
    assert not final.speculative


def test_endpoint_before_the_speculative_decode_requests_the_final() -> None:
    stream = stream_without_partials(SENTENCE, early_transcription_on_silence=3 * SYMBOL_S)
    assert decode_kinds(stream.feed()) == [Kind.FINAL]


@pytest.mark.parametrize("endpoint", [Endpoint.FINALIZE, Endpoint.DRAIN, Endpoint.STALLED])
def test_finalize_ends_the_open_utterance(endpoint: Endpoint) -> None:
    stream = stream_without_partials("..###")
    stream.feed()
    decode = only_decode(stream.session.finalize(endpoint))
    assert (decode.kind, window_frames(decode)) == (Kind.FINAL, symbol_frames(1, 5))
    stream.deliver(decode)
    assert [final.endpoint for final in finals(stream)] == [endpoint]


def test_speculative_decode_becomes_the_final_of_a_finalized_utterance() -> None:
    stream = stream_without_partials("..###..", post_speech_silence_duration=2)
    speculative = only_decode(stream.feed())
    assert stream.finalize() == [Promote(0)]
    stream.deliver(speculative)
    [final] = finals(stream)
    assert (final.endpoint, final.speculative, final.endpoint_s) == (Endpoint.FINALIZE, True, 2 * SYMBOL_S)


def test_finalize_without_an_utterance_has_no_outputs() -> None:
    stream = stream_without_partials("....")
    stream.feed()
    assert stream.finalize() == []


def test_stream_continues_after_finalize() -> None:
    stream = stream_without_partials("..######..")
    stream.feed(5)
    stream.finalize()
    stream.feed()
    assert [window_frames(decode) for decode in stream.decodes] == [symbol_frames(1, 5), symbol_frames(5, 9)]


def test_finalize_flushes_the_vad() -> None:
    stream = stream_without_partials("..###", late=100)
    assert stream.feed() == []
    stream.finalize()
    assert window_frames(only_decode(stream.outputs)) == symbol_frames(1, 5)


def test_utterance_of_the_maximum_length_is_cut_without_a_gap() -> None:
    stream = stream_without_partials("#" * 60 + "..")
    stream.feed()
    stream.deliver_all()
    first, second = finals(stream)
    windows = [window_frames(decode) for decode in stream.decodes]
    assert first.endpoint is Endpoint.MAX_LENGTH
    assert (windows[0].start, windows[0].stop, windows[1].stop) == (0, windows[1].start, 61 * 4)
    assert first.end_ms == second.start_ms


def test_speculative_decode_beyond_a_cut_is_not_the_final() -> None:
    stream = stream_without_partials("#" * 35 + "." * 5, post_speech_silence_duration=9 * SYMBOL_S)
    stream.feed()
    speculative, final, *_ = stream.decodes
    assert (speculative.kind, final.kind) == (Kind.SPECULATIVE, Kind.FINAL)
    assert window_frames(final).stop < window_frames(speculative).stop
    assert stream.deliver(speculative) == []
    assert len(stream.deliver(final)) == 1


def test_finals_are_emitted_in_the_order_of_their_utterances() -> None:
    stream = stream_without_partials(SENTENCE * 3)
    stream.feed()
    first, second, third = stream.decodes
    assert stream.deliver(third) == []
    assert stream.deliver(second) == []
    assert stream.session.pending_finals == 3
    stream.deliver(first)
    assert [final.utterance for final in finals(stream)] == [0, 1, 2]
    assert stream.session.pending_finals == 0


def test_transcript_is_used_once() -> None:
    stream = stream_without_partials(SENTENCE)
    decode = only_decode(stream.feed())
    assert len(stream.deliver(decode)) == 1
    assert stream.deliver(decode) == []


def test_hallucination_is_emitted_as_suppressed_in_order() -> None:
    stream = stream_without_partials(SENTENCE * 2)
    stream.feed()
    first, second = stream.decodes
    stream.deliver(second)
    suppressed, final = stream.deliver(first, replace(TRANSCRIPT, text="Субтитры сделал DimaTorzok"))
    text = "Субтитры сделал DimaTorzok"
    assert suppressed == Suppressed(
        0, 2 * SYMBOL_MS, 5 * SYMBOL_MS, SuppressionReason.KNOWN_PHRASE, text, Endpoint.SILENCE, 7 * SYMBOL_MS
    )
    assert isinstance(final, Final)


def test_retiring_stream_processes_its_open_utterance_to_the_end_and_no_more() -> None:
    stream = stream_without_partials("..###......###..")
    stream.feed(4)
    stream.session.stop_after_utterance()
    over = [stream.session.is_retired]
    stream.feed()
    over.append(stream.session.is_retired)
    assert over == [False, True]
    stream.deliver_all()
    assert [final.end_ms for final in finals(stream)] == [5 * SYMBOL_MS]
    assert stream.session.committed_ms == 7 * SYMBOL_MS


def test_stream_that_retires_in_silence_is_retired_immediately_and_leaves_its_pre_roll_uncommitted() -> None:
    stream = stream_without_partials("..###.....###")
    stream.feed(10)
    stream.deliver_all()
    stream.session.stop_after_utterance()
    assert stream.session.is_retired
    assert stream.feed() == []
    assert stream.session.committed_ms == 7 * SYMBOL_MS


def test_incomplete_sample_at_the_end_is_rejected_and_earlier_results_are_kept() -> None:
    stream = stream_without_partials("..###")
    stream.feed()
    stream.session.feed(b"\x00")
    stream.end()
    with pytest.raises(InvalidRequestError, match="ended inside a sample"):
        stream.session.check_whole()
    stream.deliver_all()
    assert [final.endpoint for final in finals(stream)] == [Endpoint.END_OF_AUDIO]
