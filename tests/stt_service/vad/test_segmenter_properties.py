"""Properties of utterances for any timeline and configuration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.vad.segmenter import Segmenter
from stt_service.vad.types import (
    Decision,
    Endpoint,
    SegmenterConfig,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from tests.support.timelines.frame_timelines import PROBABILITY, ended_utterances, run, segmenter_after, step_through

PROPERTY = settings(derandomize=True, deadline=None, max_examples=300)

# Runs of one symbol instead of single frames make whole utterances likely.
TIMELINES = st.lists(st.tuples(st.sampled_from("##+-."), st.integers(1, 9)), max_size=25).map(
    lambda runs: "".join(symbol * length for symbol, length in runs)
)
CONFIGS = st.builds(
    SegmenterConfig,
    onset_frames=st.integers(1, 4),
    hangover_frames=st.integers(1, 9),
    min_length_frames=st.integers(0, 20),
    max_length_frames=st.integers(18, 40),
    pre_roll_frames=st.integers(0, 6),
    min_gap_frames=st.just(0),
    speech_pad_frames=st.integers(1, 6),
)


def utterances(audio: str, config: SegmenterConfig) -> list[UtteranceEnded]:
    segmenter = Segmenter(config)
    decisions = step_through(segmenter, [PROBABILITY[symbol] for symbol in audio], [i % 7 for i in range(len(audio))])
    return ended_utterances([*decisions, *segmenter.flush(Endpoint.END_OF_AUDIO)])


@PROPERTY
@given(TIMELINES, CONFIGS)
def test_utterances_never_overlap_and_respect_the_maximum_length(audio: str, config: SegmenterConfig) -> None:
    last_end = 0
    for ended in utterances(audio, config):
        assert last_end <= ended.start <= ended.onset < ended.speech_end <= ended.window_end <= ended.end
        assert ended.end - ended.start <= config.max_length_frames
        assert 0 < ended.voiced_frames <= ended.speech_end - ended.onset
        last_end = ended.end
    assert last_end <= len(audio)


@PROPERTY
@given(TIMELINES, CONFIGS)
def test_speech_as_long_as_an_onset_is_never_lost(audio: str, config: SegmenterConfig) -> None:
    covered = {frame for ended in utterances(audio, config) for frame in range(ended.start, ended.window_end)}
    for frame in range(len(audio) - config.onset_frames + 1):
        if audio[frame : frame + config.onset_frames] == "#" * config.onset_frames:
            assert covered >= set(range(frame, frame + config.onset_frames))


@PROPERTY
@given(TIMELINES, CONFIGS)
def test_starts_and_ends_alternate(audio: str, config: SegmenterConfig) -> None:
    segmenter, started = Segmenter(config), None
    while segmenter.frame < len(audio):
        decision = segmenter.step(PROBABILITY[audio[segmenter.frame]], 0)
        match decision:
            case UtteranceStarted():
                assert started is None
                started = decision
            case UtteranceEnded():
                assert started is not None
                assert (started.start, started.onset) == (decision.start, decision.onset)
                assert segmenter.frame == segmenter.committed == decision.end
                started = None
        assert segmenter.start == (started.start if started else None)


@PROPERTY
@given(TIMELINES, CONFIGS)
def test_pause_is_discarded_only_when_speech_resumed_or_the_window_differs(audio: str, config: SegmenterConfig) -> None:
    paused: SpeechPaused | None = None
    for decision in run(audio, config):
        match decision:
            case SpeechPaused():
                assert paused is None
                paused = decision
            case SpeechResumed():
                assert paused is not None
                paused = None
            case UtteranceEnded() if paused and decision.window_end == paused.pause.window_end:
                assert decision.speech_end == paused.pause.speech_end
                paused = None
            case UtteranceStarted() | UtteranceEnded():
                paused = None


@PROPERTY
@given(TIMELINES, st.lists(CONFIGS, min_size=1, max_size=4), st.data())
def test_committed_frame_never_decreases(audio: str, configs: list[SegmenterConfig], data: st.DataObject) -> None:
    segmenter, committed = Segmenter(configs[0]), 0
    changes = data.draw(st.dictionaries(st.integers(0, 100), st.sampled_from(configs), max_size=5))
    while (number := segmenter.frame) < len(audio):
        if number in changes:
            segmenter.reconfigure(changes[number])
        decision = segmenter.step(PROBABILITY[audio[number]], number % 5)
        if isinstance(decision, UtteranceStarted):
            assert decision.start >= committed
        assert committed <= segmenter.committed <= segmenter.frame
        committed = segmenter.committed
        for ended in ended_utterances([decision]):
            assert ended.end - ended.start <= max(config.max_length_frames for config in configs)


@PROPERTY
@given(TIMELINES, CONFIGS)
def test_the_same_frames_give_the_same_decisions(audio: str, config: SegmenterConfig) -> None:
    assert run(audio, config) == run(audio, config)


@PROPERTY
@given(TIMELINES, CONFIGS, st.integers(1, 12))
def test_frames_skipped_together_lead_to_the_same_decisions_as_single_frames(
    audio: str, config: SegmenterConfig, size: int
) -> None:
    segmenter = Segmenter(config)
    decisions: list[Decision | None] = []
    probabilities = np.array([PROBABILITY[symbol] for symbol in audio], np.float32)
    energies = np.arange(len(audio), dtype=np.float32) % 7
    while (begin := segmenter.frame) < len(audio):
        chunk = slice(begin, begin + size)
        if segmenter.skip_silence(probabilities[chunk], energies[chunk]):
            decisions += [None] * len(probabilities[chunk])
        else:
            decisions.append(segmenter.step(float(probabilities[begin]), float(energies[begin])))
    stepping = Segmenter(config)
    assert decisions == step_through(stepping, probabilities.tolist(), energies.tolist())
    assert segmenter.committed == stepping.committed


def end_in_silence(segmenter: Segmenter) -> UtteranceEnded:
    """Feed silence until the open utterance ends; return its end."""
    while not (ended := ended_utterances([segmenter.step(0.0, 0)])):
        pass
    return ended[0]


@PROPERTY
@given(TIMELINES, CONFIGS, st.integers(0, 200))
def test_continued_silence_ends_the_utterance_at_its_endpoint(
    audio: str, config: SegmenterConfig, min_length: int
) -> None:
    segmenter = segmenter_after(audio, replace(config, min_length_frames=min_length, max_length_frames=1000))
    if segmenter.in_utterance:
        endpoint = segmenter.endpoint_frame
        assert (end_in_silence(segmenter).end, segmenter.frame) == (endpoint, endpoint)


def test_utterance_that_reaches_the_maximum_length_in_silence_ends_at_its_endpoint() -> None:
    segmenter = segmenter_after("#" * 16, SegmenterConfig(hangover_frames=9, min_length_frames=0, max_length_frames=20))
    endpoint = segmenter.endpoint_frame
    assert end_in_silence(segmenter).end == endpoint


@PROPERTY
@given(TIMELINES, CONFIGS)
def test_speech_end_of_an_open_utterance_is_that_of_its_end(audio: str, config: SegmenterConfig) -> None:
    segmenter = segmenter_after(audio, replace(config, max_length_frames=1000))
    if segmenter.in_utterance:
        speech_end = segmenter.speech_end
        assert end_in_silence(segmenter).speech_end == speech_end
