"""Decisions of the segmenter for timelines of one symbol per frame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.vad.segmenter import COMMIT_SILENCE_FRAMES, Segmenter
from stt_service.vad.types import (
    MAX_CUT_REACH_FRAMES,
    Decision,
    Endpoint,
    LongSilence,
    Pause,
    SegmenterConfig,
    SpeechPaused,
    UtteranceEnded,
    UtteranceStarted,
)
from tests.support.timelines.frame_timelines import (
    CONFIG,
    PROBABILITY,
    ended_utterances,
    run,
    segmenter_after,
    step_through,
    symbols,
)


@pytest.mark.parametrize(
    ("audio", "decisions"),
    [
        pytest.param("..##......", "..........", id="a click shorter than the onset is not speech"),
        pytest.param("..++++++..", "..........", id="weak speech begins no utterance"),
        pytest.param("..#++.....", "....^.h.$.", id="weak speech completes an onset"),
        pytest.param("..##.##...", "..........", id="an onset has no gap"),
        pytest.param("..####....", "....^..h.$", id="speech ends once silent for the hangover"),
        pytest.param("####...####", "..^..h.r...", id="a pause shorter than the hangover is bridged"),
        pytest.param("###++++++++", "..^........", id="weak speech keeps an utterance open"),
        pytest.param("###----....", "..^...$....", id="residual speech does not"),
        pytest.param("###..-..", "..^.hr$.", id="residual speech discards the speculative decode"),
        pytest.param("###.-....", "..^...$..", id="residual speech delays the speculative decode"),
        pytest.param("###..+..#", "..^.hr.hr", id="each pause is reported after speech in between"),
    ],
)
def test_frames_lead_to_the_expected_decisions(audio: str, decisions: str) -> None:
    assert symbols(run(audio)) == decisions


# Silero's probabilities of a word that does not reach an onset (asterisk-core-sounds-en: the ordinal eighth).
EIGHTH = [0.11, 0.16, 0.16, 0.2, 0.21, 0.19, 0.19, 0.26, 0.19, 0.24, 0.26, 0.37, 0.32, 0.26, 0.29, 0.19, 0.12]
OFFICE = [0.1, 0.2, 0.34, 0.26, 0.18, 0.2, 0.15, 0.16, 0.12, 0.1]  # the highest values of office noise
DEFAULT = SegmenterConfig()
SILENT = [0.0] * 60


def test_word_too_weak_for_an_onset_is_an_utterance_once_it_has_ended() -> None:
    decisions = step_through(Segmenter(DEFAULT), SILENT + EIGHTH + SILENT + SILENT)
    started, ended = next(d for d in decisions if isinstance(d, UtteranceStarted)), ended_utterances(decisions)
    assert started.onset == 60
    assert [(e.onset, e.speech_end, e.voiced_frames) for e in ended] == [(60, 60 + len(EIGHTH), len(EIGHTH))]


LETTER_F = [0.11, 0.13, 0.16, 0.2, 0.23, 0.19, 0.17, 0.16, 0.13, 0.11, 0.1]  # sums up to 1.37


@pytest.mark.parametrize(("silence_level", "utterances"), [(1e-6, 1), (1e-3, 0)])
def test_weaker_word_is_an_utterance_when_it_is_louder_than_the_audio_after_it(
    silence_level: float, utterances: int
) -> None:
    probabilities = SILENT + LETTER_F + SILENT + SILENT
    levels = [silence_level] * 60 + [2e-2] * len(LETTER_F) + [silence_level] * 120
    assert len(ended_utterances(step_through(Segmenter(DEFAULT), probabilities, levels))) == utterances


def test_loud_frame_is_not_a_gap_at_any_probability() -> None:
    probabilities = SILENT + [0.15] * 4 + [0.05] * 6 + [0.2] * 8 + SILENT + SILENT
    levels = [1e-6] * 60 + [2e-2] * 18 + [1e-6] * 120
    (ended,) = ended_utterances(step_through(Segmenter(DEFAULT), probabilities, levels))
    assert (ended.onset, ended.speech_end) == (60, 78)


def test_weak_noise_is_not_an_utterance() -> None:
    assert not any(step_through(Segmenter(DEFAULT), SILENT + OFFICE + SILENT))


def test_gap_between_two_weak_syllables_does_not_separate_them() -> None:
    (ended,) = ended_utterances(
        step_through(Segmenter(DEFAULT), SILENT + EIGHTH + [0.0] * 4 + EIGHTH + SILENT + SILENT)
    )
    assert (ended.onset, ended.speech_end) == (60, 60 + 2 * len(EIGHTH) + 4)


def test_weak_speech_that_lasts_begins_an_utterance_before_it_ends() -> None:
    decisions = step_through(Segmenter(DEFAULT), [0.3] * 70)
    assert [type(d) for d in decisions if d] == [UtteranceStarted]
    assert decisions[61] == UtteranceStarted(0, 0, committed=0, max_uncut_frames=688)


def test_weak_word_at_the_end_of_the_audio_is_an_utterance() -> None:
    segmenter = Segmenter(DEFAULT)
    step_through(segmenter, SILENT + EIGHTH)
    *_, ended = ended_utterances(segmenter.flush(Endpoint.END_OF_AUDIO))
    assert ended.onset == 60


def test_weak_word_waits_for_the_gap_after_an_endpoint() -> None:
    config = replace(DEFAULT, min_length_frames=0, min_gap_frames=100)
    decisions = step_through(Segmenter(config), [0.99] * 10 + SILENT + EIGHTH + SILENT)
    assert len(ended_utterances(decisions)) == 1


def test_utterance_has_pre_roll_and_padding() -> None:
    ended = UtteranceEnded(
        start=3, onset=5, speech_end=8, window_end=10, end=12, voiced_frames=3, endpoint=Endpoint.SILENCE
    )
    assert run(".....###....")[-1] == ended


def test_utterance_does_not_overlap_the_previous_one() -> None:
    first, second = ended_utterances(run("###....###...."))
    assert second.start == first.end


def test_faint_last_syllable_is_inside_the_window() -> None:
    (ended,) = ended_utterances(run("###--...."))
    assert (ended.speech_end, ended.window_end, ended.voiced_frames) == (5, 7, 3)


def test_speculative_window_equals_the_final_one() -> None:
    decisions = run("..####....")
    assert decisions[7] == SpeechPaused(Pause(speech_end=6, window_end=8), frame=8, endpoint_frame=10)
    assert ended_utterances(decisions)[0].window_end == 8


def test_padding_longer_than_the_hangover_is_cut_at_the_end() -> None:
    (ended,) = ended_utterances(run("###....", replace(CONFIG, speech_pad_frames=9)))
    assert (ended.window_end, ended.end) == (7, 7)


def test_silence_does_not_end_a_short_utterance() -> None:
    assert symbols(run("..###.......", replace(CONFIG, min_length_frames=9))) == "....^.h...$."


def test_onset_waits_for_the_gap_after_an_endpoint() -> None:
    close, apart = run("###....#####"), run("###....#####", replace(CONFIG, min_gap_frames=2))
    assert symbols(close) == "..^.h.$..^.."
    assert symbols(apart) == "..^.h.$....^"


MAX_12 = replace(CONFIG, max_length_frames=12)


def test_utterance_is_cut_at_its_quietest_recent_point() -> None:
    config = replace(CONFIG, max_length_frames=30)  # the cut is within the last 10 frames
    levels = "0" * 10 + "9" * 12 + "31113" + "9" * 3
    decisions = run("#" * 30, config, levels)
    ended = UtteranceEnded(
        start=0, onset=0, speech_end=24, window_end=24, end=24, voiced_frames=24, endpoint=Endpoint.MAX_LENGTH
    )
    assert decisions[29:31] == [ended, UtteranceStarted(24, 24, committed=24, max_uncut_frames=20)]


def test_cut_is_at_the_latest_of_equally_quiet_points() -> None:
    (ended,) = ended_utterances(run("#" * 30, replace(CONFIG, max_length_frames=30)))
    assert ended.end == 27


def test_utterance_after_a_cut_has_the_full_maximum_length() -> None:
    """Twelve frames with the cut after the tenth; the two frames after the cut are repeated."""
    assert symbols(run("#" * 30, MAX_12)) == "..^........$" + "^..........$" + "^........."


def test_pause_in_the_utterance_after_a_cut_ends_it() -> None:
    decisions = run("############....", MAX_12)
    assert symbols(decisions) == "..^........$" + "^..h.$"
    assert [(ended.start, ended.end) for ended in ended_utterances(decisions)] == [(0, 10), (10, 16)]


def test_speculative_window_is_discarded_at_a_cut() -> None:
    config = replace(CONFIG, max_length_frames=30, hangover_frames=9)
    decisions = run("#" * 25 + "." * 9, config, "9" * 20 + "0" * 5 + "9" * 9)
    assert symbols(decisions[25:]) == ".h..$" + "^...h......$"


def test_utterance_ends_at_the_maximum_length_without_speech_after_the_cut() -> None:
    config = replace(MAX_12, hangover_frames=10)
    (ended,) = ended_utterances(run("#####..........", config))
    assert (ended.end, ended.speech_end, ended.endpoint) == (12, 5, Endpoint.MAX_LENGTH)


def test_cut_has_the_end_of_speech_before_it_and_the_onset_after_it() -> None:
    decisions = run("#######....#", replace(MAX_12, hangover_frames=9))
    (ended,) = ended_utterances(decisions)
    assert (ended.speech_end, ended.end, decisions[-1]) == (
        7,
        10,
        UtteranceStarted(10, 11, committed=10, max_uncut_frames=8),
    )


def test_cut_is_at_most_six_seconds_back() -> None:
    length = 3 * MAX_CUT_REACH_FRAMES + 90
    levels = (
        "9" * (length - MAX_CUT_REACH_FRAMES - 5) + "0" * 5 + "9" * 80 + "1" * 5 + "9" * (MAX_CUT_REACH_FRAMES - 85)
    )
    (ended,) = ended_utterances(run("#" * length, replace(CONFIG, max_length_frames=length), levels))
    assert ended.end == length - MAX_CUT_REACH_FRAMES + 82


@pytest.mark.parametrize("endpoint", [e for e in Endpoint if e not in (Endpoint.SILENCE, Endpoint.MAX_LENGTH)])
def test_flush_ends_the_open_utterance(endpoint: Endpoint) -> None:
    segmenter = segmenter_after("####.")
    ended = UtteranceEnded(start=0, onset=0, speech_end=4, window_end=5, end=5, voiced_frames=4, endpoint=endpoint)
    assert segmenter.flush(endpoint) == [ended]
    assert segmenter.flush(endpoint) == []


def test_word_cut_off_within_its_onset_is_an_utterance() -> None:
    started, ended = segmenter_after("....#").flush(Endpoint.END_OF_AUDIO)
    assert started == UtteranceStarted(2, 4, committed=0, max_uncut_frames=40)
    assert isinstance(ended, UtteranceEnded)
    assert (ended.start, ended.onset, ended.speech_end, ended.end) == (2, 4, 5, 5)


@pytest.mark.parametrize("audio", ["", "....", "..++", "###....", "##."])
def test_flush_without_an_utterance_returns_no_decisions(audio: str) -> None:
    assert segmenter_after(audio).flush(Endpoint.FINALIZE) == []


def test_open_utterance_keeps_its_settings() -> None:
    segmenter = segmenter_after("###")
    segmenter.reconfigure(replace(CONFIG, hangover_frames=2))
    first = [segmenter.step(PROBABILITY[frame], 0) for frame in "...."]
    second = [segmenter.step(PROBABILITY[frame], 0) for frame in "###.."]
    assert (symbols(first), symbols(second)) == (".h.$", "..^.$")


def test_new_settings_take_effect_immediately_in_silence() -> None:
    segmenter = segmenter_after("..")
    segmenter.reconfigure(replace(CONFIG, onset_threshold=0.4))
    assert symbols([segmenter.step(PROBABILITY[frame], 0) for frame in "+++"]) == "..^"


def test_new_settings_take_effect_after_a_cut() -> None:
    segmenter = segmenter_after("#" * 11, MAX_12)
    segmenter.reconfigure(replace(MAX_12, hangover_frames=2))
    assert symbols(step_through(segmenter, [PROBABILITY[symbol] for symbol in "#" * 12 + ".."])) == "$^..$"


def test_shorter_maximum_of_the_next_settings_limits_the_reach_of_the_cut() -> None:
    segmenter = segmenter_after("#" * 20, replace(CONFIG, max_length_frames=30))
    segmenter.reconfigure(MAX_12)
    (ended,) = ended_utterances([segmenter.step(PROBABILITY["#"], int(number >= 5)) for number in range(10)])
    assert ended.end == 28


def test_longer_pre_roll_does_not_reach_into_committed_audio() -> None:
    segmenter = segmenter_after("###....")
    segmenter.reconfigure(replace(CONFIG, pre_roll_frames=8))
    assert [segmenter.step(PROBABILITY["#"], 0) for _ in range(3)][-1] == UtteranceStarted(
        7, 7, committed=7, max_uncut_frames=40
    )


@pytest.mark.parametrize(
    ("audio", "in_utterance", "start", "committed"),
    [
        pytest.param(".....", False, None, 0, id="short silence commits nothing"),
        pytest.param(".....####.", True, 3, 0, id="speech commits nothing"),
        pytest.param("###....", False, None, 7, id="an endpoint commits all"),
        pytest.param("###........####", True, 9, 7, id="after speech resumed, all before the endpoint is committed"),
    ],
)
def test_committed_frame_follows_endpoints_only(
    audio: str, in_utterance: bool, start: int | None, committed: int
) -> None:
    segmenter = segmenter_after(audio)
    assert (segmenter.frame, segmenter.in_utterance) == (len(audio), in_utterance)
    assert (segmenter.start, segmenter.committed) == (start, committed)


def test_long_silence_commits_all_frames_except_the_pre_roll_and_steps_back_to_it() -> None:
    segmenter = Segmenter(CONFIG)
    decisions = [segmenter.step(0.0, 0.0) for _ in range(COMMIT_SILENCE_FRAMES + CONFIG.pre_roll_frames)]
    assert decisions == [None] * (len(decisions) - 1) + [LongSilence(COMMIT_SILENCE_FRAMES)]
    assert (segmenter.frame, segmenter.committed) == (COMMIT_SILENCE_FRAMES, COMMIT_SILENCE_FRAMES)


def test_weak_speech_after_a_cut_continues_immediately() -> None:
    weak = "#" * 10 + "++++++++"
    assert symbols(run(weak, MAX_12)) == "..^........$^......."
    assert symbols(step_through(Segmenter(CONFIG), [PROBABILITY[symbol] for symbol in "+++++"])) == "....."
    assert (
        symbols(step_through(Segmenter(CONFIG, continues_utterance=True), [PROBABILITY[symbol] for symbol in "..+++"]))
        == "..^.."
    )


def test_weak_speech_later_than_the_hangover_after_a_cut_does_not_continue_it() -> None:
    assert (
        symbols(
            step_through(Segmenter(CONFIG, continues_utterance=True), [PROBABILITY[symbol] for symbol in "....+++"])
        )
        == "......."
    )


def test_any_probability_above_zero_is_speech_at_the_highest_sensitivity() -> None:
    segmenter = Segmenter(replace(CONFIG, onset_threshold=0.0, offset_threshold=0.01, residual_threshold=0.01))
    assert symbols([segmenter.step(p, 0) for p in (0.0, 1e-6, 1e-6, 1e-6, 1e-6)]) == "...^."


def test_speech_is_above_the_threshold_not_at_it() -> None:
    segmenter = Segmenter(CONFIG)
    assert symbols([segmenter.step(CONFIG.onset_threshold, 0) for _ in range(5)]) == "." * 5


def test_weak_speech_begins_an_utterance_after_a_longer_time() -> None:
    assert symbols(run("oooooooo")) == ".....^.."


def test_short_weak_sound_begins_no_utterance() -> None:
    assert symbols(run("ooooo....")) == "........."


def test_weak_speech_that_becomes_strong_begins_an_utterance_immediately() -> None:
    assert symbols(run("oo#o....")) == "..^..h.$"


def test_weak_sound_at_the_end_of_the_audio_is_not_an_utterance() -> None:
    assert segmenter_after("...oo").flush(Endpoint.END_OF_AUDIO) == []


def until_long_silence(segmenter: Segmenter, times: int) -> Segmenter:
    """Feed silence until it has been reported that many times."""
    while times:
        times -= isinstance(segmenter.step(0.0, 0.0), LongSilence)
    return segmenter


def after(segmenter: Segmenter, audio: str) -> list[Decision | None]:
    return [segmenter.step(PROBABILITY[symbol], 0.0) for symbol in audio]


def test_silence_is_periodic_after_a_whole_period_outside_the_gap_after_an_utterance() -> None:
    segmenter = segmenter_after("####....", replace(CONFIG, min_gap_frames=2))
    assert not segmenter.is_periodic
    assert not until_long_silence(segmenter, 1).is_periodic
    assert until_long_silence(segmenter, 1).is_periodic
    after(segmenter, "####")
    assert not segmenter.is_periodic


def test_decisions_after_skipped_silence_are_those_after_silence() -> None:
    skipped, stepped = until_long_silence(Segmenter(CONFIG), 1), until_long_silence(Segmenter(CONFIG), 3)
    assert skipped.skip_periods(2) == 2 * COMMIT_SILENCE_FRAMES
    assert (skipped.frame, skipped.committed) == (stepped.frame, stepped.committed)
    assert after(skipped, "..####....") == after(stepped, "..####....")
