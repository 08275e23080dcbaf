"""One stream: what is decoded, what is told, and when; `#` is speech and `.` silence, a sign 128 ms."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest
from drawn_speech import CLEAR, COST, SIGN_MS, SIGN_S, Talk, frames_of, kinds, only, parameters, pcm, signs, talk

from stt_service.errors import InvalidRequest
from stt_service.guard import Reason
from stt_service.segmenter import Endpoint
from stt_service.session import Final, Promote, SessionConfig, SpeechStarted, Suppressed
from stt_service.transcript import Context, Kind, Word

SENTENCE = "..###.."  # two signs of silence end it, one has it decoded early


def finals(heard: Talk) -> list[Final]:
    return [event for event in heard.events if isinstance(event, Final)]


def test_silence_says_nothing() -> None:
    heard = talk("." * 20)
    assert heard.hear() + heard.end() == []


def test_speech_is_told_when_it_begins() -> None:
    heard = talk("..###")
    heard.hear()
    assert heard.events == [SpeechStarted(0, 2 * SIGN_MS)]


def test_a_window_is_the_speech_with_its_pre_roll_and_trail() -> None:
    heard = talk(SENTENCE)
    decode = only(heard.hear())
    assert frames_of(decode) == signs(1, 6)
    assert decode.window.speech_end_s == pytest.approx(4 * SIGN_S)


def test_a_final_tells_what_is_known() -> None:
    heard = talk(SENTENCE)
    word = Word("Мама", 0.1, 0.5, 0.8)
    heard.answer(only(heard.hear()), replace(CLEAR, words=(word,)))
    assert finals(heard) == [
        Final(
            utterance=0,
            text=CLEAR.text,
            start_ms=2 * SIGN_MS,
            end_ms=5 * SIGN_MS,
            language="ru",
            language_probability=0.9,
            confidence=exp(-0.2),
            words=(Word("Мама", pytest.approx(SIGN_S + 0.1), pytest.approx(SIGN_S + 0.5), 0.8),),
            endpoint=Endpoint.SILENCE,
            endpoint_s=2 * SIGN_S,
            early=True,
            cost=COST,
        )
    ]


def test_an_early_transcript_is_the_final_once_the_utterance_has_ended() -> None:
    heard = talk(SENTENCE)
    early = only(heard.hear(6))
    assert early.kind is Kind.EARLY
    assert heard.answer(early) == []
    [final] = heard.hear()
    assert isinstance(final, Final)
    assert final.early


def test_an_early_decode_that_is_late_is_promoted_and_is_the_final() -> None:
    heard = talk(SENTENCE)
    early = only(heard.hear(6))
    assert heard.hear() == [Promote(0)]
    [final] = heard.answer(early)
    assert isinstance(final, Final)
    assert final.early


@pytest.mark.parametrize("answered", ["before", "after", "at the end"])
def test_speech_that_resumes_voids_the_early_decode(answered: str) -> None:
    heard = talk("..###.##..")
    early = only(heard.hear(6))
    if answered == "before":
        assert heard.answer(early) == []
    second = only(heard.hear(3))
    if answered == "after":
        assert heard.answer(early) == []
    heard.hear()
    if answered == "at the end":
        assert heard.answer(early) == []
    [final] = heard.answer(second)
    assert isinstance(final, Final)
    assert frames_of(second) == signs(1, 9)


def test_where_nothing_is_decoded_early_the_end_asks_for_the_final() -> None:
    heard = talk(SENTENCE, early_transcription_on_silence=0)
    assert heard.hear(6.5)[1:] == []
    decode = only(heard.hear())
    assert decode.kind is Kind.FINAL
    [final] = heard.answer(decode)
    assert isinstance(final, Final)
    assert not final.early


def test_an_end_before_the_early_decode_asks_for_the_final() -> None:
    heard = talk(SENTENCE, early_transcription_on_silence=3 * SIGN_S)
    assert kinds(heard.hear()) == [Kind.FINAL]


@pytest.mark.parametrize("endpoint", [Endpoint.FINALIZE, Endpoint.DRAIN, Endpoint.STALLED])
def test_an_open_utterance_is_ended_from_outside(endpoint: Endpoint) -> None:
    heard = talk("..###")
    heard.hear()
    decode = only(heard.session.finalize(endpoint))
    assert (decode.kind, frames_of(decode)) == (Kind.FINAL, signs(1, 5))
    heard.answer(decode)
    assert [final.endpoint for final in finals(heard)] == [endpoint]


def test_an_early_decode_is_the_final_of_an_utterance_that_is_ended_from_outside() -> None:
    heard = talk("..###..", post_speech_silence_duration=2)
    early = only(heard.hear())
    assert heard.finalize() == [Promote(0)]
    heard.answer(early)
    [final] = finals(heard)
    assert (final.endpoint, final.early, final.endpoint_s) == (Endpoint.FINALIZE, True, 2 * SIGN_S)


def test_without_an_utterance_there_is_none_to_end() -> None:
    heard = talk("....")
    heard.hear()
    assert heard.finalize() == []


def test_the_stream_goes_on_after_an_utterance_was_ended_from_outside() -> None:
    heard = talk("..######..")
    heard.hear(5)
    heard.finalize()
    heard.hear()
    assert [frames_of(decode) for decode in heard.decodes] == [signs(1, 5), signs(5, 9)]


def test_what_the_vad_held_back_is_heard_when_the_utterance_is_ended() -> None:
    heard = talk("..###", late=100)
    assert heard.hear() == []
    heard.finalize()
    assert frames_of(only(heard.outputs)) == signs(1, 5)


def test_too_long_an_utterance_is_cut_without_a_gap() -> None:
    heard = talk("#" * 60 + "..")
    heard.hear()
    heard.answer_all()
    first, second = finals(heard)
    windows = [frames_of(decode) for decode in heard.decodes]
    assert first.endpoint is Endpoint.MAX_LENGTH
    assert (windows[0].start, windows[0].stop, windows[1].stop) == (0, windows[1].start, 61 * 4)
    assert first.end_ms == second.start_ms


def test_finals_are_told_in_the_order_of_their_utterances() -> None:
    heard = talk(SENTENCE * 3)
    heard.hear()
    first, second, third = heard.decodes
    assert heard.answer(third) == []
    assert heard.answer(second) == []
    assert heard.session.owed == 3
    heard.answer(first)
    assert [final.utterance for final in finals(heard)] == [0, 1, 2]
    assert heard.session.owed == 0


def test_a_transcript_counts_once() -> None:
    heard = talk(SENTENCE)
    decode = only(heard.hear())
    assert len(heard.answer(decode)) == 1
    assert heard.answer(decode) == []


def test_what_cannot_be_trusted_is_told_as_suppressed_in_its_turn() -> None:
    heard = talk(SENTENCE * 2)
    heard.hear()
    first, second = heard.decodes
    heard.answer(second)
    suppressed, final = heard.answer(first, replace(CLEAR, text="Субтитры сделал DimaTorzok"))
    assert suppressed == Suppressed(
        0, 2 * SIGN_MS, 5 * SIGN_MS, Reason.KNOWN_PHRASE, "Субтитры сделал DimaTorzok"
    )
    assert isinstance(final, Final)


def test_half_a_sample_at_the_end_is_refused_and_costs_nothing_said_before() -> None:
    heard = talk("..###")
    heard.hear()
    heard.session.push(b"\x00")
    with pytest.raises(InvalidRequest, match="ended inside a sample"):
        heard.end()
    heard.finalize()
    heard.answer_all()
    assert [final.endpoint for final in finals(heard)] == [Endpoint.FINALIZE]


def test_the_end_of_the_audio_ends_the_utterance_and_settles_all() -> None:
    heard = talk("..###")
    heard.hear()
    heard.end()
    assert heard.session.final_ms < 2 * SIGN_MS
    heard.answer_all()
    assert [final.endpoint for final in finals(heard)] == [Endpoint.END_OF_AUDIO]
    assert heard.session.final_ms == heard.session.received_ms == 5 * SIGN_MS


def test_sound_that_fills_no_frame_is_part_of_the_last_utterance() -> None:
    heard = talk("..###")
    heard.send(5 * 4096 - 500)
    heard.end()
    samples = only(heard.outputs).window.samples
    assert len(samples) == 4 * 2048
    assert not samples[-250:].any()
    assert samples[-251]


def test_in_silence_all_but_the_pre_roll_is_settled() -> None:
    heard = talk("." * 10)
    heard.hear()
    assert (heard.session.final_ms, heard.session.received_ms) == (9 * SIGN_MS, 10 * SIGN_MS)


def test_an_utterance_is_not_settled_before_it_is_told() -> None:
    heard = talk(SENTENCE + "." * 10)
    early = only(heard.hear())
    assert heard.session.final_ms == SIGN_MS
    heard.answer(early)
    assert heard.session.final_ms == 16 * SIGN_MS


def test_a_resumed_dictation_goes_on_with_its_positions_and_numbers() -> None:
    server = parameters()
    fresh = Talk(SENTENCE, SessionConfig(server, server.live(), partials=False))
    config = SessionConfig(server, server.live(), partials=False, offset_ms=5000, first_utterance=7)
    resumed = Talk(SENTENCE, config)
    for heard in (fresh, resumed):
        heard.answer(only(heard.hear()), replace(CLEAR, words=(Word("Мама", 0.1, 0.5, 0.8),)))
    started, final = fresh.events
    assert isinstance(started, SpeechStarted)
    assert isinstance(final, Final)
    shifted = tuple(replace(w, start_s=w.start_s + 5, end_s=w.end_s + 5) for w in final.words)
    ends = {"start_ms": final.start_ms + 5000, "end_ms": final.end_ms + 5000}
    again, final_again = resumed.events
    assert again == SpeechStarted(7, started.start_ms + 5000)
    assert isinstance(final_again, Final)
    assert final_again == replace(final, utterance=7, words=final_again.words, **ends)
    assert [w.start_s for w in final_again.words] == pytest.approx([w.start_s for w in shifted])
    assert resumed.session.received_ms == fresh.session.received_ms + 5000
    assert resumed.session.final_ms == fresh.session.final_ms + 5000
    assert resumed.session.next_utterance == 8


def test_before_any_audio_a_resumed_dictation_is_where_it_was() -> None:
    server = parameters()
    session = Talk("", SessionConfig(server, server.live(), offset_ms=5000)).session
    assert (session.received_ms, session.final_ms) == (5000, 5000)
