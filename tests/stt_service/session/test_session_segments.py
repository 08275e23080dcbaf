"""Long utterances are split into segments at pauses: their bounds, when each is requested, and how they are joined."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.session.events import Decode, Final, Promote, Withdraw
from stt_service.session.splitting import MAX_MIN_SEGMENT_S, MIN_SEGMENT_S, MIN_SEGMENT_SILENCES, splitter_config
from stt_service.settings.schema import FRAME_S, ServerSettings
from stt_service.whisper.types import Kind, Transcript, Word
from tests.support.timelines.simulated_stream import (
    FRAME_BYTES,
    SYMBOL_FRAMES,
    SYMBOL_MS,
    SYMBOL_S,
    TIMING,
    TRANSCRIPT,
    VAD_DELAYS,
    SimulatedStream,
    decode_kinds,
    only_decode,
    partials,
    pcm,
    stream_with_partials,
    stream_without_partials,
    symbol_frames,
    window_frames,
)

# Five symbols of silence end an utterance; after 47 symbols, six seconds, it may be split in a pause of three.
LONG, PAUSE, ENOUGH, END = "#" * 50, "...", "#" * 9, "....."
TWO_SEGMENTS = f"..{LONG}{PAUSE}{ENOUGH}{END}"
SETTINGS = {"post_speech_silence_duration": len(END) * SYMBOL_S, "max_length_of_recording": 28}
SPLIT = 2 + len(LONG) + 1  # the symbol at which the first segment ends: the padding is one symbol


def long_stream(timeline: str, late: int = 0) -> SimulatedStream:
    return stream_without_partials(timeline, late=late, **SETTINGS)


def transcript_of(text: str) -> Transcript:
    return replace(TRANSCRIPT, text=text)


def requested_windows(timeline: str) -> list[range]:
    """Return the frames of all final and speculative decodes."""
    stream = long_stream(timeline)
    stream.feed()
    return [window_frames(decode) for decode in stream.decodes]


def test_segment_before_a_pause_is_decoded_once_and_the_next_one_alone() -> None:
    assert requested_windows(TWO_SEGMENTS) == [
        symbol_frames(1, SPLIT),
        symbol_frames(SPLIT, SPLIT + 2 + len(ENOUGH) + 1),
    ]


def test_final_joins_the_texts_and_words_of_its_segments() -> None:
    stream = long_stream(TWO_SEGMENTS)
    stream.feed()
    first, second = stream.decodes
    word = Word("рыла", 1.0, 1.2, 0.9)
    assert (
        stream.deliver(second, replace(transcript_of("Она рыла яму."), words=(word,)), timing=replace(TIMING, batch=7))
        == []
    )
    [final] = stream.deliver(first, transcript_of("Мама мыла раму,"))
    assert isinstance(final, Final)
    assert final.text == "Мама мыла раму, Она рыла яму."
    assert [word.start_s for word in final.words] == pytest.approx([SPLIT * SYMBOL_S + 1.0])
    assert final.timing.batch == 7, "the timing is that of the last segment, for which the client waited"
    assert (final.start_ms, final.end_ms) == (2 * SYMBOL_MS, (len(TWO_SEGMENTS) - len(END)) * SYMBOL_MS)


def test_segments_are_joined_without_spaces_in_languages_that_have_none() -> None:
    stream = long_stream(TWO_SEGMENTS)
    stream.feed()
    for decode, text in zip(stream.decodes, ("你好", "世界"), strict=True):
        outputs = stream.deliver(decode, replace(TRANSCRIPT, text=text, language="zh"))
    assert [event.text for event in outputs if isinstance(event, Final)] == ["你好世界"]


@pytest.mark.parametrize(
    "timeline",
    [
        pytest.param(f"..{LONG}..{ENOUGH}{END}", id="the pause is too short"),
        pytest.param(f"..{LONG[8:]}{PAUSE}{ENOUGH}{END}", id="the segment is too short"),
        pytest.param(f"..{LONG}{PAUSE}{ENOUGH[3:]}{END}", id="too little speech follows"),
    ],
)
def test_utterance_is_not_split(timeline: str) -> None:
    *discarded, whole = requested_windows(timeline)
    assert whole == symbol_frames(1, len(timeline) - len(END) + 1)
    assert all(decode.start == whole.start for decode in discarded)


def test_short_pause_after_a_long_one_does_not_prevent_the_split() -> None:
    stream = long_stream(f"..{LONG}{PAUSE}##..{ENOUGH}{END}")
    stream.feed()
    first, discarded, last = stream.decodes
    assert window_frames(first) == symbol_frames(1, SPLIT)
    assert Withdraw(0, discarded.number) in stream.outputs
    assert Withdraw(0, first.number) not in stream.outputs
    assert window_frames(last).start == window_frames(first).stop


def test_speculative_decode_of_a_pause_without_a_split_is_withdrawn_at_the_end() -> None:
    stream = long_stream(f"..{LONG}{PAUSE}{ENOUGH[3:]}{END}")
    stream.feed()
    assert Withdraw(0, stream.decodes[0].number) in stream.outputs


def test_pending_segments_are_promoted_at_the_end() -> None:
    stream = long_stream(TWO_SEGMENTS)
    assert stream.feed()[-1] == Promote(0)
    assert decode_kinds(stream.outputs) == [Kind.SPECULATIVE, Kind.SPECULATIVE]


def test_finalize_in_the_last_segment_requests_that_segment_only() -> None:
    stream = long_stream(TWO_SEGMENTS)
    stream.feed(SPLIT + 2 + len(ENOUGH))
    promote, decode = stream.finalize()
    assert promote == Promote(0)
    assert isinstance(decode, Decode)
    assert (decode.kind, window_frames(decode)) == (Kind.FINAL, symbol_frames(SPLIT, SPLIT + 2 + len(ENOUGH)))


def test_cut_before_the_end_of_a_segment_discards_the_segment() -> None:
    """The audio of the timeline gets louder, so the cut is as early as possible: six seconds back."""
    timeline = "#" * 190 + PAUSE + "#" * 40
    stream = long_stream(timeline)
    stream.feed()
    first = window_frames(stream.decodes[0])
    cut = next(window_frames(decode) for decode in stream.decodes if decode.kind is Kind.FINAL)
    assert cut.start == first.start
    assert cut.stop < first.stop
    assert Withdraw(0, stream.decodes[0].number) in stream.outputs


def test_committed_segment_is_stable_and_later_partials_begin_after_it() -> None:
    stream = stream_with_partials(TWO_SEGMENTS, **SETTINGS)
    stream.hold_partials()
    stream.feed(SPLIT + 2 + len(ENOUGH))
    speculative = only_decode(stream.outputs)
    stream.deliver(speculative, transcript_of("Мама мыла раму."))
    later = stream.begin_partial()
    assert later is not None
    assert window_frames(later).start == window_frames(speculative).stop
    stream.deliver(later, transcript_of("Она"))
    assert [(partial.stable, partial.unstable) for partial in partials(stream)][-1] == ("Мама мыла раму.", " Она")


def test_untrusted_committed_segment_is_not_stable() -> None:
    stream = stream_with_partials(TWO_SEGMENTS, **SETTINGS)
    stream.hold_partials()
    stream.feed(SPLIT + 2 + len(ENOUGH))
    stream.deliver(only_decode(stream.outputs), transcript_of("Субтитры сделал DimaTorzok"))
    later = stream.begin_partial()
    assert later is not None
    stream.deliver(later)
    assert [partial.stable for partial in partials(stream)] == [""]


@pytest.mark.parametrize(
    ("silence_s", "segment_s"), [(0.5, MIN_SEGMENT_S), (1.0, MIN_SEGMENT_SILENCES * 1.0), (9.0, MAX_MIN_SEGMENT_S)]
)
def test_shorter_endpoint_silence_gives_shorter_segments(silence_s: float, segment_s: float) -> None:
    runtime = ServerSettings.model_validate({"post_speech_silence_duration": silence_s}).runtime()
    assert splitter_config(runtime).min_length * FRAME_S == pytest.approx(segment_s, abs=FRAME_S)


# Properties

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
TIMELINES = st.lists(
    st.tuples(st.just("#"), st.sampled_from([3, 9, 30, 50]))
    | st.tuples(st.just("."), st.sampled_from([1, 2, 3, 4, 9])),
    max_size=16,
).map(lambda runs: "".join(symbol * length for symbol, length in runs))
CUTS = st.lists(st.integers(0, 300_000), max_size=10)


def final_frames(timeline: str, cuts: list[int], late: int, *, deliver_each: bool) -> list[tuple[int, str]]:
    """Return each final's number and text; the text of each segment is the range of its frames."""
    stream = long_stream(timeline, late)
    size = len(pcm(timeline))

    def deliver_all() -> None:
        for decode in stream.decodes:
            frames = window_frames(decode)
            stream.deliver(decode, replace(TRANSCRIPT, text=f"{frames.start}-{frames.stop}"))

    for start, end in pairwise(sorted({0, size, *(cut for cut in cuts if cut < size)})):
        stream.send(end - start)
        if deliver_each:
            deliver_all()
    stream.end()
    deliver_all()
    return [(event.utterance, event.text) for event in stream.events if isinstance(event, Final)]


@PROPERTY
@given(TIMELINES, CUTS, VAD_DELAYS, st.booleans())
def test_segments_are_the_same_at_any_pace_without_gaps_and_contain_all_speech(
    timeline: str, cuts: list[int], late: int, deliver_each: bool
) -> None:
    finals = final_frames(timeline, cuts, late, deliver_each=deliver_each)
    assert finals == final_frames(timeline, [], 0, deliver_each=True)
    covered: set[int] = set()
    for _, text in finals:
        segments = [tuple(map(int, segment.split("-"))) for segment in text.split()]
        assert all(end == start for (_, end), (start, _) in pairwise(segments))
        covered |= {frame for start, end in segments for frame in range(start, end)}
    assert {n for n in range(len(timeline) * SYMBOL_FRAMES) if timeline[n // SYMBOL_FRAMES] == "#"} <= covered
    assert FRAME_BYTES * SYMBOL_FRAMES * len(timeline) == len(pcm(timeline))
