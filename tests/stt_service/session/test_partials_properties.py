"""Properties of an utterance's partials for any length and any decoder errors."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stt_service.session.partials import OVERLAP_UNITS, PartialsConfig
from stt_service.session.stabilizer import Stability, StabilizerConfig
from tests.support.timelines.scripted_partials import (
    DecodedPartial,
    EdgeError,
    ScriptedWord,
    SimulatedPartials,
    evenly,
    scripted_words,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
CONFIG = PartialsConfig()
GAPS_AND_LENGTHS = st.lists(st.tuples(st.integers(0, 40), st.integers(2, 30)), min_size=1, max_size=50)
CONFIGS = st.builds(
    PartialsConfig,
    stabilizer=st.sampled_from([StabilizerConfig(), *(stability.value for stability in Stability)]),
    max_window=st.integers(20, 300),
    min_window=st.integers(0, 150),
    split_search=st.integers(0, 150),
)
PAUSES = st.integers(1, 60)
CHANGED = st.lists(
    st.tuples(PAUSES, st.integers(0, 3), st.sampled_from([EdgeError.NONE, EdgeError.MISRECOGNIZED])),
    min_size=1,
    max_size=40,
)
SHIFTED = st.lists(
    st.tuples(PAUSES, st.just(0), st.sampled_from([EdgeError.NONE, EdgeError.LOST, EdgeError.TWICE])),
    min_size=1,
    max_size=40,
)


# A window that began between the two copies of a word began inside it, and the next decode lost the overlap.
TWICE_THEN_LOST = [
    *[(1, 0, EdgeError.NONE)] * 15,
    (6, 0, EdgeError.NONE),
    *[(pause, 0, EdgeError.TWICE) for pause in (1, 19, 11, 8)],
    *[(1, 0, EdgeError.NONE)] * 3,
    (1, 0, EdgeError.LOST),
]
SHORT_WINDOW = PartialsConfig(stabilizer=Stability.VERY_LOW.value, max_window=20, min_window=0, split_search=4)


@PROPERTY
@given(GAPS_AND_LENGTHS, CHANGED | SHIFTED, CONFIGS)
@example([(0, 2), (0, 3), (0, 2), (0, 2)], TWICE_THEN_LOST, SHORT_WINDOW)
def test_each_partial_has_every_word_once_and_keeps_stable_text(
    gaps_and_lengths: list[tuple[int, int]], steps: list[tuple[int, int, EdgeError]], config: PartialsConfig
) -> None:
    """This holds although words leave the window and its newest and first words are misrecognized."""
    words = scripted_words(gaps_and_lengths)
    simulation, now, stable = SimulatedPartials(words, config), 0, ""
    for pause, misrecognized, edge in steps:
        now += pause
        decoded = simulation.decode(now, misrecognized, edge)
        assert decoded.hypothesis.stable.startswith(stable)
        assert decoded.word_numbers == [word.number for word in words if word.end <= now]
        stable = decoded.hypothesis.stable


@PROPERTY
@given(GAPS_AND_LENGTHS, CHANGED | SHIFTED, CONFIGS)
def test_long_window_drops_its_old_words_except_the_overlap(
    gaps_and_lengths: list[tuple[int, int]], steps: list[tuple[int, int, EdgeError]], config: PartialsConfig
) -> None:
    words = scripted_words(gaps_and_lengths)
    simulation, now = SimulatedPartials(words, config), 0
    for pause, misrecognized, edge in steps:
        now += pause
        decoded = simulation.decode(now, misrecognized, edge)
        start = simulation.partials.begin(now)
        assert decoded.has_timestamps == (decoded.length > config.max_window)
        if decoded.has_timestamps:
            assert start >= max(
                decoded.start, droppable_end(decoded, words, now - config.min_window) - config.split_search - 1
            )
        else:
            assert start == decoded.start
        if start > decoded.start:
            assert sum(word.end > start for word in words[: len(decoded.stable)]) >= OVERLAP_UNITS
            assert now - start >= config.min_window


def droppable_end(decoded: DecodedPartial, words: list[ScriptedWord], latest: int) -> int:
    """Return the end of the last word that may leave: the OVERLAP words after it match the stable text."""
    stable = decoded.hypothesis.stable.split()
    for word in reversed(words[: len(stable)]):
        following = range(word.number + 1, word.number + 1 + OVERLAP_UNITS)
        known = [decoded.decoded_words.get(number) for number in following] == stable[following.start : following.stop]
        if word.end <= latest and word.number in decoded.decoded_words and known:
            return word.end
    return 0


@PROPERTY
@given(GAPS_AND_LENGTHS, CHANGED | SHIFTED, CONFIGS, st.integers(0, 600))
def test_no_words_become_stable_near_a_cut_and_none_is_missing(
    gaps_and_lengths: list[tuple[int, int]], steps: list[tuple[int, int, EdgeError]], config: PartialsConfig, uncut: int
) -> None:
    words, now, stable = scripted_words(gaps_and_lengths), 0, ""
    cut, whole = SimulatedPartials(words, replace(config, max_uncut_frames=uncut)), SimulatedPartials(words, config)
    for pause, misrecognized, edge in steps:
        now += pause
        decoded, same = cut.decode(now, misrecognized, edge), whole.decode(now, misrecognized, edge)
        assert (decoded.start, decoded.word_numbers) == (same.start, same.word_numbers)
        assert decoded.hypothesis.stable == (same.hypothesis.stable if now <= uncut else stable)
        stable = decoded.hypothesis.stable


@pytest.mark.parametrize("step", [10, 40])
@pytest.mark.parametrize("gap", [2, 40])
@pytest.mark.parametrize("edge", list(EdgeError))
def test_windows_do_not_grow_with_the_utterance(gap: int, step: int, edge: EdgeError) -> None:
    """They contain the unstable text, the overlap and the search range for the split, for any length."""
    length, stability = 10, CONFIG.stabilizer
    unstable = max(stability.min_agreements * step, stability.min_span_frames + step)
    unstable += (stability.held_back_units + 2 * OVERLAP_UNITS + 1) * (gap + length)
    bound = max(CONFIG.max_window, max(unstable, CONFIG.min_window) + CONFIG.split_search + gap + length) + step
    words = evenly(1600 // (gap + length), gap, length)
    simulation = SimulatedPartials(words, CONFIG)
    lengths = [simulation.decode(now, edge=edge).length for now in range(step, 1600, step)]
    assert max(lengths) <= bound < 1000
