"""A stream whose audio stalls: what is shown meanwhile, and what is left to the stream that resumes it."""

from __future__ import annotations

from dataclasses import replace

from stt_service.session.events import DecodeTiming, Final, Withdraw
from stt_service.whisper.types import Kind
from tests.support.drawn_speech import (
    CLEAR,
    SIGN_MS,
    SIGN_S,
    Talk,
    frames_of,
    kinds,
    only,
    partials,
    signs,
    speaking,
    talk,
)

SENTENCE = "..###.."  # two signs of silence end it, one has it decoded early


def expensive(heard: Talk) -> None:
    """Answer the last partial with one that took its worker three seconds."""
    heard.answer(heard.decodes[-1], replace(CLEAR, text="мама"), DecodeTiming(queue_s=0, inference_s=3, batch=1))


def test_the_open_utterance_of_a_suspended_stream_gets_no_final_and_stays_uncommitted() -> None:
    heard = talk(SENTENCE + "...###")
    heard.hear()
    heard.answer_all()
    heard.suspend()
    heard.answer_all()
    assert [event.utterance for event in heard.events if isinstance(event, Final)] == [0]
    assert heard.session.committed_ms == 7 * SIGN_MS


def test_pending_finals_of_a_suspended_stream_are_still_emitted() -> None:
    heard = talk(SENTENCE + "...###")
    heard.hear()
    heard.suspend()
    assert heard.session.pending_finals == 1
    heard.answer_all()
    assert heard.session.pending_finals == 0
    assert heard.session.committed_ms == 7 * SIGN_MS


def test_early_decodes_of_a_suspended_utterance_are_withdrawn() -> None:
    heard = talk("..###..", post_speech_silence_duration=2)
    early = only(heard.hear())
    assert heard.suspend() == [Withdraw(0, early.number)]


def test_a_suspended_stream_ignores_what_still_comes() -> None:
    heard = talk("..###" + "#" * 5 + "...")
    heard.hear(5)
    heard.suspend()
    assert heard.hear() + heard.finalize() == []
    assert heard.session.committed_ms == 0


def test_a_partial_whose_turn_comes_after_the_suspension_is_not_made() -> None:
    heard = speaking()
    heard.hold_turns()
    heard.hear(5)
    heard.suspend()
    assert heard.turn() is None


def test_a_stream_has_advanced_once_an_utterance_has_ended() -> None:
    heard = talk(SENTENCE)
    heard.hear(5)
    assert not heard.session.has_advanced
    heard.hear()
    assert heard.session.has_advanced


def test_a_stall_makes_a_partial_of_all_audio_although_the_last_one_was_expensive() -> None:
    heard = speaking()
    heard.hear(4)
    expensive(heard)
    assert kinds(heard.hear(3)) == []
    assert frames_of(only(heard.catch_up())) == signs(1, 7)


def test_a_partial_that_is_being_decoded_when_a_stall_begins_is_followed_by_one_of_all_audio() -> None:
    heard = speaking()
    heard.hear(4)
    heard.hear(3)
    assert heard.catch_up() == []
    expensive(heard)
    assert frames_of(heard.decodes[-1]) == signs(1, 7)
    expensive(heard)
    assert len(partials(heard)) == len(heard.decodes) == 2


def test_a_stall_makes_no_partial_of_audio_that_one_has_covered() -> None:
    heard = speaking()
    heard.hear(4)
    expensive(heard)
    assert heard.catch_up() == []


def test_a_stall_in_silence_makes_no_partial() -> None:
    heard = speaking("....")
    heard.hear()
    assert heard.catch_up() == []


def test_after_a_stall_partials_are_paced_as_before() -> None:
    heard = speaking("." + "#" * 60, realtime_processing_pause=2 * SIGN_S)
    heard.hear(4)
    heard.catch_up()
    assert kinds(heard.hear(1)) == []
    expensive(heard)
    assert kinds(heard.hear(4)) == []
    assert {decode.kind for decode in heard.decodes} == {Kind.PARTIAL}
