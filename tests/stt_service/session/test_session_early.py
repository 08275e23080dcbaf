"""A final decoded ahead: when it begins, what it is when the utterance ends there, and what when it goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from stt_service.session.events import Decode, DecodeTiming, Final, Output, Partial, Promote, Withdraw
from stt_service.session.speculation import SAFETY_FACTOR, SAFETY_MARGIN_S
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import Kind
from tests.support.simulated_stream import (
    FRAME_BYTES,
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

SPEECH, PAUSE = 3, 20  # signs
SENTENCE = "..###" + "." * PAUSE
HANGOVER, ENDPOINT = (symbol_frames(0, 2 + SPEECH + silent).stop for silent in (1, PAUSE))


def timing_of(inference_s: float) -> DecodeTiming:
    return DecodeTiming(queue_s=9.0, inference_s=inference_s, batch=3)


def after_final(drawing: str, inference_s: float) -> SimulatedStream:
    """Return a talk with a long endpoint, whose first sentence was a final at that cost; then comes the drawing."""
    heard = stream_without_partials(
        SENTENCE + drawing, post_speech_silence_duration=PAUSE * SYMBOL_S, max_length_of_recording=28
    )
    heard.deliver(only_decode(heard.feed(len(SENTENCE))), timing=timing_of(inference_s))
    return heard


def speculated_at(heard: SimulatedStream) -> int:
    """Hear on frame by frame; return after how many the early decode was asked for."""
    for frame in range(1, SYMBOL_FRAMES * 2 * len(SENTENCE)):
        if Kind.SPECULATIVE in decode_kinds(heard.feed(1 / SYMBOL_FRAMES)):
            return frame
    raise AssertionError("nothing was decoded early")


def withdrawn(outputs: Iterable[Output]) -> list[Withdraw]:
    return [output for output in outputs if isinstance(output, Withdraw)]


def test_while_no_cost_is_known_it_begins_at_once() -> None:
    assert speculated_at(stream_without_partials(SENTENCE, post_speech_silence_duration=PAUSE * SYMBOL_S)) == HANGOVER


@pytest.mark.parametrize("inference_s", [0.0, 0.2, 0.9])
def test_once_finals_have_told_their_cost_it_begins_as_late_as_it_can(inference_s: float) -> None:
    heard = after_final(SENTENCE, inference_s)
    left = int((SAFETY_FACTOR * inference_s + SAFETY_MARGIN_S) / FRAME_S)
    assert speculated_at(heard) == ENDPOINT - left > HANGOVER


def test_it_never_begins_before_the_silence_that_it_waits_for() -> None:
    assert speculated_at(after_final(SENTENCE, 100.0)) == HANGOVER


def test_an_early_transcript_tells_the_cost_too_although_it_is_void() -> None:
    heard = stream_without_partials("..###.###" + "." * PAUSE, post_speech_silence_duration=PAUSE * SYMBOL_S)
    early = only_decode(heard.feed(6))
    heard.feed(3)
    heard.deliver(early, timing=timing_of(0.0))
    assert speculated_at(heard) == SYMBOL_FRAMES * PAUSE - int(SAFETY_MARGIN_S / FRAME_S)


def test_partials_tell_no_cost_of_finals() -> None:
    heard = stream_with_partials(SENTENCE, post_speech_silence_duration=PAUSE * SYMBOL_S)
    heard.deliver(only_decode(heard.feed(3)), timing=timing_of(0.0))
    assert speculated_at(heard) == HANGOVER - symbol_frames(0, 3).stop


def test_the_least_length_of_an_utterance_puts_the_early_decode_off_with_the_end() -> None:
    """The first one, void, has told the cost; the end is 20 signs after the onset, not 4 after the speech."""
    silence_s, least_s = 4 * SYMBOL_S, 20 * SYMBOL_S
    heard = stream_without_partials(
        "..##.#".ljust(26, "."), post_speech_silence_duration=silence_s, min_length_of_recording=least_s
    )
    heard.deliver(only_decode(heard.feed(6)), timing=timing_of(0.0))
    left = int(SAFETY_MARGIN_S / FRAME_S)
    assert speculated_at(heard) == symbol_frames(6, 22).stop - symbol_frames(0, 6).stop - left
    heard.send((left - 1) * FRAME_BYTES)
    assert heard.session.pending_finals == 0
    heard.send(FRAME_BYTES)
    assert heard.session.pending_finals == 1


@pytest.mark.parametrize("inference_s", [0.0, 0.9, 100.0])
def test_whenever_it_begins_the_window_is_the_same_and_it_is_the_final(inference_s: float) -> None:
    heard = after_final(SENTENCE, inference_s)
    early = only_decode(heard.feed())
    start = len(SENTENCE)
    assert window_frames(early) == symbol_frames(start + 1, start + 6)
    [final] = heard.deliver(early)
    assert isinstance(final, Final)
    assert (final.speculative, final.utterance) == (True, 1)
    assert final.endpoint_s == pytest.approx(PAUSE * SYMBOL_S)


def test_an_end_from_outside_before_it_began_asks_for_the_final() -> None:
    heard = after_final(SENTENCE, 0.0)
    assert decode_kinds(heard.feed(10)) == []
    decode = only_decode(heard.finalize())
    assert (decode.kind, window_frames(decode)) == (Kind.FINAL, symbol_frames(len(SENTENCE) + 1, len(SENTENCE) + 6))


def test_speech_that_resumes_withdraws_it() -> None:
    heard = stream_without_partials("..###.##")
    heard.feed(6)
    assert heard.feed(1) == [Withdraw(0)]
    assert withdrawn(heard.feed()) == []


def test_speech_that_resumes_before_it_began_has_nothing_to_withdraw() -> None:
    """Nor does it begin while speech goes on, although its time has come."""
    heard = after_final("..###....." + "#" * 25 + "." * PAUSE, 0.0)
    heard.feed(10 + 25)
    assert heard.decodes[1:] == []
    assert withdrawn(heard.outputs) == []
    early = only_decode(heard.feed())
    assert window_frames(early) == symbol_frames(len(SENTENCE) + 1, len(SENTENCE) + 10 + 25 + 1)


def test_each_pause_may_have_its_own() -> None:
    heard = stream_without_partials("..###.##.##..")
    heard.feed()
    assert decode_kinds(heard.outputs) == [Kind.SPECULATIVE] * 3
    assert withdrawn(heard.outputs) == [Withdraw(0, 0), Withdraw(0, 1)]
    assert heard.outputs[-1] == Promote(0)


def open_still(drawing: str = "..###.####..") -> tuple[SimulatedStream, Decode]:
    """Return a talk that makes partials and is silent for a sign, and its early decode."""
    heard = stream_with_partials(drawing)
    heard.hold_partials()
    return heard, only_decode(heard.feed(6))


def test_an_early_transcript_is_told_as_a_partial_while_it_is_not_clear_whether_more_comes() -> None:
    heard, early = open_still()
    assert heard.deliver(early) == [Partial(0, 1, "", TRANSCRIPT.text, 2 * SYMBOL_MS, 6 * SYMBOL_MS)]


def test_an_early_transcript_that_comes_once_speech_has_resumed_is_told_as_well() -> None:
    heard, early = open_still()
    heard.feed(2)
    assert heard.deliver(early) == [Partial(0, 1, "", TRANSCRIPT.text, 2 * SYMBOL_MS, 6 * SYMBOL_MS)]


def test_an_early_transcript_of_the_end_is_the_final_alone() -> None:
    heard, early = open_still("..###..")
    heard.feed()
    [final] = heard.deliver(early)
    assert isinstance(final, Final)
    assert partials(heard) == []


def test_a_partial_that_heard_more_keeps_the_early_transcript_from_being_told() -> None:
    heard, early = open_still()
    heard.feed(2)
    later = heard.begin_partial()
    assert later is not None
    heard.deliver(later)
    assert heard.deliver(early) == []
    assert [partial.end_ms for partial in partials(heard)] == [8 * SYMBOL_MS]


def test_an_early_transcript_keeps_a_partial_that_heard_less_from_being_told() -> None:
    heard = stream_with_partials("..###.....")
    before = only_decode(heard.feed(5))
    early = only_decode(heard.feed(1))
    heard.deliver(early)
    heard.deliver(before, replace(TRANSCRIPT, text="Мама"))
    assert [partial.unstable for partial in partials(heard)] == [TRANSCRIPT.text]


def test_an_early_transcript_that_cannot_be_trusted_is_not_told() -> None:
    heard, early = open_still()
    assert heard.deliver(early, replace(TRANSCRIPT, text="")) == []


def test_without_partials_an_early_transcript_is_told_at_the_end_alone() -> None:
    heard = stream_without_partials("..###..")
    assert heard.deliver(only_decode(heard.feed(6))) == []
    assert len(heard.feed()) == 1


def test_an_early_transcript_told_as_a_partial_is_no_final_when_more_was_said() -> None:
    heard, early = open_still()
    heard.deliver(early, replace(TRANSCRIPT, text="Мама мыла"))
    second = only_decode(heard.feed())
    assert window_frames(second) == symbol_frames(1, 11)
    [final] = heard.deliver(second)
    assert isinstance(final, Final)
    assert (final.text, final.timing) == (TRANSCRIPT.text, TIMING)


def test_an_early_transcript_told_as_a_partial_is_the_final_when_no_more_was_said() -> None:
    heard, early = open_still("..###..")
    heard.deliver(early)
    [final] = heard.feed()
    assert isinstance(final, Final)
    assert final.text == TRANSCRIPT.text


def test_after_an_early_transcript_the_next_partial_goes_on_from_it() -> None:
    heard, early = open_still()
    heard.deliver(early)
    heard.feed(2)
    later = heard.begin_partial()
    assert later is not None
    heard.deliver(later)
    assert [partial.revision for partial in partials(heard)] == [1, 2]
