"""A partial asks for its turn; what it hears is settled when the turn comes, and whether it is wanted at all."""

from __future__ import annotations

from stt_service.session.events import Decode, PartialDue, SpeechStarted, Withdraw
from stt_service.whisper.types import Kind
from tests.support.drawn_speech import SIGN_MS, SIGN_S, Talk, frames_of, kinds, partials, signs, speaking

DUE = [PartialDue(0)]


def waiting(drawing: str = "..##########", **settings: object) -> Talk:
    """Return a talk whose turns are held back."""
    heard = speaking(drawing, **settings)
    heard.hold_turns()
    return heard


def turned(heard: Talk, utterance: int = 0) -> Decode:
    decode = heard.turn(utterance)
    assert decode is not None
    return decode


def test_a_partial_holds_what_was_said_while_it_waited() -> None:
    heard = waiting()
    assert heard.hear(3) == [SpeechStarted(0, 2 * SIGN_MS), *DUE]
    heard.hear(5)
    decode = turned(heard)
    assert (decode.kind, frames_of(decode)) == (Kind.PARTIAL, signs(1, 8))
    heard.answer(decode)
    assert [partial.end_ms for partial in partials(heard)] == [8 * SIGN_MS]


def test_a_partial_that_waits_asks_once() -> None:
    heard = waiting()
    heard.hear(3)
    assert heard.hear() == []


def test_a_partial_whose_turn_came_is_followed_by_the_next_when_it_is_answered() -> None:
    heard = waiting()
    heard.hear(3)
    decode = turned(heard)
    assert heard.hear(4) == []
    assert heard.answer(decode)[1:] == DUE


def test_the_pause_counts_from_the_turn() -> None:
    heard = waiting(realtime_processing_pause=3 * SIGN_S)
    heard.hear(6)
    assert heard.answer(turned(heard))[1:] == []
    assert heard.hear(2.75) == []
    assert heard.hear(0.25) == DUE


def test_a_turn_that_will_not_come_is_asked_for_again() -> None:
    heard = waiting()
    heard.hear(4)
    heard.session.cancel_partial(0)
    assert heard.hear(1) == DUE
    assert frames_of(turned(heard)) == signs(1, 5)


def test_a_turn_after_the_end_of_the_utterance_gives_nothing() -> None:
    heard = waiting("..###...")
    heard.hear()
    assert heard.turn() is None


def test_a_turn_after_an_end_from_outside_gives_nothing() -> None:
    heard = waiting()
    heard.hear(4)
    heard.finalize()
    assert heard.turn() is None


def test_a_turn_once_the_final_is_decoded_ahead_gives_nothing() -> None:
    heard = waiting("..###..")
    heard.hear(5)
    assert kinds(heard.hear(1)) == [Kind.SPECULATIVE]
    assert heard.turn() is None


def test_a_partial_whose_turn_gave_nothing_asks_again_when_speech_resumes() -> None:
    heard = waiting("..###.##")
    assert heard.hear(5)[1:] == DUE
    heard.hear(1)
    assert heard.turn() is None
    assert heard.hear(1) == [Withdraw(0), *DUE]
    assert frames_of(turned(heard)) == signs(1, 7)


def test_a_turn_that_comes_once_speech_has_resumed_is_as_good_as_any() -> None:
    heard = waiting("..###.##")
    assert heard.hear(5)[1:] == DUE
    heard.hear(1)
    assert heard.hear(1) == [Withdraw(0)]
    assert frames_of(turned(heard)) == signs(1, 7)


def test_a_turn_of_an_earlier_utterance_gives_nothing_and_is_not_that_of_the_open_one() -> None:
    heard = waiting("..###...######")
    heard.hear(8)
    heard.hear(3)
    assert heard.turn(0) is None
    heard.session.cancel_partial(0)
    assert heard.hear(1) == []
    assert frames_of(turned(heard, 1)) == signs(7, 12)


def test_at_the_end_of_the_audio_no_partial_is_asked_for() -> None:
    heard = waiting()
    heard.hear(2.9)
    assert kinds(outputs := heard.end()) == [Kind.FINAL]
    assert not any(isinstance(output, PartialDue) for output in outputs)


def test_a_partial_that_waits_during_silence_holds_the_silence() -> None:
    """It is wanted still: nothing is decoded ahead here, and more was said than the last one told."""
    heard = waiting("..###.....", post_speech_silence_duration=9 * SIGN_S, early_transcription_on_silence=0)
    heard.hear(5)
    heard.hear(3)
    decode = turned(heard)
    assert frames_of(decode) == signs(1, 8)
    assert heard.answer(decode)[1:] == []
    assert heard.hear() == []
