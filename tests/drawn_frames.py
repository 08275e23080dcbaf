"""Speech drawn a character a frame, and what the segmenter decides about it."""

from __future__ import annotations

from stt_service.segmenter import Cut, Decision, Ended, Hangover, Resumed, Segmenter, SegmenterConfig, Started

# # is speech, o fainter speech, + weak speech, - a trace of it, . is silent.
PROBABILITY = {"#": 0.99, "o": 0.7, "+": 0.5, "-": 0.2, ".": 0.0}
SIGN = {Started: "^", Hangover: "h", Resumed: "r", Ended: "$", Cut: "|", type(None): "."}
CONFIG = SegmenterConfig(
    onset=3, hangover=4, min_length=0, max_length=60, pre_roll=2, trail=2, enter=0.95, leave=0.35, trace=0.1
)


def run(audio: str, config: SegmenterConfig = CONFIG, levels: str = "") -> list[Decision | None]:
    """Feed a drawing; `levels` draws each frame's energy as a digit."""
    segmenter = Segmenter(config)
    energies = [float(level) for level in levels] or [0.0] * len(audio)
    return [segmenter.step(PROBABILITY[p], energy) for p, energy in zip(audio, energies, strict=True)]


def drawn(decisions: list[Decision | None]) -> str:
    return "".join(SIGN[type(decision)] for decision in decisions)


def ends(decisions: list[Decision | None]) -> list[Ended]:
    """Return the utterances that ended, cut ones too."""
    ended = [d.ended if isinstance(d, Cut) else d for d in decisions]
    return [d for d in ended if isinstance(d, Ended)]


def fed(audio: str, config: SegmenterConfig = CONFIG) -> Segmenter:
    segmenter = Segmenter(config)
    for frame in audio:
        segmenter.step(PROBABILITY[frame], 0.0)
    return segmenter
