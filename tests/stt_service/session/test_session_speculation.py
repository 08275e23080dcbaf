"""Speculative decodes of finals: when they begin, and their use when the utterance ends or continues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from stt_service.session.events import Decode, DecodeTiming, Final, Output, Partial, Promote, Withdraw
from stt_service.session.speculation import SAFETY_FACTOR, SAFETY_MARGIN_S
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import Kind
from tests.support.timelines.simulated_stream import (
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

SPEECH, PAUSE = 3, 20  # symbols
SENTENCE = "..###" + "." * PAUSE
HANGOVER, ENDPOINT = (symbol_frames(0, 2 + SPEECH + silent).stop for silent in (1, PAUSE))


def timing_of(inference_s: float) -> DecodeTiming:
    return DecodeTiming(queue_s=9.0, inference_s=inference_s, batch=3)


def after_final(timeline: str, inference_s: float) -> SimulatedStream:
    """Return a stream with a long endpoint after a first final of that cost; the timeline follows."""
    stream = stream_without_partials(
        SENTENCE + timeline, post_speech_silence_duration=PAUSE * SYMBOL_S, max_length_of_recording=28
    )
    stream.deliver(only_decode(stream.feed(len(SENTENCE))), timing=timing_of(inference_s))
    return stream


def speculated_at(stream: SimulatedStream) -> int:
    """Feed frame by frame; return the number of frames until the speculative decode was requested."""
    for frame in range(1, SYMBOL_FRAMES * 2 * len(SENTENCE)):
        if Kind.SPECULATIVE in decode_kinds(stream.feed(1 / SYMBOL_FRAMES)):
            return frame
    raise AssertionError("no speculative decode was requested")


def withdrawn(outputs: Iterable[Output]) -> list[Withdraw]:
    return [output for output in outputs if isinstance(output, Withdraw)]


def test_speculative_decode_begins_immediately_without_a_known_cost() -> None:
    assert speculated_at(stream_without_partials(SENTENCE, post_speech_silence_duration=PAUSE * SYMBOL_S)) == HANGOVER


@pytest.mark.parametrize("inference_s", [0.0, 0.2, 0.9])
def test_speculative_decode_begins_as_late_as_possible_with_a_known_cost(inference_s: float) -> None:
    stream = after_final(SENTENCE, inference_s)
    left = int((SAFETY_FACTOR * inference_s + SAFETY_MARGIN_S) / FRAME_S)
    assert speculated_at(stream) == ENDPOINT - left > HANGOVER


def test_speculative_decode_never_begins_before_the_configured_silence() -> None:
    assert speculated_at(after_final(SENTENCE, 100.0)) == HANGOVER


def test_discarded_speculative_decode_counts_for_the_cost() -> None:
    stream = stream_without_partials("..###.###" + "." * PAUSE, post_speech_silence_duration=PAUSE * SYMBOL_S)
    speculative = only_decode(stream.feed(6))
    stream.feed(3)
    stream.deliver(speculative, timing=timing_of(0.0))
    assert speculated_at(stream) == SYMBOL_FRAMES * PAUSE - int(SAFETY_MARGIN_S / FRAME_S)


def test_partials_do_not_count_for_the_cost_of_finals() -> None:
    stream = stream_with_partials(SENTENCE, post_speech_silence_duration=PAUSE * SYMBOL_S)
    stream.deliver(only_decode(stream.feed(3)), timing=timing_of(0.0))
    assert speculated_at(stream) == HANGOVER - symbol_frames(0, 3).stop


def test_minimum_length_of_an_utterance_delays_the_speculative_decode() -> None:
    """The first decode is discarded; the end is 20 symbols after the onset, not 4 after the speech."""
    silence_s, min_length_s = 4 * SYMBOL_S, 20 * SYMBOL_S
    stream = stream_without_partials(
        "..##.#".ljust(26, "."), post_speech_silence_duration=silence_s, min_length_of_recording=min_length_s
    )
    stream.deliver(only_decode(stream.feed(6)), timing=timing_of(0.0))
    left = int(SAFETY_MARGIN_S / FRAME_S)
    assert speculated_at(stream) == symbol_frames(6, 22).stop - symbol_frames(0, 6).stop - left
    stream.send((left - 1) * FRAME_BYTES)
    assert stream.session.pending_finals == 0
    stream.send(FRAME_BYTES)
    assert stream.session.pending_finals == 1


@pytest.mark.parametrize("inference_s", [0.0, 0.9, 100.0])
def test_speculative_decode_has_the_same_window_and_becomes_the_final_at_any_cost(inference_s: float) -> None:
    stream = after_final(SENTENCE, inference_s)
    speculative = only_decode(stream.feed())
    start = len(SENTENCE)
    assert window_frames(speculative) == symbol_frames(start + 1, start + 6)
    [final] = stream.deliver(speculative)
    assert isinstance(final, Final)
    assert (final.speculative, final.utterance) == (True, 1)
    assert final.endpoint_s == pytest.approx(PAUSE * SYMBOL_S)


def test_finalize_before_the_speculative_decode_requests_the_final() -> None:
    stream = after_final(SENTENCE, 0.0)
    assert decode_kinds(stream.feed(10)) == []
    decode = only_decode(stream.finalize())
    assert (decode.kind, window_frames(decode)) == (Kind.FINAL, symbol_frames(len(SENTENCE) + 1, len(SENTENCE) + 6))


def test_resumed_speech_withdraws_the_speculative_decode() -> None:
    stream = stream_without_partials("..###.##")
    stream.feed(6)
    assert stream.feed(1) == [Withdraw(0)]
    assert withdrawn(stream.feed()) == []


def test_resumed_speech_before_the_speculative_decode_withdraws_nothing() -> None:
    """It does not begin during speech either, although its scheduled frame has passed."""
    stream = after_final("..###....." + "#" * 25 + "." * PAUSE, 0.0)
    stream.feed(10 + 25)
    assert stream.decodes[1:] == []
    assert withdrawn(stream.outputs) == []
    speculative = only_decode(stream.feed())
    assert window_frames(speculative) == symbol_frames(len(SENTENCE) + 1, len(SENTENCE) + 10 + 25 + 1)


def test_each_pause_may_have_a_speculative_decode() -> None:
    stream = stream_without_partials("..###.##.##..")
    stream.feed()
    assert decode_kinds(stream.outputs) == [Kind.SPECULATIVE] * 3
    assert withdrawn(stream.outputs) == [Withdraw(0, 0), Withdraw(0, 1)]
    assert stream.outputs[-1] == Promote(0)


def paused_stream(timeline: str = "..###.####..") -> tuple[SimulatedStream, Decode]:
    """Return a stream with partials after one symbol of silence, and its speculative decode."""
    stream = stream_with_partials(timeline)
    stream.hold_partials()
    return stream, only_decode(stream.feed(6))


def test_speculative_transcript_is_emitted_as_a_partial_before_the_endpoint() -> None:
    stream, speculative = paused_stream()
    assert stream.deliver(speculative) == [Partial(0, 1, "", TRANSCRIPT.text, 2 * SYMBOL_MS, 6 * SYMBOL_MS)]


def test_speculative_transcript_is_emitted_as_a_partial_after_speech_has_resumed() -> None:
    stream, speculative = paused_stream()
    stream.feed(2)
    assert stream.deliver(speculative) == [Partial(0, 1, "", TRANSCRIPT.text, 2 * SYMBOL_MS, 6 * SYMBOL_MS)]


def test_speculative_transcript_after_the_endpoint_is_emitted_as_the_final_only() -> None:
    stream, speculative = paused_stream("..###..")
    stream.feed()
    [final] = stream.deliver(speculative)
    assert isinstance(final, Final)
    assert partials(stream) == []


def test_partial_of_more_audio_supersedes_the_speculative_transcript() -> None:
    stream, speculative = paused_stream()
    stream.feed(2)
    later = stream.begin_partial()
    assert later is not None
    stream.deliver(later)
    assert stream.deliver(speculative) == []
    assert [partial.end_ms for partial in partials(stream)] == [8 * SYMBOL_MS]


def test_speculative_transcript_supersedes_a_partial_of_less_audio() -> None:
    stream = stream_with_partials("..###.....")
    before = only_decode(stream.feed(5))
    speculative = only_decode(stream.feed(1))
    stream.deliver(speculative)
    stream.deliver(before, replace(TRANSCRIPT, text="Мама"))
    assert [partial.unstable for partial in partials(stream)] == [TRANSCRIPT.text]


def test_untrusted_speculative_transcript_is_not_emitted() -> None:
    stream, speculative = paused_stream()
    assert stream.deliver(speculative, replace(TRANSCRIPT, text="")) == []


def test_speculative_transcript_without_partials_is_emitted_at_the_endpoint_only() -> None:
    stream = stream_without_partials("..###..")
    assert stream.deliver(only_decode(stream.feed(6))) == []
    assert len(stream.feed()) == 1


def test_speculative_transcript_emitted_as_a_partial_is_not_the_final_when_speech_continues() -> None:
    stream, speculative = paused_stream()
    stream.deliver(speculative, replace(TRANSCRIPT, text="Мама мыла"))
    second = only_decode(stream.feed())
    assert window_frames(second) == symbol_frames(1, 11)
    [final] = stream.deliver(second)
    assert isinstance(final, Final)
    assert (final.text, final.timing) == (TRANSCRIPT.text, TIMING)


def test_speculative_transcript_emitted_as_a_partial_is_the_final_when_no_speech_follows() -> None:
    stream, speculative = paused_stream("..###..")
    stream.deliver(speculative)
    [final] = stream.feed()
    assert isinstance(final, Final)
    assert final.text == TRANSCRIPT.text


def test_partial_after_a_speculative_transcript_has_the_next_revision() -> None:
    stream, speculative = paused_stream()
    stream.deliver(speculative)
    stream.feed(2)
    later = stream.begin_partial()
    assert later is not None
    stream.deliver(later)
    assert [partial.revision for partial in partials(stream)] == [1, 2]
