"""A long utterance is decoded in parts, at its pauses: which parts, when each is asked for, and how they join."""

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
from tests.support.simulated_stream import (
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

# Five signs of silence end an utterance; of six seconds, 47 signs, it may be parted where it pauses for three.
LONG, PAUSE, SURE, END = "#" * 50, "...", "#" * 9, "....."
PARTED = f"..{LONG}{PAUSE}{SURE}{END}"
SETTINGS = {"post_speech_silence_duration": len(END) * SYMBOL_S, "max_length_of_recording": 28}
BORDER = 2 + len(LONG) + 1  # the sign at which the first part ends: the trail is one


def long_stream(drawing: str, late: int = 0) -> SimulatedStream:
    return stream_without_partials(drawing, late=late, **SETTINGS)


def saying(text: str) -> Transcript:
    return replace(TRANSCRIPT, text=text)


def requested_windows(drawing: str) -> list[range]:
    """Return the frames of all decodes at final quality."""
    heard = long_stream(drawing)
    heard.feed()
    return [window_frames(decode) for decode in heard.decodes]


def test_a_part_that_a_pause_ends_is_decoded_once_and_what_follows_by_itself() -> None:
    assert requested_windows(PARTED) == [symbol_frames(1, BORDER), symbol_frames(BORDER, BORDER + 2 + len(SURE) + 1)]


def test_the_final_is_the_texts_of_its_parts_with_words_at_their_times() -> None:
    heard = long_stream(PARTED)
    heard.feed()
    first, second = heard.decodes
    word = Word("рыла", 1.0, 1.2, 0.9)
    assert heard.deliver(second, replace(saying("Она рыла яму."), words=(word,)), timing=replace(TIMING, batch=7)) == []
    [final] = heard.deliver(first, saying("Мама мыла раму,"))
    assert isinstance(final, Final)
    assert final.text == "Мама мыла раму, Она рыла яму."
    assert [word.start_s for word in final.words] == pytest.approx([BORDER * SYMBOL_S + 1.0])
    assert final.timing.batch == 7, "the cost is the last part's: it is what the client waited for"
    assert (final.start_ms, final.end_ms) == (2 * SYMBOL_MS, (len(PARTED) - len(END)) * SYMBOL_MS)


def test_where_a_language_has_no_spaces_the_parts_have_none_between_them() -> None:
    heard = long_stream(PARTED)
    heard.feed()
    for decode, text in zip(heard.decodes, ("你好", "世界"), strict=True):
        told = heard.deliver(decode, replace(TRANSCRIPT, text=text, language="zh"))
    assert [event.text for event in told if isinstance(event, Final)] == ["你好世界"]


@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param(f"..{LONG}..{SURE}{END}", id="a pause too short"),
        pytest.param(f"..{LONG[8:]}{PAUSE}{SURE}{END}", id="a part too short"),
        pytest.param(f"..{LONG}{PAUSE}{SURE[3:]}{END}", id="a scrap after it"),
    ],
)
def test_it_is_not_parted_by(drawing: str) -> None:
    *void, whole = requested_windows(drawing)
    assert whole == symbol_frames(1, len(drawing) - len(END) + 1)
    assert all(decode.start == whole.start for decode in void)


def test_a_short_pause_soon_after_the_long_one_does_not_hinder_it() -> None:
    heard = long_stream(f"..{LONG}{PAUSE}##..{SURE}{END}")
    heard.feed()
    first, void, last = heard.decodes
    assert window_frames(first) == symbol_frames(1, BORDER)
    assert Withdraw(0, void.number) in heard.outputs
    assert Withdraw(0, first.number) not in heard.outputs
    assert window_frames(last).start == window_frames(first).stop


def test_the_early_decode_of_a_pause_that_parts_nothing_is_withdrawn_at_the_end() -> None:
    heard = long_stream(f"..{LONG}{PAUSE}{SURE[3:]}{END}")
    heard.feed()
    assert Withdraw(0, heard.decodes[0].number) in heard.outputs


def test_parts_that_still_wait_at_the_end_are_promoted() -> None:
    heard = long_stream(PARTED)
    assert heard.feed()[-1] == Promote(0)
    assert decode_kinds(heard.outputs) == [Kind.SPECULATIVE, Kind.SPECULATIVE]


def test_an_end_from_outside_in_the_last_part_asks_for_that_part_alone() -> None:
    heard = long_stream(PARTED)
    heard.feed(BORDER + 2 + len(SURE))
    promote, decode = heard.finalize()
    assert promote == Promote(0)
    assert isinstance(decode, Decode)
    assert (decode.kind, window_frames(decode)) == (Kind.FINAL, symbol_frames(BORDER, BORDER + 2 + len(SURE)))


def test_a_cut_before_a_part_ends_makes_that_part_void() -> None:
    """The drawn sound grows louder, so the cut is as early as it can be: six seconds back."""
    drawing = "#" * 190 + PAUSE + "#" * 40
    heard = long_stream(drawing)
    heard.feed()
    first = window_frames(heard.decodes[0])
    cut = next(window_frames(decode) for decode in heard.decodes if decode.kind is Kind.FINAL)
    assert cut.start == first.start
    assert cut.stop < first.stop
    assert Withdraw(0, heard.decodes[0].number) in heard.outputs


def test_a_settled_part_is_stable_and_later_partials_hear_what_follows_it() -> None:
    heard = stream_with_partials(PARTED, **SETTINGS)
    heard.hold_partials()
    heard.feed(BORDER + 2 + len(SURE))
    early = only_decode(heard.outputs)
    heard.deliver(early, saying("Мама мыла раму."))
    later = heard.begin_partial()
    assert later is not None
    assert window_frames(later).start == window_frames(early).stop
    heard.deliver(later, saying("Она"))
    assert [(partial.stable, partial.unstable) for partial in partials(heard)][-1] == ("Мама мыла раму.", " Она")


def test_a_settled_part_that_cannot_be_trusted_is_not_stable() -> None:
    heard = stream_with_partials(PARTED, **SETTINGS)
    heard.hold_partials()
    heard.feed(BORDER + 2 + len(SURE))
    heard.deliver(only_decode(heard.outputs), saying("Субтитры сделал DimaTorzok"))
    later = heard.begin_partial()
    assert later is not None
    heard.deliver(later)
    assert [partial.stable for partial in partials(heard)] == [""]


@pytest.mark.parametrize(
    ("silence_s", "part_s"), [(0.5, MIN_SEGMENT_S), (1.0, MIN_SEGMENT_SILENCES * 1.0), (9.0, MAX_MIN_SEGMENT_S)]
)
def test_who_wants_finals_soon_gets_shorter_parts(silence_s: float, part_s: float) -> None:
    live = ServerSettings.model_validate({"post_speech_silence_duration": silence_s}).runtime()
    assert splitter_config(live).min_length * FRAME_S == pytest.approx(part_s, abs=FRAME_S)


# Laws

LAW = settings(derandomize=True, deadline=None, max_examples=100)
DRAWINGS = st.lists(
    st.tuples(st.just("#"), st.sampled_from([3, 9, 30, 50]))
    | st.tuples(st.just("."), st.sampled_from([1, 2, 3, 4, 9])),
    max_size=16,
).map(lambda stretches: "".join(sign * length for sign, length in stretches))
CUTS = st.lists(st.integers(0, 300_000), max_size=10)


def final_frames(drawing: str, cuts: list[int], late: int, *, at_once: bool) -> list[tuple[int, str]]:
    """Return each final's number and text, where every decode says which frames it heard."""
    heard = long_stream(drawing, late)
    sound = len(pcm(drawing))

    def answer() -> None:
        for decode in heard.decodes:
            frames = window_frames(decode)
            heard.deliver(decode, replace(TRANSCRIPT, text=f"{frames.start}-{frames.stop}"))

    for start, end in pairwise(sorted({0, sound, *(cut for cut in cuts if cut < sound)})):
        heard.send(end - start)
        if at_once:
            answer()
    heard.end()
    answer()
    return [(event.utterance, event.text) for event in heard.events if isinstance(event, Final)]


@LAW
@given(DRAWINGS, CUTS, VAD_DELAYS, st.booleans())
def test_parts_are_the_same_at_any_pace_follow_one_another_without_a_gap_and_hold_all_speech(
    drawing: str, cuts: list[int], late: int, at_once: bool
) -> None:
    finals = final_frames(drawing, cuts, late, at_once=at_once)
    assert finals == final_frames(drawing, [], 0, at_once=True)
    heard: set[int] = set()
    for _, text in finals:
        parts = [tuple(map(int, part.split("-"))) for part in text.split()]
        assert all(end == start for (_, end), (start, _) in pairwise(parts))
        heard |= {frame for start, end in parts for frame in range(start, end)}
    assert {n for n in range(len(drawing) * SYMBOL_FRAMES) if drawing[n // SYMBOL_FRAMES] == "#"} <= heard
    assert FRAME_BYTES * SYMBOL_FRAMES * len(drawing) == len(pcm(drawing))
