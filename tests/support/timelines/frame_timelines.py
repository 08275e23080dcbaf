"""Timelines with one character per frame, and the segmenter's decisions about them."""

from __future__ import annotations

from collections.abc import Sequence

from stt_service.vad.segmenter import Segmenter
from stt_service.vad.types import (
    Decision,
    LongSilence,
    SegmenterConfig,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)

# Symbols: # speech, o fainter speech, + weak speech, - residual speech, . silence.
PROBABILITY = {"#": 0.99, "o": 0.7, "+": 0.5, "-": 0.2, ".": 0.0}
DECISION_SYMBOLS = {
    UtteranceStarted: "^",
    SpeechPaused: "h",
    SpeechResumed: "r",
    UtteranceEnded: "$",
    LongSilence: "q",
    type(None): ".",
}
CONFIG = SegmenterConfig(
    onset_frames=3,
    hangover_frames=4,
    min_length_frames=0,
    max_length_frames=60,
    pre_roll_frames=2,
    speech_pad_frames=2,
    onset_threshold=0.95,
    offset_threshold=0.35,
    residual_threshold=0.1,
)


def run(audio: str, config: SegmenterConfig = CONFIG, levels: str = "") -> list[Decision | None]:
    """Feed a timeline; `levels` has each frame's energy as a digit. Frames after a split are fed again."""
    energies = [float(level) for level in levels] or [0.0] * len(audio)
    return step_through(Segmenter(config), [PROBABILITY[symbol] for symbol in audio], energies)


def step_through(
    segmenter: Segmenter, probabilities: Sequence[float], energies: Sequence[float] = ()
) -> list[Decision | None]:
    """Feed the segmenter from its current frame to the end of the timeline; return its decisions."""
    decisions: list[Decision | None] = []
    while (frame := segmenter.frame) < len(probabilities):
        decisions.append(segmenter.step(probabilities[frame], energies[frame] if energies else 0.0))
    return decisions


def symbols(decisions: list[Decision | None]) -> str:
    return "".join(DECISION_SYMBOLS[type(decision)] for decision in decisions)


def ended_utterances(decisions: Sequence[Decision | None]) -> list[UtteranceEnded]:
    """Return the decisions that end an utterance."""
    return [decision for decision in decisions if isinstance(decision, UtteranceEnded)]


def segmenter_after(audio: str, config: SegmenterConfig = CONFIG) -> Segmenter:
    segmenter = Segmenter(config)
    step_through(segmenter, [PROBABILITY[symbol] for symbol in audio])
    return segmenter
