"""Partials of an open utterance: one at a time, depending on capacity, and none after its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.config import SessionConfig
from stt_service.session.events import Decode, DecodeTiming, Partial, PartialDue, SpeechStarted
from stt_service.session.partials import PartialsConfig
from stt_service.session.stabilizer import Stability
from stt_service.settings.schema import FRAME_S, frames
from stt_service.whisper.types import Kind, Word
from tests.support.timelines.simulated_stream import (
    SYMBOL_FRAMES,
    SYMBOL_MS,
    SYMBOL_S,
    TIMING,
    TRANSCRIPT,
    SimulatedStream,
    decode_kinds,
    only_decode,
    partials,
    server_settings,
    stream_with_partials,
    stream_without_partials,
    symbol_frames,
    window_frames,
)

PARTIAL, SPECULATIVE = [Kind.PARTIAL], [Kind.SPECULATIVE]


def deliver_text(stream: SimulatedStream, decode: Decode, text: str) -> list[Kind]:
    """Deliver the text of the partial; return the kinds of the decodes requested next."""
    return decode_kinds(stream.deliver(decode, replace(TRANSCRIPT, text=text)))


def test_first_partial_is_due_after_the_configured_speech() -> None:
    stream = stream_with_partials(init_realtime_after_seconds=3 * SYMBOL_S)
    assert decode_kinds(stream.feed(4.75)) == []
    assert window_frames(only_decode(stream.feed(0.25))) == symbol_frames(1, 5)


def test_partial_has_the_text_of_the_utterance_so_far() -> None:
    stream = stream_with_partials()
    stream.feed(3)
    deliver_text(stream, only_decode(stream.outputs), "мама мыла")
    assert partials(stream) == [
        Partial(0, revision=1, stable="", unstable="мама мыла", start_ms=2 * SYMBOL_MS, end_ms=3 * SYMBOL_MS)
    ]


@pytest.mark.parametrize(
    ("stability", "expected"),
    [
        (Stability.VERY_LOW, ["", "a b c d e"]),
        (Stability.LOW, ["", "a b c d"]),
        (Stability.DEFAULT, ["", ""]),
    ],
)
def test_stability_of_the_stream_decides_when_text_is_stable(stability: Stability, expected: list[str]) -> None:
    server = server_settings()
    stream = SimulatedStream("..##########", SessionConfig(server, server.runtime(), stability=stability))
    for _ in range(2):
        stream.feed(5)
        stream.deliver(stream.decodes[-1], replace(TRANSCRIPT, text="a b c d e f"))
    assert [each.stable for each in partials(stream)] == expected


def test_no_partial_is_requested_while_one_is_decoded() -> None:
    stream = stream_with_partials()
    assert decode_kinds(stream.feed(4)) == PARTIAL
    assert decode_kinds(stream.feed()) == []


def test_partial_after_a_slow_one_is_due_immediately() -> None:
    stream = stream_with_partials()
    first = only_decode(stream.feed(4))
    stream.feed(2)
    [_, following] = stream.deliver(first)
    assert isinstance(following, Decode)
    assert window_frames(following) == symbol_frames(1, 6)


def test_partial_after_a_quick_one_is_due_after_the_pause() -> None:
    stream = stream_with_partials(realtime_processing_pause=2 * SYMBOL_S)
    assert deliver_text(stream, only_decode(stream.feed(4)), "мама") == []
    assert decode_kinds(stream.feed(1.75)) == []
    assert window_frames(only_decode(stream.feed(0.25))) == symbol_frames(1, 6)


def test_revisions_increase_and_stable_text_is_never_removed() -> None:
    """This holds for any number of agreements and held-back words."""
    stream = stream_with_partials("." + "#" * 30)
    stream.feed(3)
    sentence = "мама мыла раму в лесу а папа шёл домой и нёс большую рыбу"
    for text in (*[sentence] * 20, "папа"):
        deliver_text(stream, stream.decodes[-1], text)
        stream.feed(1)
    *_, before, last = partials(stream)
    assert [partial.revision for partial in partials(stream)] == list(range(1, 22))
    assert before.stable
    assert last.stable.startswith(before.stable)


def test_untrusted_partial_is_not_emitted_and_the_next_is_requested() -> None:
    stream = stream_with_partials()
    first = only_decode(stream.feed(4))
    stream.feed(1)
    assert deliver_text(stream, first, "you " * 20) == PARTIAL
    assert partials(stream) == []


def test_canceled_partial_allows_the_next() -> None:
    stream = stream_with_partials()
    stream.hold_partials()
    assert stream.feed(4)[-1] == PartialDue(0)
    assert stream.feed(1) == []
    stream.session.cancel_partial(0)
    assert stream.feed(1) == [PartialDue(0)]


def test_no_partial_is_requested_during_silence() -> None:
    stream = stream_with_partials("..###.##")
    first = only_decode(stream.feed(5))
    assert decode_kinds(stream.feed(1)) == SPECULATIVE
    assert deliver_text(stream, first, "мама мыла") == []
    assert decode_kinds(stream.feed()) == PARTIAL


def test_partial_never_becomes_the_final() -> None:
    stream = stream_with_partials("..###..")
    first = only_decode(stream.feed(4))
    stream.feed()
    assert stream.deliver(first) == []
    assert stream.session.pending_finals == 1
    assert stream.events == [SpeechStarted(0, 2 * SYMBOL_MS)]


def test_late_partial_of_an_earlier_utterance_is_dropped() -> None:
    stream = stream_with_partials("..###..######")
    first = only_decode(stream.feed(5))
    stream.feed(2)
    second = only_decode(stream.feed(3))
    assert stream.deliver(first) == []
    assert decode_kinds(stream.feed()) == []
    deliver_text(stream, second, "мама мыла")
    assert [partial.utterance for partial in partials(stream)] == [1]


def test_canceled_partial_of_an_earlier_utterance_does_not_affect_the_next() -> None:
    stream = stream_with_partials("..###..######")
    first = only_decode(stream.feed(5))
    assert decode_kinds(stream.feed(5)) == [Kind.SPECULATIVE, Kind.PARTIAL]
    stream.session.cancel_partial(first.utterance)
    assert decode_kinds(stream.feed()) == []


def test_stream_without_partials_gets_none() -> None:
    stream = stream_without_partials("..######")
    stream.feed()
    assert stream.decodes == []
    assert not stream.session.makes_partials


def test_partial_of_a_finalized_utterance_is_dropped() -> None:
    stream = stream_with_partials()
    first = only_decode(stream.feed(4))
    assert decode_kinds(stream.finalize()) == [Kind.FINAL]
    assert stream.deliver(first) == []
    assert partials(stream) == []


def test_pause_between_partials_does_not_delay_the_first() -> None:
    stream = stream_with_partials(realtime_processing_pause=8 * SYMBOL_S)
    assert decode_kinds(stream.feed(4)) == PARTIAL


def timing_before_pause(symbols: int, batch: int = 1) -> DecodeTiming:
    """Return a first partial's timing that leads to a wait of that many symbols; its share of a batch counts."""
    wait_s = (symbols * SYMBOL_FRAMES + 0.5) * FRAME_S
    return DecodeTiming(queue_s=9.0, inference_s=batch * wait_s / PartialsConfig().warmup_cooldown_ratio, batch=batch)


@pytest.mark.parametrize("batch", [1, 4])
def test_expensive_partial_is_followed_by_a_wait(batch: int) -> None:
    stream = stream_with_partials("..".ljust(20, "#"))
    stream.deliver(only_decode(stream.feed(3)), timing=timing_before_pause(symbols=6, batch=batch))
    assert decode_kinds(stream.feed(5.75)) == []
    assert window_frames(only_decode(stream.feed(0.25))) == symbol_frames(1, 9)


def test_cost_of_a_partial_that_was_not_emitted_counts() -> None:
    stream = stream_with_partials("..".ljust(20, "#"))
    stream.deliver(only_decode(stream.feed(3)), replace(TRANSCRIPT, text=""), timing_before_pause(symbols=6))
    assert decode_kinds(stream.feed(5.75)) == []
    assert decode_kinds(stream.feed(0.25)) == PARTIAL


def test_no_partial_is_requested_for_silence() -> None:
    """One more partial may contain the end of the last word; then none follows, although the pause continues."""
    stream = stream_with_partials(
        "..###" + "." * 12, post_speech_silence_duration=20 * SYMBOL_S, early_transcription_on_silence=0
    )
    stream.feed(5)
    assert decode_kinds(stream.deliver(stream.decodes[-1])) + decode_kinds(stream.feed(2)) == PARTIAL
    stream.deliver(stream.decodes[-1])
    assert decode_kinds(stream.feed()) == []


@pytest.fixture(scope="module")
def long_stream() -> SimulatedStream:
    """Return a stream of 26 s whose partials have one word per symbol of their windows."""
    stream = stream_with_partials("." + "#" * 200, max_length_of_recording=28)
    stream.feed(2)
    for _ in range(199):
        decode = stream.decodes[-1]
        numbers = range(decode.start // SYMBOL_FRAMES, decode.end // SYMBOL_FRAMES)
        words = tuple(
            Word(f"w{number}", position * SYMBOL_S, (position + 1) * SYMBOL_S, 0.9)
            for position, number in enumerate(numbers)
        )
        transcript = replace(TRANSCRIPT, text=" ".join(word.text for word in words))
        stream.deliver(decode, replace(transcript, words=words if decode.window.options.word_timestamps else ()))
        stream.feed(1)
    return stream


def test_windows_of_a_long_utterance_drop_their_beginnings(long_stream: SimulatedStream) -> None:
    config, decodes = PartialsConfig(), long_stream.decodes
    lengths = [len(window_frames(decode)) for decode in decodes]
    assert lengths == [decode.end - decode.start for decode in decodes]
    assert [window_frames(decode).start for decode in decodes] == [decode.start for decode in decodes]
    assert max(lengths) <= max(config.max_window, config.min_window + config.split_search) + 2 * SYMBOL_FRAMES
    assert decodes[-1].start > frames(15.0)


def test_partials_of_a_long_utterance_have_its_whole_text(long_stream: SimulatedStream) -> None:
    shown = partials(long_stream)[-1]
    assert (shown.stable + shown.unstable).split() == [f"w{number}" for number in range(200)]
    assert (shown.start_ms, shown.end_ms) == (SYMBOL_MS, 200 * SYMBOL_MS)


def test_word_timestamps_are_requested_for_long_windows(long_stream: SimulatedStream) -> None:
    longest = PartialsConfig().max_window
    for decode in long_stream.decodes:
        assert decode.window.options.word_timestamps == (decode.end - decode.start > longest)


def test_words_that_a_cut_may_remove_do_not_become_stable() -> None:
    """A cut is in the last third of the maximum length, 40 symbols; words after it belong to the next utterance."""
    stream = stream_with_partials("#" * 60)
    words = [f"слово{chr(1072 + n)}" for n in range(32)]
    for symbol in range(1, 40):
        for decode in [output for output in stream.feed(1) if isinstance(output, Decode)]:
            stream.deliver(decode, replace(TRANSCRIPT, text=" ".join(words[:symbol]), words=()))
    shown = partials(stream)
    uncut_ms = (40 - 40 // 3) * SYMBOL_MS
    stable = [len(partial.stable.split()) for partial in shown]
    later = [count for count, partial in zip(stable, shown, strict=True) if partial.end_ms > uncut_ms]
    assert max(stable) > 0
    assert len(later) > 3
    assert set(later) == {max(stable)}


def test_pre_roll_of_a_partial_does_not_count_as_speech() -> None:
    """Eight symbols of pre-roll are a second; with four symbols of speech the no-speech probability still counts."""
    stream = stream_with_partials("........####", pre_recording_buffer_duration=8 * SYMBOL_S)
    doubtful = replace(TRANSCRIPT, no_speech_probability=0.9, average_log_probability=-0.4)
    for decode in [output for output in stream.feed() if isinstance(output, Decode)]:
        stream.deliver(decode, doubtful)
    assert stream.decodes
    assert partials(stream) == []


# During the speculative decode, after a pause of one symbol. Six symbols of silence end the utterance.


def paused(*, idle: bool) -> SimulatedStream:
    """Return a stream with a partial of the first two symbols of five, during the speculative decode of its final."""
    stream = stream_with_partials(
        "..#####......", post_speech_silence_duration=6 * SYMBOL_S, realtime_processing_pause=5 * SYMBOL_S
    )
    stream.deliver(only_decode(stream.feed(4)), timing=replace(TIMING, idle=idle))
    assert decode_kinds(stream.feed(4)) == SPECULATIVE
    return stream


def test_last_words_before_a_pause_are_shown_during_the_speculative_decode_with_idle_capacity() -> None:
    stream = paused(idle=True)
    assert window_frames(only_decode(stream.feed(1))) == symbol_frames(1, 9)
    deliver_text(stream, stream.decodes[-1], "мама мыла")
    assert [(partial.unstable, partial.end_ms) for partial in partials(stream)][-1] == ("мама мыла", 9 * SYMBOL_MS)
    assert decode_kinds(stream.feed(3)) == []


def test_no_partial_is_decoded_during_the_speculative_decode_under_load() -> None:
    assert decode_kinds(paused(idle=False).feed(4)) == []


def test_text_of_the_final_replaces_a_partial_with_more_silence_but_no_more_speech() -> None:
    stream = paused(idle=True)
    speculative = stream.decodes[-1]
    deliver_text(stream, only_decode(stream.feed(1)), "мама мыла")
    stream.deliver(speculative, replace(TRANSCRIPT, text="Мама мыла раму."))
    assert partials(stream)[-1].unstable == "Мама мыла раму."


def test_no_partial_is_started_once_the_speculative_decode_has_its_text() -> None:
    stream = paused(idle=True)
    stream.hold_partials()
    stream.feed(1)
    stream.deliver(stream.decodes[-1])
    assert stream.begin_partial() is None


# Two partials at a time, on a slow machine with idle capacity: each costs ten symbols, more than the target


SLOW = replace(TIMING, inference_s=10 * SYMBOL_S, idle=True)


def slow_stream(cost: DecodeTiming = SLOW) -> SimulatedStream:
    """Return a stream with one partial, of the first four symbols and with that timing."""
    stream = stream_with_partials(".." + "#" * 37)
    stream.deliver(only_decode(stream.feed(4)), replace(TRANSCRIPT, text="w2 w3"), cost)
    return stream


def test_second_partial_begins_when_the_first_is_half_done_on_a_slow_machine() -> None:
    stream = slow_stream()
    assert window_frames(only_decode(stream.feed(1))) == symbol_frames(1, 5)
    assert decode_kinds(stream.feed(4.75)) == []
    assert window_frames(only_decode(stream.feed(0.25))) == symbol_frames(1, 10)
    assert decode_kinds(stream.feed(12)) == [], "there is never a third one"


def test_partials_are_shown_in_the_order_of_their_windows() -> None:
    stream = slow_stream()
    first, second = only_decode(stream.feed(1)), only_decode(stream.feed(5))
    stream.deliver(first, replace(TRANSCRIPT, text="w2 w3 w4"), SLOW)
    stream.deliver(second, replace(TRANSCRIPT, text="w2 w3 w4 w5"), SLOW)
    assert [partial.end_ms for partial in partials(stream)] == [4 * SYMBOL_MS, 5 * SYMBOL_MS, 10 * SYMBOL_MS]


def test_text_delivered_after_that_of_a_later_window_is_dropped() -> None:
    stream = slow_stream()
    first, second = only_decode(stream.feed(1)), only_decode(stream.feed(5))
    stream.deliver(second, timing=SLOW)
    stream.deliver(first, timing=SLOW)
    assert [partial.end_ms for partial in partials(stream)] == [4 * SYMBOL_MS, 10 * SYMBOL_MS]


@pytest.mark.parametrize("cost", [replace(SLOW, idle=False), replace(SLOW, inference_s=0.5)])
def test_no_second_partial_begins_under_load_or_where_two_in_a_row_keep_the_target(cost: DecodeTiming) -> None:
    stream = slow_stream(cost)
    first = decode_kinds(stream.feed(33))
    assert first == PARTIAL
