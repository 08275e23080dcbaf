"""Which language an utterance is in where it is detected: a short one keeps the language of the one before it.

One word is little evidence: the detector takes "Monday" for Telugu. So where the audio is short and the detector not
sure, the language of the dictation's last final is kept, if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping

# Fitted on one- to three-word utterances, English and Russian: docs/performance.md.
SHORT_AUDIO_S = 4.0
STRONG_PROBABILITY = 0.9


def is_strong_evidence(probability: float, audio_s: float) -> bool:
    """Return whether the detected language counts whatever was spoken before."""
    return audio_s > SHORT_AUDIO_S or probability >= STRONG_PROBABILITY


def choose_language(probabilities: Mapping[str, float], previous: str | None, audio_s: float) -> str:
    """Return the most probable language, or the previous one where the evidence is weak."""
    detected = max(probabilities, key=probabilities.__getitem__)
    if previous is None or previous not in probabilities or is_strong_evidence(probabilities[detected], audio_s):
        return detected
    return previous
