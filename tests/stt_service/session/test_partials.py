"""When a partial is due, and where its window begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.session.partials import OVERLAP_UNITS, UNSTABLE_SPLIT_FACTOR, Partials, PartialsConfig
from stt_service.session.stabilizer import StabilizerConfig
from stt_service.settings.schema import FRAME_S, frames
from stt_service.whisper.types import Word
from tests.support.scripted_partials import EdgeError, ScriptedWord, SimulatedPartials, evenly, scripted_words

ONSET = 31
CONFIG = PartialsConfig()
SMALL = PartialsConfig(max_window=100, min_window=30, split_search=30, stabilizer=StabilizerConfig())


def new_partials() -> Partials:
    return Partials(0, ONSET, CONFIG)


def test_the_first_is_due_once_speech_has_lasted_a_while() -> None:
    partials, now = new_partials(), ONSET + CONFIG.first_after
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=ONSET + 1)


def test_none_is_due_while_one_waits_or_is_decoded() -> None:
    partials = new_partials()
    partials.in_flight = True
    assert not partials.is_due(1000, speech_end=1000)


def test_between_two_is_the_pause_at_least() -> None:
    partials, now = new_partials(), 100 + CONFIG.pause
    partials.begin(100)
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=now)


@pytest.mark.parametrize("inference_s", [0.0, 0.01, 0.5, 2.0])
def test_the_next_is_due_after_a_rest_that_grows_with_what_the_last_one_cost(inference_s: float) -> None:
    partials = new_partials()
    for _ in range(CONFIG.warmup_count + 1):
        partials.begin(100)
    partials.record_cost(inference_s)
    now = 100 + max(CONFIG.pause, int(CONFIG.cooldown_ratio * inference_s / FRAME_S))
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=now)


def test_the_first_few_rest_less() -> None:
    partials = new_partials()
    for _ in range(CONFIG.warmup_count):
        partials.begin(100)
    partials.record_cost(1.0)
    now = 100 + int(CONFIG.warmup_cooldown_ratio / FRAME_S)
    assert not partials.is_due(now - 1, speech_end=now - 1)
    assert partials.is_due(now, speech_end=now)


def test_a_rest_is_as_long_as_the_last_one_was_dear_not_the_one_before() -> None:
    partials = new_partials()
    partials.begin(100)
    partials.record_cost(2.0)
    partials.begin(400)
    partials.record_cost(0.0)
    assert partials.is_due(400 + CONFIG.pause, speech_end=400 + CONFIG.pause)


def due_after(inference_s: float, *, idle: bool) -> int:
    """Return how many frames after the cut of the last one the next is due, past the first few."""
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
    """The next is asked for no earlier than the last one came: only one waits or is decoded."""
    assert due_after(inference_s, idle=True) == CONFIG.pause


def longest_after(inference_s: float, length: int) -> int:
    """Return how long a window may get once one of that length has cost so much."""
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


def test_without_anything_new_none_is_due() -> None:
    partials = new_partials()
    partials.begin(100)
    assert not partials.is_due(1000, speech_end=100 - CONFIG.min_new_speech)


def test_speech_that_the_window_s_end_may_have_cut_off_is_heard_again_once() -> None:
    partials = new_partials()
    partials.begin(100)
    assert partials.is_due(1000, speech_end=101 - CONFIG.min_new_speech)
    partials.begin(1000)
    assert not partials.is_due(2000, speech_end=101 - CONFIG.min_new_speech)


def test_what_an_early_transcript_has_heard_is_not_new() -> None:
    partials = new_partials()
    partials.begin(100)
    assert partials.add_full_hypothesis("мама мыла", end=120) is not None
    assert not partials.is_due(1000, speech_end=114)
    assert partials.is_due(1000, speech_end=121)


def test_a_transcript_is_old_news_when_the_last_window_ended_later() -> None:
    partials = new_partials()
    partials.begin(100)
    assert partials.add_full_hypothesis("мама", end=99) is None
    assert partials.add_full_hypothesis("мама мыла", end=120) is not None
    assert partials.add_hypothesis("мама", (), 0, 100) is None


def test_words_are_timed_only_when_the_window_has_grown_long() -> None:
    partials = new_partials()
    assert not partials.needs_word_timestamps(CONFIG.max_window)
    assert partials.needs_word_timestamps(CONFIG.max_window + 1)


def settled(words: list[ScriptedWord], config: PartialsConfig = SMALL, now: int = 101) -> SimulatedPartials:
    """Return a listener who has heard the same words often enough by then, and again."""
    listener = SimulatedPartials(words, config)
    for _ in range(StabilizerConfig().min_agreements):
        listener.decode(now)
    return listener


def test_a_window_begins_in_the_middle_of_the_widest_gap_between_old_words() -> None:
    """The old words are those that ended in the first 71 frames; the gap lies in the last 30 of these."""
    words = scripted_words([(0, 12), (12, 10), (2, 10), (8, 6), (2, 4), (2, 4), (2, 5), (2, 5), *[(1, 1)] * 10])
    listener = settled(words)
    assert [word.end for word in words[:6]] == [12, 34, 46, 60, 66, 72]
    assert listener.partials.begin(102) == 46 + 4


def test_of_equal_gaps_the_last_one_is_the_border() -> None:
    """Most words follow each other without one."""
    words = scripted_words([(0, 9)] * 11)
    assert settled(words).partials.begin(102) == 9 * (11 - StabilizerConfig().held_back_units - OVERLAP_UNITS)


def test_a_window_that_is_not_long_keeps_its_words() -> None:
    words = evenly(30)
    assert settled(words, replace(SMALL, max_window=101)).partials.begin(102) == 0


def test_so_much_sound_stays() -> None:
    words = scripted_words([(0, 2)] * 50)
    assert settled(words, replace(SMALL, min_window=50)).partials.begin(102) == 50
    assert settled(words, replace(SMALL, min_window=101)).partials.begin(102) == 0


def test_words_that_are_not_stable_stay_however_old() -> None:
    listener = SimulatedPartials(evenly(100), SMALL)
    for now in range(20, 1400, 20):
        listener.decode(now, misheard=now // 20 % 2 * 100)
    assert listener.partials.begin(1400) == 0


def test_stable_words_stay_at_the_beginning() -> None:
    """Five words are stable; the first of them may leave, but for the OVERLAP."""
    words = scripted_words([(0, 5)] * (5 + StabilizerConfig().held_back_units))
    assert settled(words).partials.begin(102) == 5 * (5 - OVERLAP_UNITS)
    few = scripted_words([(0, 5)] * (OVERLAP_UNITS + StabilizerConfig().held_back_units))
    assert settled(few).partials.begin(102) == 0


def test_a_window_that_begins_with_mistakes_tells_what_comes_after_the_stable_words() -> None:
    listener = settled(scripted_words([(0, 9)] * 12), replace(SMALL, min_window=0, split_search=0), now=108)
    taken = listener.decode(109, edge=EdgeError.MISHEARD)
    assert taken.start == 9 * (len(taken.stable) - OVERLAP_UNITS)
    assert taken.word_numbers == list(range(12))


def repeated(text: str, words: tuple[Word, ...]) -> Partials:
    """Return partials that heard the same often enough, and have moved their window."""
    partials = Partials(0, 0, SMALL)
    for _ in range(StabilizerConfig().min_agreements):
        partials.begin(101)
        partials.add_hypothesis(text, words, 0, 101)
    return partials


def test_a_word_with_a_hyphen_is_not_cut_in_two() -> None:
    """The decoder's words are `что` and `-то`, the widest gap between them."""
    times = [("когда", 0.1, 0.5), ("что", 0.6, 0.9), ("-то", 1.3, 1.4), ("там", 1.5, 1.6), ("было", 1.6, 1.8)]
    later = "а потом стало лучше и всё".split()
    words = tuple(Word(*word, 0.9) for word in times) + tuple(Word(text, 1.9, 1.9, 0.9) for text in later)
    partials = repeated("когда что-то там было " + " ".join(later), words)
    assert partials.begin(101) == int(1.45 / FRAME_S)


def test_a_word_of_several_signs_is_not_cut_in_two() -> None:
    """Each sign becomes stable by itself, but the decoder knows the times of words alone."""
    long, *held_back = (Word(text, 0.3, 0.5, 0.9) for text in ["去公园", "玩", "吧", "今", "天"])
    assert repeated("去公园玩吧今天", (long, *held_back)).begin(101) == 0


def test_words_of_several_signs_are_told_once_when_some_have_left_the_window() -> None:
    texts = ["今天", "天气", "很好", "我们", "去公园", "玩吧"]
    words = tuple(
        Word(text, number * 0.3, number * 0.3 + 0.25 - number * 0.02, 0.9) for number, text in enumerate(texts)
    )
    partials = repeated("".join(texts), words)
    assert partials.begin(101) == int(0.855 / FRAME_S)
    said = partials.add_hypothesis("".join(texts[3:]), (), 26, 101)
    assert said is not None
    assert said.stable + said.unstable == "".join(texts)


def test_a_window_whose_first_words_were_misheard_loses_them_too() -> None:
    listener = SimulatedPartials(evenly(100), SMALL)
    starts = [listener.decode(now, edge=EdgeError.MISHEARD).start for now in range(20, 1400, 20)]
    assert starts[-1] > 1200


def test_words_that_come_out_otherwise_than_they_are_told_stay() -> None:
    """The window may begin before OVERLAP words only that the newest text has as well."""
    listener = SimulatedPartials(evenly(100), replace(SMALL, max_window=1000))
    for now in range(20, 1000, 20):
        listener.decode(now)
    listener.decode(1001, misheard=100)
    assert listener.partials.begin(1002) == 0


def test_as_many_stable_words_stay_when_no_others_are_heard() -> None:
    """The decoder left out at the end what is not stable yet."""
    words = tuple(Word(f"w{number}", number * 0.2, number * 0.2 + 0.1, 0.9) for number in range(12))
    partials = Partials(0, 0, replace(SMALL, min_window=0, split_search=0))
    for count in (*[12] * StabilizerConfig().min_agreements, 12 - StabilizerConfig().held_back_units):
        partials.begin(101)
        said = partials.add_hypothesis(" ".join(word.text for word in words[:count]), (), 0, 101)
    assert said is not None
    assert said.unstable == ""
    partials.add_hypothesis(said.stable, words[: len(said.stable.split())], 0, 101)
    assert partials.begin(101) == int((words[len(said.stable.split()) - OVERLAP_UNITS].start_s - 0.05) / FRAME_S)


def test_a_word_that_takes_no_sound_with_it_keeps_none_from_leaving() -> None:
    words = scripted_words([(0, 0), *[(0, 10)] * 30])
    listener = SimulatedPartials(words, replace(SMALL, max_window=0, min_window=0))
    for now in range(10, 300, 10):
        listener.decode(now)
    assert listener.partials.begin(300) > 100


@pytest.mark.parametrize(("start", "count"), [(0, 0), (10, 30)])
def test_times_that_are_missing_or_of_another_window_move_nothing(start: int, count: int) -> None:
    partials = Partials(0, 0, SMALL)
    words = tuple(Word(f"w{number}", number * 0.2, number * 0.2 + 0.1, 0.9) for number in range(30))
    for _ in range(StabilizerConfig().min_agreements + 1):
        partials.begin(500)
        partials.add_hypothesis(" ".join(word.text for word in words), words[:count], start, 500)
    assert partials.begin(500) == 0


def test_two_windows_at_once_each_have_the_words_before_them() -> None:
    """The first window's text comes when the second one has begun, and moved to a later word meanwhile."""
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
    """Return the windows' lengths where hypotheses never agree and each costs so much."""
    listener, lengths = SimulatedPartials(evenly(100), CONFIG), list[int]()
    for now in range(30, 1400, 30):
        lengths.append(listener.decode(now, misheard=now // 30 % 2 * 100).length)
        listener.partials.record_cost(cost_s)
    return lengths


def test_on_a_slow_machine_windows_get_shorter_although_hypotheses_never_agree() -> None:
    assert max(misrecognized_window_lengths(cost_s=5.0)) <= UNSTABLE_SPLIT_FACTOR * CONFIG.min_slow_window + 30
    assert max(misrecognized_window_lengths(cost_s=0.1)) > 1300


def test_words_that_left_a_window_unsure_are_shown_and_none_is_missing() -> None:
    listener, words = SimulatedPartials(evenly(60), CONFIG), evenly(60)
    for now in range(30, 800, 30):
        listener.partials.record_cost(5.0)
        taken = listener.decode(now, misheard=now // 30 % 2 * 100)
        shown = [int(word[1:]) for word in f"{taken.hypothesis.stable} {taken.hypothesis.unstable}".split()]
        assert shown == [word.number for word in words if word.end <= now]
