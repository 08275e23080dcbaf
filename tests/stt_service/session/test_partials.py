"""The schedule of partials, and the start of their windows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.partials import OVERLAP_UNITS, UNSTABLE_SPLIT_FACTOR, Partials, PartialsConfig
from stt_service.session.stabilizer import StabilizerConfig
from stt_service.settings.schema import FRAME_S, frames
from stt_service.whisper.types import Word
from tests.support.timelines.scripted_partials import EdgeError, ScriptedWord, SimulatedPartials, evenly, scripted_words

ONSET = 31
CONFIG = PartialsConfig()
SMALL = PartialsConfig(max_window=100, min_window=30, split_search=30, stabilizer=StabilizerConfig())


def new_partials() -> Partials:
    return Partials(0, ONSET, CONFIG)


def test_first_partial_is_due_after_the_configured_speech() -> None:
    partials, now = new_partials(), ONSET + CONFIG.first_after
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=ONSET + 1)


def test_no_partial_is_due_while_one_is_in_flight() -> None:
    partials = new_partials()
    partials.in_flight = True
    assert not partials.is_due(1000, speech_end=1000)


def test_partials_are_separated_by_the_pause() -> None:
    partials, now = new_partials(), 100 + CONFIG.pause
    partials.begin(100)
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=now)


@pytest.mark.parametrize("inference_s", [0.0, 0.01, 0.5, 2.0])
def test_wait_grows_with_the_cost_of_the_last_partial(inference_s: float) -> None:
    partials = new_partials()
    for _ in range(CONFIG.warmup_count + 1):
        partials.begin(100)
    partials.record_cost(inference_s)
    now = 100 + max(CONFIG.pause, int(CONFIG.cooldown_ratio * inference_s / FRAME_S))
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=now)


def test_wait_is_shorter_for_the_first_partials() -> None:
    partials = new_partials()
    for _ in range(CONFIG.warmup_count):
        partials.begin(100)
    partials.record_cost(1.0)
    now = 100 + int(CONFIG.warmup_cooldown_ratio / FRAME_S)
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=now)


def test_wait_depends_on_the_last_partial_only() -> None:
    partials = new_partials()
    partials.begin(100)
    partials.record_cost(2.0)
    partials.begin(400)
    partials.record_cost(0.0)
    assert partials.is_due(400 + CONFIG.pause, speech_end=400 + CONFIG.pause)


def due_after(inference_s: float, *, idle: bool) -> int:
    """Return the number of frames from one partial to the next, after the warm-up."""
    partials = new_partials()
    for _ in range(CONFIG.warmup_count + 1):
        partials.begin(100)
    partials.record_cost(inference_s, idle=idle)
    return next(now for now in range(100, 2000) if partials.is_due(now, speech_end=now)) - 100


@pytest.mark.parametrize("inference_s", [0.3, 0.4, 0.5, 0.59])
def test_with_idle_capacity_a_period_and_a_decode_stay_within_the_target(inference_s: float) -> None:
    assert due_after(inference_s, idle=True) + inference_s / FRAME_S <= CONFIG.target_latency
    assert due_after(inference_s, idle=False) == int(CONFIG.cooldown_ratio * inference_s / FRAME_S)


@pytest.mark.parametrize("inference_s", [0.0, 0.05, 0.15, 0.2])
def test_quick_partials_are_as_frequent_as_under_load(inference_s: float) -> None:
    assert due_after(inference_s, idle=True) == due_after(inference_s, idle=False)


@pytest.mark.parametrize("inference_s", [1.2, 3.0])
def test_with_idle_capacity_partials_that_exceed_the_target_follow_one_another(inference_s: float) -> None:
    """The next is requested no earlier than the last one is delivered: only one is in flight."""
    assert due_after(inference_s, idle=True) == CONFIG.pause


def longest_after(inference_s: float, length: int) -> int:
    """Return the maximum window length after a window of that length had that cost."""
    partials = Partials(0, 0, CONFIG)
    partials.begin(length)
    partials.record_cost(inference_s)
    return next(now for now in range(2000) if partials.needs_word_timestamps(now)) - 1


def test_windows_get_shorter_on_a_machine_where_two_decodes_exceed_the_target() -> None:
    target_s, length = CONFIG.target_latency * FRAME_S, frames(6.0)
    assert longest_after(target_s / 2, CONFIG.max_window) == pytest.approx(CONFIG.max_window, abs=1)
    assert longest_after(0.5 * target_s * 1.2, length) == pytest.approx(length / 1.2, abs=1)
    assert longest_after(100.0, length) == CONFIG.min_slow_window


def test_windows_are_no_longer_than_the_configured_length_on_a_fast_machine() -> None:
    assert longest_after(0.0, 10) == longest_after(0.01, frames(8.0)) == CONFIG.max_window


def test_no_partial_is_due_without_new_speech() -> None:
    partials = new_partials()
    partials.begin(100)
    assert not partials.is_due(1000, speech_end=100 - CONFIG.min_new_speech)


def test_speech_at_the_end_of_a_window_is_decoded_again_once() -> None:
    partials = new_partials()
    partials.begin(100)
    assert partials.is_due(1000, speech_end=101 - CONFIG.min_new_speech)
    partials.begin(1000)
    assert not partials.is_due(2000, speech_end=101 - CONFIG.min_new_speech)


def test_audio_of_a_speculative_transcript_is_not_new() -> None:
    partials = new_partials()
    partials.begin(100)
    assert partials.add_full_hypothesis("мама мыла", end=120) is not None
    assert not partials.is_due(1000, speech_end=114)
    assert partials.is_due(1000, speech_end=121)


def test_transcript_is_outdated_when_a_later_window_was_added() -> None:
    partials = new_partials()
    partials.begin(100)
    assert partials.add_full_hypothesis("мама", end=99) is None
    assert partials.add_full_hypothesis("мама мыла", end=120) is not None
    assert partials.add_hypothesis("мама", (), 0, 100) is None


def test_word_timestamps_are_needed_only_for_long_windows() -> None:
    partials = new_partials()
    assert not partials.needs_word_timestamps(CONFIG.max_window)
    assert partials.needs_word_timestamps(CONFIG.max_window + 1)


def stabilized(words: list[ScriptedWord], config: PartialsConfig = SMALL, now: int = 101) -> SimulatedPartials:
    """Return a simulation in which the words were decoded often enough to be stable."""
    simulation = SimulatedPartials(words, config)
    for _ in range(StabilizerConfig().min_agreements):
        simulation.decode(now)
    return simulation


def test_window_begins_in_the_middle_of_the_widest_gap_between_old_words() -> None:
    """The old words ended in the first 71 frames; the gap is in the last 30 of these."""
    words = scripted_words([(0, 12), (12, 10), (2, 10), (8, 6), (2, 4), (2, 4), (2, 5), (2, 5), *[(1, 1)] * 10])
    simulation = stabilized(words)
    assert [word.end for word in words[:6]] == [12, 34, 46, 60, 66, 72]
    assert simulation.partials.begin(102) == 46 + 4


def test_window_begins_in_the_last_of_equal_gaps() -> None:
    """Most words follow each other without a gap."""
    words = scripted_words([(0, 9)] * 11)
    assert stabilized(words).partials.begin(102) == 9 * (11 - StabilizerConfig().held_back_units - OVERLAP_UNITS)


def test_short_window_keeps_its_words() -> None:
    words = evenly(30)
    assert stabilized(words, replace(SMALL, max_window=101)).partials.begin(102) == 0


def test_window_keeps_the_minimum_length() -> None:
    words = scripted_words([(0, 2)] * 50)
    assert stabilized(words, replace(SMALL, min_window=50)).partials.begin(102) == 50
    assert stabilized(words, replace(SMALL, min_window=101)).partials.begin(102) == 0


def test_unstable_words_stay_in_the_window_at_any_age() -> None:
    simulation = SimulatedPartials(evenly(100), SMALL)
    for now in range(20, 1400, 20):
        simulation.decode(now, misrecognized=now // 20 % 2 * 100)
    assert simulation.partials.begin(1400) == 0


def test_overlap_of_stable_words_stays_in_the_window() -> None:
    """Five words are stable; the first of them may leave the window, except the overlap."""
    words = scripted_words([(0, 5)] * (5 + StabilizerConfig().held_back_units))
    assert stabilized(words).partials.begin(102) == 5 * (5 - OVERLAP_UNITS)
    few = scripted_words([(0, 5)] * (OVERLAP_UNITS + StabilizerConfig().held_back_units))
    assert stabilized(few).partials.begin(102) == 0


def test_window_that_begins_with_errors_adds_the_words_after_the_stable_ones() -> None:
    simulation = stabilized(scripted_words([(0, 9)] * 12), replace(SMALL, min_window=0, split_search=0), now=108)
    decoded = simulation.decode(109, edge=EdgeError.MISRECOGNIZED)
    assert decoded.start == 9 * (len(decoded.stable) - OVERLAP_UNITS)
    assert decoded.word_numbers == list(range(12))


def repeated(text: str, words: tuple[Word, ...]) -> Partials:
    """Return partials with the same text often enough, whose window has moved."""
    partials = Partials(0, 0, SMALL)
    for _ in range(StabilizerConfig().min_agreements):
        partials.begin(101)
        partials.add_hypothesis(text, words, 0, 101)
    return partials


def test_hyphenated_word_is_not_split() -> None:
    """The decoder's words are `что` and `-то`, with the widest gap between them."""
    times = [("когда", 0.1, 0.5), ("что", 0.6, 0.9), ("-то", 1.3, 1.4), ("там", 1.5, 1.6), ("было", 1.6, 1.8)]
    later = "а потом стало лучше и всё".split()
    words = tuple(Word(*word, 0.9) for word in times) + tuple(Word(text, 1.9, 1.9, 0.9) for text in later)
    partials = repeated("когда что-то там было " + " ".join(later), words)
    assert partials.begin(101) == int(1.45 / FRAME_S)


def test_word_of_several_characters_is_not_split() -> None:
    """Each character becomes stable by itself, but the decoder returns the times of words only."""
    long, *held_back = (Word(text, 0.3, 0.5, 0.9) for text in ["去公园", "玩", "吧", "今", "天"])
    assert repeated("去公园玩吧今天", (long, *held_back)).begin(101) == 0


def test_words_of_several_characters_appear_once_when_some_have_left_the_window() -> None:
    texts = ["今天", "天气", "很好", "我们", "去公园", "玩吧"]
    words = tuple(
        Word(text, number * 0.3, number * 0.3 + 0.25 - number * 0.02, 0.9) for number, text in enumerate(texts)
    )
    partials = repeated("".join(texts), words)
    assert partials.begin(101) == int(0.855 / FRAME_S)
    hypothesis = partials.add_hypothesis("".join(texts[3:]), (), 26, 101)
    assert hypothesis is not None
    assert hypothesis.stable + hypothesis.unstable == "".join(texts)


def test_window_drops_its_first_words_when_they_are_misrecognized() -> None:
    simulation = SimulatedPartials(evenly(100), SMALL)
    starts = [simulation.decode(now, edge=EdgeError.MISRECOGNIZED).start for now in range(20, 1400, 20)]
    assert starts[-1] > 1200


def test_words_that_differ_from_the_stable_text_stay() -> None:
    """The window may begin only before OVERLAP words that the newest text contains too."""
    simulation = SimulatedPartials(evenly(100), replace(SMALL, max_window=1000))
    for now in range(20, 1000, 20):
        simulation.decode(now)
    simulation.decode(1001, misrecognized=100)
    assert simulation.partials.begin(1002) == 0


def test_overlap_stays_when_no_unstable_words_are_recognized() -> None:
    """The decoder omitted the unstable words at the end."""
    words = tuple(Word(f"w{number}", number * 0.2, number * 0.2 + 0.1, 0.9) for number in range(12))
    partials = Partials(0, 0, replace(SMALL, min_window=0, split_search=0))
    for count in (*[12] * StabilizerConfig().min_agreements, 12 - StabilizerConfig().held_back_units):
        partials.begin(101)
        hypothesis = partials.add_hypothesis(" ".join(word.text for word in words[:count]), (), 0, 101)
    assert hypothesis is not None
    assert hypothesis.unstable == ""
    partials.add_hypothesis(hypothesis.stable, words[: len(hypothesis.stable.split())], 0, 101)
    assert partials.begin(101) == int((words[len(hypothesis.stable.split()) - OVERLAP_UNITS].start_s - 0.05) / FRAME_S)


def test_word_without_duration_does_not_keep_others_in_the_window() -> None:
    words = scripted_words([(0, 0), *[(0, 10)] * 30])
    simulation = SimulatedPartials(words, replace(SMALL, max_window=0, min_window=0))
    for now in range(10, 300, 10):
        simulation.decode(now)
    assert simulation.partials.begin(300) > 100


@pytest.mark.parametrize(("start", "count"), [(0, 0), (10, 30)])
def test_missing_or_outdated_timestamps_do_not_move_the_window(start: int, count: int) -> None:
    partials = Partials(0, 0, SMALL)
    words = tuple(Word(f"w{number}", number * 0.2, number * 0.2 + 0.1, 0.9) for number in range(30))
    for _ in range(StabilizerConfig().min_agreements + 1):
        partials.begin(500)
        partials.add_hypothesis(" ".join(word.text for word in words), words[:count], start, 500)
    assert partials.begin(500) == 0


def test_overlapping_windows_each_have_their_own_prefix() -> None:
    """The first window's text is delivered when the second has started and has moved to a later word."""
    partials = Partials(0, 0, SMALL)
    partials.begin(50)
    partials.commit("w0 w1 w2", 20)
    assert partials.begin(100) == 20
    first = partials.add_hypothesis("w0 w1 w2 w3", (), 0, 50)
    second = partials.add_hypothesis("w3 w4", (), 20, 100)
    assert first is not None
    assert second is not None
    assert first.stable + first.unstable == "w0 w1 w2 w3"
    assert second.stable + second.unstable == "w0 w1 w2 w3 w4"


def misrecognized_window_lengths(cost_s: float) -> list[int]:
    """Return the window lengths when hypotheses never agree and each has that cost."""
    simulation, lengths = SimulatedPartials(evenly(100), CONFIG), list[int]()
    for now in range(30, 1400, 30):
        lengths.append(simulation.decode(now, misrecognized=now // 30 % 2 * 100).length)
        simulation.partials.record_cost(cost_s)
    return lengths


def test_windows_get_shorter_on_a_slow_machine_although_hypotheses_never_agree() -> None:
    assert max(misrecognized_window_lengths(cost_s=5.0)) <= UNSTABLE_SPLIT_FACTOR * CONFIG.min_slow_window + 30
    assert max(misrecognized_window_lengths(cost_s=0.1)) > 1300


def test_unstable_words_that_left_the_window_are_still_shown() -> None:
    simulation, words = SimulatedPartials(evenly(60), CONFIG), evenly(60)
    for now in range(30, 800, 30):
        simulation.partials.record_cost(5.0)
        decoded = simulation.decode(now, misrecognized=now // 30 % 2 * 100)
        shown = [int(word[1:]) for word in f"{decoded.hypothesis.stable} {decoded.hypothesis.unstable}".split()]
        assert shown == [word.number for word in words if word.end <= now]
