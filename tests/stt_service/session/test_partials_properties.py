"""What holds of an utterance's partials, however long it is and whatever the decoder makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.session.partials import OVERLAP_UNITS, PartialsConfig
from stt_service.session.stabilizer import StabilizerConfig
from tests.support.scripted_partials import (
    DecodedPartial,
    EdgeError,
    ScriptedWord,
    SimulatedPartials,
    evenly,
    scripted_words,
)

LAW = settings(derandomize=True, deadline=None, max_examples=100)
CONFIG = PartialsConfig()
GAPS_AND_LENGTHS = st.lists(st.tuples(st.integers(0, 40), st.integers(2, 30)), min_size=1, max_size=50)
CONFIGS = st.builds(
    PartialsConfig,
    stabilizer=st.sampled_from([StabilizerConfig(), CONFIG.stabilizer]),
    max_window=st.integers(20, 300),
    min_window=st.integers(0, 150),
    split_search=st.integers(0, 150),
)
PAUSES = st.integers(1, 60)
CHANGED = st.lists(
    st.tuples(PAUSES, st.integers(0, 3), st.sampled_from([EdgeError.NONE, EdgeError.MISHEARD])), min_size=1, max_size=40
)
SHIFTED = st.lists(
    st.tuples(PAUSES, st.just(0), st.sampled_from([EdgeError.NONE, EdgeError.LOST, EdgeError.TWICE])),
    min_size=1,
    max_size=40,
)


@LAW
@given(GAPS_AND_LENGTHS, CHANGED | SHIFTED, CONFIGS)
def test_each_partial_tells_every_word_of_the_utterance_once_and_takes_back_none(
    places: list[tuple[int, int]], steps: list[tuple[int, int, EdgeError]], config: PartialsConfig
) -> None:
    """Whatever has left the window, and though the newest words and the window's first come out wrong."""
    words = scripted_words(places)
    listener, now, stable = SimulatedPartials(words, config), 0, ""
    for pause, misheard, edge in steps:
        now += pause
        taken = listener.decode(now, misheard, edge)
        assert taken.hypothesis.stable.startswith(stable)
        assert taken.word_numbers == [word.number for word in words if word.end <= now]
        stable = taken.hypothesis.stable


@LAW
@given(GAPS_AND_LENGTHS, CHANGED | SHIFTED, CONFIGS)
def test_a_window_that_grew_long_loses_its_old_words_but_for_the_overlap(
    places: list[tuple[int, int]], steps: list[tuple[int, int, EdgeError]], config: PartialsConfig
) -> None:
    words = scripted_words(places)
    listener, now = SimulatedPartials(words, config), 0
    for pause, misheard, edge in steps:
        now += pause
        taken = listener.decode(now, misheard, edge)
        start = listener.partials.begin(now)
        assert taken.has_timestamps == (taken.length > config.max_window)
        if taken.has_timestamps:
            assert start >= max(taken.start, leaves_by(taken, words, now - config.min_window) - config.split_search - 1)
        else:
            assert start == taken.start
        if start > taken.start:
            assert sum(word.end > start for word in words[: len(taken.stable)]) >= OVERLAP_UNITS
            assert now - start >= config.min_window


def leaves_by(taken: DecodedPartial, words: list[ScriptedWord], latest: int) -> int:
    """Return where the last word ends that may leave: OVERLAP words follow that are as they are known to be."""
    stable = taken.hypothesis.stable.split()
    for word in reversed(words[: len(stable)]):
        following = range(word.number + 1, word.number + 1 + OVERLAP_UNITS)
        known = [taken.decoded_words.get(number) for number in following] == stable[following.start : following.stop]
        if word.end <= latest and word.number in taken.decoded_words and known:
            return word.end
    return 0


@LAW
@given(GAPS_AND_LENGTHS, CHANGED | SHIFTED, CONFIGS, st.integers(0, 600))
def test_near_a_cut_no_more_words_are_stable_and_none_is_missing(
    places: list[tuple[int, int]], steps: list[tuple[int, int, EdgeError]], config: PartialsConfig, uncut: int
) -> None:
    words, now, stable = scripted_words(places), 0, ""
    cut, whole = SimulatedPartials(words, replace(config, max_uncut_frames=uncut)), SimulatedPartials(words, config)
    for pause, misheard, edge in steps:
        now += pause
        taken, same = cut.decode(now, misheard, edge), whole.decode(now, misheard, edge)
        assert (taken.start, taken.word_numbers) == (same.start, same.word_numbers)
        assert taken.hypothesis.stable == (same.hypothesis.stable if now <= uncut else stable)
        stable = taken.hypothesis.stable


@pytest.mark.parametrize("step", [10, 40])
@pytest.mark.parametrize("gap", [2, 40])
@pytest.mark.parametrize("edge", list(EdgeError))
def test_windows_do_not_grow_with_the_utterance(gap: int, step: int, edge: EdgeError) -> None:
    """They hold what is not stable yet, the overlap, and where the border was looked for: whatever has been said."""
    length, stability = 10, CONFIG.stabilizer
    unstable = max(stability.min_agreements * step, stability.min_span_frames + step)
    unstable += (stability.held_back_units + 2 * OVERLAP_UNITS + 1) * (gap + length)
    bound = max(CONFIG.max_window, max(unstable, CONFIG.min_window) + CONFIG.split_search + gap + length) + step
    words = evenly(1600 // (gap + length), gap, length)
    listener = SimulatedPartials(words, CONFIG)
    lengths = [listener.decode(now, edge=edge).length for now in range(step, 1600, step)]
    assert max(lengths) <= bound < 1000
