"""Partials of an open utterance: one at a time, as there is room, and none once it has ended."""

from __future__ import annotations

from dataclasses import replace

from drawn_speech import CLEAR, SIGN_MS, SIGN_S, Talk, frames_of, kinds, only, parameters, signs, talk

from stt_service.events import Decode, Partial, SpeechStarted
from stt_service.session import SessionConfig
from stt_service.transcript import Kind

PARTIAL, EARLY = [Kind.PARTIAL], [Kind.EARLY]


def speaking(drawing: str = "..##########", **settings: object) -> Talk:
    server = parameters(**settings)
    return Talk(drawing, SessionConfig(server, server.live()))


def partials(heard: Talk) -> list[Partial]:
    return [event for event in heard.events if isinstance(event, Partial)]


def said(heard: Talk, decode: Decode, text: str) -> list[Kind]:
    """Answer the partial; return what is asked for next."""
    return kinds(heard.answer(decode, replace(CLEAR, text=text)))


def test_the_first_partial_is_due_once_speech_has_lasted_a_while() -> None:
    heard = speaking(init_realtime_after_seconds=3 * SIGN_S)
    assert kinds(heard.hear(4.75)) == []
    assert frames_of(only(heard.hear(0.25))) == signs(1, 5)


def test_a_partial_tells_the_utterance_so_far() -> None:
    heard = speaking()
    heard.hear(3)
    said(heard, only(heard.outputs), "мама мыла")
    assert partials(heard) == [
        Partial(0, revision=1, stable="", unstable="мама мыла", start_ms=2 * SIGN_MS, end_ms=3 * SIGN_MS)
    ]


def test_no_partial_is_asked_for_while_one_is_decoded() -> None:
    heard = speaking()
    assert kinds(heard.hear(4)) == PARTIAL
    assert kinds(heard.hear()) == []


def test_after_a_slow_partial_the_next_is_due_at_once() -> None:
    heard = speaking()
    first = only(heard.hear(4))
    heard.hear(2)
    [_, following] = heard.answer(first)
    assert isinstance(following, Decode)
    assert frames_of(following) == signs(1, 6)


def test_after_a_quick_partial_the_next_is_due_after_the_pause() -> None:
    heard = speaking(realtime_processing_pause=2 * SIGN_S)
    assert said(heard, only(heard.hear(4)), "мама") == []
    assert kinds(heard.hear(1.75)) == []
    assert frames_of(only(heard.hear(0.25))) == signs(1, 6)


def test_revisions_count_up_and_what_is_stable_is_never_taken_back() -> None:
    """However many hypotheses must agree, and however many words are held back."""
    heard = speaking("." + "#" * 30)
    heard.hear(3)
    sentence = "мама мыла раму в лесу а папа шёл домой и нёс большую рыбу"
    for text in (*[sentence] * 20, "папа"):
        said(heard, heard.decodes[-1], text)
        heard.hear(1)
    *_, before, last = partials(heard)
    assert [partial.revision for partial in partials(heard)] == list(range(1, 22))
    assert before.stable
    assert last.stable.startswith(before.stable)


def test_a_partial_that_cannot_be_trusted_is_not_told_and_the_next_is_asked_for() -> None:
    heard = speaking()
    first = only(heard.hear(4))
    heard.hear(1)
    assert said(heard, first, "you " * 20) == PARTIAL
    assert partials(heard) == []


def test_a_partial_that_will_not_come_makes_room_for_the_next() -> None:
    heard = speaking()
    first = only(heard.hear(4))
    heard.session.abandon(first)
    assert kinds(heard.hear(1)) == PARTIAL


def test_during_silence_no_partial_is_asked_for_until_speech_resumes() -> None:
    heard = speaking("..###.##")
    first = only(heard.hear(5))
    assert kinds(heard.hear(1)) == EARLY
    assert said(heard, first, "мама мыла") == []
    assert kinds(heard.hear()) == PARTIAL


def test_a_partial_is_never_a_final() -> None:
    heard = speaking("..###..")
    first = only(heard.hear(4))
    heard.hear()
    assert heard.answer(first) == []
    assert heard.session.owed == 1
    assert heard.events == [SpeechStarted(0, 2 * SIGN_MS)]


def test_a_late_partial_of_an_earlier_utterance_is_dropped() -> None:
    heard = speaking("..###..######")
    first = only(heard.hear(5))
    heard.hear(2)
    second = only(heard.hear(3))
    assert heard.answer(first) == []
    assert kinds(heard.hear()) == []
    said(heard, second, "мама мыла")
    assert [partial.utterance for partial in partials(heard)] == [1]


def test_a_late_partial_that_will_not_come_takes_no_place_of_the_next_utterances() -> None:
    heard = speaking("..###..######")
    first = only(heard.hear(5))
    assert kinds(heard.hear(5)) == [Kind.EARLY, Kind.PARTIAL]
    heard.session.abandon(first)
    assert kinds(heard.hear()) == []


def test_a_stream_that_wants_none_gets_none() -> None:
    heard = talk("..######")
    heard.hear()
    assert heard.decodes == []
    assert not heard.session.makes_partials


def test_of_an_utterance_that_is_ended_from_outside_no_partial_comes_any_more() -> None:
    heard = speaking()
    first = only(heard.hear(4))
    assert kinds(heard.finalize()) == [Kind.FINAL]
    assert heard.answer(first) == []
    assert partials(heard) == []


def test_the_pause_between_partials_does_not_put_off_the_first() -> None:
    heard = speaking(realtime_processing_pause=8 * SIGN_S)
    assert kinds(heard.hear(4)) == PARTIAL


def test_an_early_final_that_will_not_come_makes_no_room_for_a_second_partial() -> None:
    heard = speaking("..###.#####")
    assert kinds(heard.hear(5)) == PARTIAL
    early = only(heard.hear(1))
    heard.session.abandon(early)
    assert kinds(heard.hear()) == []
