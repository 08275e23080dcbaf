"""Partials of an open utterance: one at a time, as there is room, and none once it has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.events import Decode, DecodeTiming, Partial, PartialDue, SpeechStarted
from stt_service.session.partials import PartialsConfig
from stt_service.settings.schema import FRAME_S, frames
from stt_service.whisper.types import Kind, Word
from tests.support.simulated_stream import (
    SYMBOL_FRAMES,
    SYMBOL_MS,
    SYMBOL_S,
    TIMING,
    TRANSCRIPT,
    SimulatedStream,
    decode_kinds,
    only_decode,
    partials,
    stream_with_partials,
    stream_without_partials,
    symbol_frames,
    window_frames,
)

PARTIAL, EARLY = [Kind.PARTIAL], [Kind.SPECULATIVE]


def deliver_text(heard: SimulatedStream, decode: Decode, text: str) -> list[Kind]:
    """Answer the partial; return what is asked for next."""
    return decode_kinds(heard.deliver(decode, replace(TRANSCRIPT, text=text)))


def test_the_first_partial_is_due_once_speech_has_lasted_a_while() -> None:
    heard = stream_with_partials(init_realtime_after_seconds=3 * SYMBOL_S)
    assert decode_kinds(heard.feed(4.75)) == []
    assert window_frames(only_decode(heard.feed(0.25))) == symbol_frames(1, 5)


def test_a_partial_tells_the_utterance_so_far() -> None:
    heard = stream_with_partials()
    heard.feed(3)
    deliver_text(heard, only_decode(heard.outputs), "мама мыла")
    assert partials(heard) == [
        Partial(0, revision=1, stable="", unstable="мама мыла", start_ms=2 * SYMBOL_MS, end_ms=3 * SYMBOL_MS)
    ]


def test_no_partial_is_asked_for_while_one_is_decoded() -> None:
    heard = stream_with_partials()
    assert decode_kinds(heard.feed(4)) == PARTIAL
    assert decode_kinds(heard.feed()) == []


def test_after_a_slow_partial_the_next_is_due_at_once() -> None:
    heard = stream_with_partials()
    first = only_decode(heard.feed(4))
    heard.feed(2)
    [_, following] = heard.deliver(first)
    assert isinstance(following, Decode)
    assert window_frames(following) == symbol_frames(1, 6)


def test_after_a_quick_partial_the_next_is_due_after_the_pause() -> None:
    heard = stream_with_partials(realtime_processing_pause=2 * SYMBOL_S)
    assert deliver_text(heard, only_decode(heard.feed(4)), "мама") == []
    assert decode_kinds(heard.feed(1.75)) == []
    assert window_frames(only_decode(heard.feed(0.25))) == symbol_frames(1, 6)


def test_revisions_count_up_and_what_is_stable_is_never_taken_back() -> None:
    """However many hypotheses must agree, and however many words are held back."""
    heard = stream_with_partials("." + "#" * 30)
    heard.feed(3)
    sentence = "мама мыла раму в лесу а папа шёл домой и нёс большую рыбу"
    for text in (*[sentence] * 20, "папа"):
        deliver_text(heard, heard.decodes[-1], text)
        heard.feed(1)
    *_, before, last = partials(heard)
    assert [partial.revision for partial in partials(heard)] == list(range(1, 22))
    assert before.stable
    assert last.stable.startswith(before.stable)


def test_a_partial_that_cannot_be_trusted_is_not_told_and_the_next_is_asked_for() -> None:
    heard = stream_with_partials()
    first = only_decode(heard.feed(4))
    heard.feed(1)
    assert deliver_text(heard, first, "you " * 20) == PARTIAL
    assert partials(heard) == []


def test_a_partial_that_will_not_come_makes_room_for_the_next() -> None:
    heard = stream_with_partials()
    heard.hold_partials()
    assert heard.feed(4)[-1] == PartialDue(0)
    assert heard.feed(1) == []
    heard.session.cancel_partial(0)
    assert heard.feed(1) == [PartialDue(0)]


def test_during_silence_no_partial_is_asked_for_until_speech_resumes() -> None:
    heard = stream_with_partials("..###.##")
    first = only_decode(heard.feed(5))
    assert decode_kinds(heard.feed(1)) == EARLY
    assert deliver_text(heard, first, "мама мыла") == []
    assert decode_kinds(heard.feed()) == PARTIAL


def test_a_partial_is_never_a_final() -> None:
    heard = stream_with_partials("..###..")
    first = only_decode(heard.feed(4))
    heard.feed()
    assert heard.deliver(first) == []
    assert heard.session.pending_finals == 1
    assert heard.events == [SpeechStarted(0, 2 * SYMBOL_MS)]


def test_a_late_partial_of_an_earlier_utterance_is_dropped() -> None:
    heard = stream_with_partials("..###..######")
    first = only_decode(heard.feed(5))
    heard.feed(2)
    second = only_decode(heard.feed(3))
    assert heard.deliver(first) == []
    assert decode_kinds(heard.feed()) == []
    deliver_text(heard, second, "мама мыла")
    assert [partial.utterance for partial in partials(heard)] == [1]


def test_a_late_partial_that_will_not_come_takes_no_place_of_the_next_utterances() -> None:
    heard = stream_with_partials("..###..######")
    first = only_decode(heard.feed(5))
    assert decode_kinds(heard.feed(5)) == [Kind.SPECULATIVE, Kind.PARTIAL]
    heard.session.cancel_partial(first.utterance)
    assert decode_kinds(heard.feed()) == []


def test_a_stream_that_wants_none_gets_none() -> None:
    heard = stream_without_partials("..######")
    heard.feed()
    assert heard.decodes == []
    assert not heard.session.makes_partials


def test_of_an_utterance_that_is_ended_from_outside_no_partial_comes_any_more() -> None:
    heard = stream_with_partials()
    first = only_decode(heard.feed(4))
    assert decode_kinds(heard.finalize()) == [Kind.FINAL]
    assert heard.deliver(first) == []
    assert partials(heard) == []


def test_the_pause_between_partials_does_not_put_off_the_first() -> None:
    heard = stream_with_partials(realtime_processing_pause=8 * SYMBOL_S)
    assert decode_kinds(heard.feed(4)) == PARTIAL


def timing_before_pause(signs: int, batch: int = 1) -> DecodeTiming:
    """Return the cost of a first partial that a rest of so many signs follows; its share of a batch counts."""
    rest_s = (signs * SYMBOL_FRAMES + 0.5) * FRAME_S
    return DecodeTiming(queue_s=9.0, inference_s=batch * rest_s / PartialsConfig().warmup_cooldown_ratio, batch=batch)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_dear_partial_is_followed_after_a_rest(batch: int) -> None:
    heard = stream_with_partials("..".ljust(20, "#"))
    heard.deliver(only_decode(heard.feed(3)), timing=timing_before_pause(signs=6, batch=batch))
    assert decode_kinds(heard.feed(5.75)) == []
    assert window_frames(only_decode(heard.feed(0.25))) == symbol_frames(1, 9)


def test_a_partial_that_was_not_told_has_cost_as_much() -> None:
    heard = stream_with_partials("..".ljust(20, "#"))
    heard.deliver(only_decode(heard.feed(3)), replace(TRANSCRIPT, text=""), timing_before_pause(signs=6))
    assert decode_kinds(heard.feed(5.75)) == []
    assert decode_kinds(heard.feed(0.25)) == PARTIAL


def test_silence_makes_nothing_new_to_tell() -> None:
    """One partial more may hear the end of the last word; then there is none, although the pause goes on."""
    heard = stream_with_partials(
        "..###" + "." * 12, post_speech_silence_duration=20 * SYMBOL_S, early_transcription_on_silence=0
    )
    heard.feed(5)
    assert decode_kinds(heard.deliver(heard.decodes[-1])) + decode_kinds(heard.feed(2)) == PARTIAL
    heard.deliver(heard.decodes[-1])
    assert decode_kinds(heard.feed()) == []


@pytest.fixture(scope="module")
def long_talk() -> SimulatedStream:
    """Return a talk of 26 s whose partials were answered with a word a sign, as far as their windows reach."""
    heard = stream_with_partials("." + "#" * 200, max_length_of_recording=28)
    heard.feed(2)
    for _ in range(199):
        decode = heard.decodes[-1]
        numbers = range(decode.start // SYMBOL_FRAMES, decode.end // SYMBOL_FRAMES)
        words = tuple(
            Word(f"w{number}", place * SYMBOL_S, (place + 1) * SYMBOL_S, 0.9) for place, number in enumerate(numbers)
        )
        transcript = replace(TRANSCRIPT, text=" ".join(word.text for word in words))
        heard.deliver(decode, replace(transcript, words=words if decode.window.options.word_timestamps else ()))
        heard.feed(1)
    return heard


def test_the_windows_of_a_long_utterance_s_partials_lose_their_beginnings(long_talk: SimulatedStream) -> None:
    config, decodes = PartialsConfig(), long_talk.decodes
    lengths = [len(window_frames(decode)) for decode in decodes]
    assert lengths == [decode.end - decode.start for decode in decodes]
    assert [window_frames(decode).start for decode in decodes] == [decode.start for decode in decodes]
    assert max(lengths) <= max(config.max_window, config.min_window + config.split_search) + 2 * SYMBOL_FRAMES
    assert decodes[-1].start > frames(15.0)


def test_the_partials_of_a_long_utterance_tell_all_of_it(long_talk: SimulatedStream) -> None:
    told = partials(long_talk)[-1]
    assert (told.stable + told.unstable).split() == [f"w{number}" for number in range(200)]
    assert (told.start_ms, told.end_ms) == (SYMBOL_MS, 200 * SYMBOL_MS)


def test_words_are_timed_for_the_partials_whose_windows_have_grown_long(long_talk: SimulatedStream) -> None:
    longest = PartialsConfig().max_window
    for decode in long_talk.decodes:
        assert decode.window.options.word_timestamps == (decode.end - decode.start > longest)


def test_where_the_utterance_may_still_be_cut_no_word_becomes_stable() -> None:
    """A cut lies in the last third of the greatest length, 40 signs: what was stable there would be the next one's."""
    heard = stream_with_partials("#" * 60)
    words = [f"слово{chr(1072 + n)}" for n in range(32)]
    for sign in range(1, 40):
        for decode in [output for output in heard.feed(1) if isinstance(output, Decode)]:
            heard.deliver(decode, replace(TRANSCRIPT, text=" ".join(words[:sign]), words=()))
    told = partials(heard)
    uncut_ms = (40 - 40 // 3) * SYMBOL_MS
    stable = [len(partial.stable.split()) for partial in told]
    later = [count for count, partial in zip(stable, told, strict=True) if partial.end_ms > uncut_ms]
    assert max(stable) > 0
    assert len(later) > 3
    assert set(later) == {max(stable)}


def test_the_pre_roll_of_a_partial_does_not_count_as_speech() -> None:
    """Eight signs of pre-roll are a second; after four signs of speech the decoder's doubt still counts."""
    heard = stream_with_partials("........####", pre_recording_buffer_duration=8 * SYMBOL_S)
    doubtful = replace(TRANSCRIPT, no_speech_probability=0.9, average_log_probability=-0.4)
    for decode in [output for output in heard.feed() if isinstance(output, Decode)]:
        heard.deliver(decode, doubtful)
    assert heard.decodes
    assert partials(heard) == []


# While the final is decoded ahead, after a pause of one sign. Six signs of silence end the utterance.


def paused(*, idle: bool) -> SimulatedStream:
    """Return a talk whose first partial has the first two signs of five, and whose final is decoded ahead."""
    heard = stream_with_partials(
        "..#####......", post_speech_silence_duration=6 * SYMBOL_S, realtime_processing_pause=5 * SYMBOL_S
    )
    heard.deliver(only_decode(heard.feed(4)), timing=replace(TIMING, idle=idle))
    assert decode_kinds(heard.feed(4)) == EARLY
    return heard


def test_with_idle_capacity_the_last_words_before_a_pause_are_shown_while_the_final_is_decoded() -> None:
    heard = paused(idle=True)
    assert window_frames(only_decode(heard.feed(1))) == symbol_frames(1, 9)
    deliver_text(heard, heard.decodes[-1], "мама мыла")
    assert [(partial.unstable, partial.end_ms) for partial in partials(heard)][-1] == ("мама мыла", 9 * SYMBOL_MS)
    assert decode_kinds(heard.feed(3)) == []


def test_under_load_no_partial_is_decoded_beside_the_final() -> None:
    assert decode_kinds(paused(idle=False).feed(4)) == []


def test_the_text_of_the_final_replaces_a_partial_that_has_more_silence_but_no_more_speech() -> None:
    heard = paused(idle=True)
    early = heard.decodes[-1]
    deliver_text(heard, only_decode(heard.feed(1)), "мама мыла")
    heard.deliver(early, replace(TRANSCRIPT, text="Мама мыла раму."))
    assert partials(heard)[-1].unstable == "Мама мыла раму."


def test_no_partial_is_cut_once_the_final_decoded_ahead_has_its_text() -> None:
    heard = paused(idle=True)
    heard.hold_partials()
    heard.feed(1)
    heard.deliver(heard.decodes[-1])
    assert heard.begin_partial() is None


# Two at once, on a slow machine with idle capacity: each costs ten signs, more than the target


SLOW = replace(TIMING, inference_s=10 * SYMBOL_S, idle=True)


def slow_stream(cost: DecodeTiming = SLOW) -> SimulatedStream:
    """Return a talk of one partial, which has the first four signs and cost so much."""
    heard = stream_with_partials(".." + "#" * 37)
    heard.deliver(only_decode(heard.feed(4)), replace(TRANSCRIPT, text="w2 w3"), cost)
    return heard


def test_on_a_slow_machine_a_second_partial_begins_when_the_first_is_half_done() -> None:
    heard = slow_stream()
    assert window_frames(only_decode(heard.feed(1))) == symbol_frames(1, 5)
    assert decode_kinds(heard.feed(4.75)) == []
    assert window_frames(only_decode(heard.feed(0.25))) == symbol_frames(1, 10)
    assert decode_kinds(heard.feed(12)) == [], "never a third one"


def test_texts_of_two_partials_are_shown_in_the_order_of_their_windows() -> None:
    heard = slow_stream()
    first, second = only_decode(heard.feed(1)), only_decode(heard.feed(5))
    heard.deliver(first, replace(TRANSCRIPT, text="w2 w3 w4"), SLOW)
    heard.deliver(second, replace(TRANSCRIPT, text="w2 w3 w4 w5"), SLOW)
    assert [partial.end_ms for partial in partials(heard)] == [4 * SYMBOL_MS, 5 * SYMBOL_MS, 10 * SYMBOL_MS]


def test_text_that_comes_after_that_of_a_later_window_is_dropped() -> None:
    heard = slow_stream()
    first, second = only_decode(heard.feed(1)), only_decode(heard.feed(5))
    heard.deliver(second, timing=SLOW)
    heard.deliver(first, timing=SLOW)
    assert [partial.end_ms for partial in partials(heard)] == [4 * SYMBOL_MS, 10 * SYMBOL_MS]


@pytest.mark.parametrize("cost", [replace(SLOW, idle=False), replace(SLOW, inference_s=0.5)])
def test_no_second_partial_begins_under_load_or_where_two_in_a_row_keep_the_target(cost: DecodeTiming) -> None:
    heard = slow_stream(cost)
    first = decode_kinds(heard.feed(33))
    assert first == PARTIAL
