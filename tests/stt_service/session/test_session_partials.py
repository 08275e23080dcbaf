"""Partials of an open utterance: one at a time, as there is room, and none once it has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.events import Decode, DecodeTiming, Partial, PartialDue, SpeechStarted
from stt_service.session.partials import PartialsConfig
from stt_service.settings.schema import FRAME_S, frames
from stt_service.whisper.types import Kind, Word
from tests.support.drawn_speech import (
    CLEAR,
    COST,
    SIGN_FRAMES,
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

PARTIAL, EARLY = [Kind.PARTIAL], [Kind.SPECULATIVE]


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
    heard.hold_turns()
    assert heard.hear(4)[-1] == PartialDue(0)
    assert heard.hear(1) == []
    heard.session.cancel_partial(0)
    assert heard.hear(1) == [PartialDue(0)]


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
    assert heard.session.pending_finals == 1
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
    assert kinds(heard.hear(5)) == [Kind.SPECULATIVE, Kind.PARTIAL]
    heard.session.cancel_partial(first.utterance)
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


def dear(signs: int, batch: int = 1) -> DecodeTiming:
    """Return the cost of a first partial that a rest of so many signs follows; its share of a batch counts."""
    rest_s = (signs * SIGN_FRAMES + 0.5) * FRAME_S
    return DecodeTiming(queue_s=9.0, inference_s=batch * rest_s / PartialsConfig().eager_rest, batch=batch)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_dear_partial_is_followed_after_a_rest(batch: int) -> None:
    heard = speaking("..".ljust(20, "#"))
    heard.answer(only(heard.hear(3)), cost=dear(signs=6, batch=batch))
    assert kinds(heard.hear(5.75)) == []
    assert frames_of(only(heard.hear(0.25))) == signs(1, 9)


def test_a_partial_that_was_not_told_has_cost_as_much() -> None:
    heard = speaking("..".ljust(20, "#"))
    heard.answer(only(heard.hear(3)), replace(CLEAR, text=""), dear(signs=6))
    assert kinds(heard.hear(5.75)) == []
    assert kinds(heard.hear(0.25)) == PARTIAL


def test_silence_makes_nothing_new_to_tell() -> None:
    """One partial more may hear the end of the last word; then there is none, although the pause goes on."""
    heard = speaking("..###" + "." * 12, post_speech_silence_duration=20 * SIGN_S, early_transcription_on_silence=0)
    heard.hear(5)
    assert kinds(heard.answer(heard.decodes[-1])) + kinds(heard.hear(2)) == PARTIAL
    heard.answer(heard.decodes[-1])
    assert kinds(heard.hear()) == []


@pytest.fixture(scope="module")
def long_talk() -> Talk:
    """Return a talk of 26 s whose partials were answered with a word a sign, as far as their windows reach."""
    heard = speaking("." + "#" * 200, max_length_of_recording=28)
    heard.hear(2)
    for _ in range(199):
        decode = heard.decodes[-1]
        numbers = range(decode.start // SIGN_FRAMES, decode.end // SIGN_FRAMES)
        words = tuple(
            Word(f"w{number}", place * SIGN_S, (place + 1) * SIGN_S, 0.9) for place, number in enumerate(numbers)
        )
        transcript = replace(CLEAR, text=" ".join(word.text for word in words))
        heard.answer(decode, replace(transcript, words=words if decode.window.options.word_timestamps else ()))
        heard.hear(1)
    return heard


def test_the_windows_of_a_long_utterance_s_partials_lose_their_beginnings(long_talk: Talk) -> None:
    config, decodes = PartialsConfig(), long_talk.decodes
    lengths = [len(frames_of(decode)) for decode in decodes]
    assert lengths == [decode.end - decode.start for decode in decodes]
    assert [frames_of(decode).start for decode in decodes] == [decode.start for decode in decodes]
    assert max(lengths) <= max(config.max_window, config.min_window + config.split_search) + 2 * SIGN_FRAMES
    assert decodes[-1].start > frames(15.0)


def test_the_partials_of_a_long_utterance_tell_all_of_it(long_talk: Talk) -> None:
    told = partials(long_talk)[-1]
    assert (told.stable + told.unstable).split() == [f"w{number}" for number in range(200)]
    assert (told.start_ms, told.end_ms) == (SIGN_MS, 200 * SIGN_MS)


def test_words_are_timed_for_the_partials_whose_windows_have_grown_long(long_talk: Talk) -> None:
    longest = PartialsConfig().max_window
    for decode in long_talk.decodes:
        assert decode.window.options.word_timestamps == (decode.end - decode.start > longest)


def test_where_the_utterance_may_still_be_cut_no_word_becomes_stable() -> None:
    """A cut lies in the last third of the greatest length, 40 signs: what was stable there would be the next one's."""
    heard = speaking("#" * 60)
    words = [f"слово{chr(1072 + n)}" for n in range(32)]
    for sign in range(1, 40):
        for decode in [output for output in heard.hear(1) if isinstance(output, Decode)]:
            heard.answer(decode, replace(CLEAR, text=" ".join(words[:sign]), words=()))
    told = partials(heard)
    uncut_ms = (40 - 40 // 3) * SIGN_MS
    stable = [len(partial.stable.split()) for partial in told]
    later = [count for count, partial in zip(stable, told, strict=True) if partial.end_ms > uncut_ms]
    assert max(stable) > 0
    assert len(later) > 3
    assert set(later) == {max(stable)}


def test_the_pre_roll_of_a_partial_does_not_count_as_speech() -> None:
    """Eight signs of pre-roll are a second; after four signs of speech the decoder's doubt still counts."""
    heard = speaking("........####", pre_recording_buffer_duration=8 * SIGN_S)
    doubtful = replace(CLEAR, no_speech_probability=0.9, average_log_probability=-0.4)
    for decode in [output for output in heard.hear() if isinstance(output, Decode)]:
        heard.answer(decode, doubtful)
    assert heard.decodes
    assert partials(heard) == []


# While the final is decoded ahead, after a pause of one sign. Six signs of silence end the utterance.


def paused(*, idle: bool) -> Talk:
    """Return a talk whose first partial has the first two signs of five, and whose final is decoded ahead."""
    heard = speaking("..#####......", post_speech_silence_duration=6 * SIGN_S, realtime_processing_pause=5 * SIGN_S)
    heard.answer(only(heard.hear(4)), cost=replace(COST, idle=idle))
    assert kinds(heard.hear(4)) == EARLY
    return heard


def test_with_idle_capacity_the_last_words_before_a_pause_are_shown_while_the_final_is_decoded() -> None:
    heard = paused(idle=True)
    assert frames_of(only(heard.hear(1))) == signs(1, 9)
    said(heard, heard.decodes[-1], "мама мыла")
    assert [(partial.unstable, partial.end_ms) for partial in partials(heard)][-1] == ("мама мыла", 9 * SIGN_MS)
    assert kinds(heard.hear(3)) == []


def test_under_load_no_partial_is_decoded_beside_the_final() -> None:
    assert kinds(paused(idle=False).hear(4)) == []


def test_the_text_of_the_final_replaces_a_partial_that_has_more_silence_but_no_more_speech() -> None:
    heard = paused(idle=True)
    early = heard.decodes[-1]
    said(heard, only(heard.hear(1)), "мама мыла")
    heard.answer(early, replace(CLEAR, text="Мама мыла раму."))
    assert partials(heard)[-1].unstable == "Мама мыла раму."


def test_no_partial_is_cut_once_the_final_decoded_ahead_has_its_text() -> None:
    heard = paused(idle=True)
    heard.hold_turns()
    heard.hear(1)
    heard.answer(heard.decodes[-1])
    assert heard.turn() is None


# Two at once, on a slow machine with idle capacity: each costs ten signs, more than the target


SLOW = replace(COST, inference_s=10 * SIGN_S, idle=True)


def slow_talk(cost: DecodeTiming = SLOW) -> Talk:
    """Return a talk of one partial, which has the first four signs and cost so much."""
    heard = speaking(".." + "#" * 37)
    heard.answer(only(heard.hear(4)), replace(CLEAR, text="w2 w3"), cost)
    return heard


def test_on_a_slow_machine_a_second_partial_begins_when_the_first_is_half_done() -> None:
    heard = slow_talk()
    assert frames_of(only(heard.hear(1))) == signs(1, 5)
    assert kinds(heard.hear(4.75)) == []
    assert frames_of(only(heard.hear(0.25))) == signs(1, 10)
    assert kinds(heard.hear(12)) == [], "never a third one"


def test_texts_of_two_partials_are_shown_in_the_order_of_their_windows() -> None:
    heard = slow_talk()
    first, second = only(heard.hear(1)), only(heard.hear(5))
    heard.answer(first, replace(CLEAR, text="w2 w3 w4"), SLOW)
    heard.answer(second, replace(CLEAR, text="w2 w3 w4 w5"), SLOW)
    assert [partial.end_ms for partial in partials(heard)] == [4 * SIGN_MS, 5 * SIGN_MS, 10 * SIGN_MS]


def test_text_that_comes_after_that_of_a_later_window_is_dropped() -> None:
    heard = slow_talk()
    first, second = only(heard.hear(1)), only(heard.hear(5))
    heard.answer(second, cost=SLOW)
    heard.answer(first, cost=SLOW)
    assert [partial.end_ms for partial in partials(heard)] == [4 * SIGN_MS, 10 * SIGN_MS]


@pytest.mark.parametrize("cost", [replace(SLOW, idle=False), replace(SLOW, inference_s=0.5)])
def test_no_second_partial_begins_under_load_or_where_two_in_a_row_keep_the_target(cost: DecodeTiming) -> None:
    heard = slow_talk(cost)
    first = kinds(heard.hear(33))
    assert first == PARTIAL
