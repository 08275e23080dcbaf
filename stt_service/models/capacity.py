"""How many people this machine can serve at once, reckoned from its self-test."""

from __future__ import annotations

from stt_service.models.loader import TEST_S, ComputePlan, SelfTest

# What a stream asks for while it is open. Ours, to be measured anew when decodes change.
SPEAKING_SHARE = 0.7  # of the time somebody speaks
FINALS_PER_UTTERANCE = 1.3  # some early ones are void, as speech goes on
PARTIALS_PER_S = 1.5  # of speech: with fewer the text no longer looks live
EDGE_S = 0.01  # of the event loop for a second of sound: 0.011 of speech, 0.0015 of silence, and gRPC
# Streams speak when they like: the closer to 1, the longer finals wait for one another.
UTILISATION = 0.7


def capacity(test: SelfTest, plan: ComputePlan) -> int:
    """Return how many streams can be open, none of which lags; at least one is served, however late."""
    finals_s = FINALS_PER_UTTERANCE * test.final_s / TEST_S
    decodes_s = SPEAKING_SHARE * (finals_s + PARTIALS_PER_S * test.partial_s) / test.gain
    return max(1, int(UTILISATION * min(plan.workers / decodes_s, 1 / EDGE_S)))
