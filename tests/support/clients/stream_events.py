"""Events of a stream with the fields that a resuming client needs."""

from __future__ import annotations

from stt_client.events import Final, Latency, Suppressed


def final_event(utterance: int, start_ms: int, end_ms: int, committed_ms: int) -> Final:
    latency = Latency(0.0, 0.0, 0.0, speculative=False, batch=1)
    return Final(utterance, "раз", start_ms, end_ms, "ru", 1.0, 1.0, "silence", latency, committed_ms=committed_ms)


def suppressed_event(utterance: int, start_ms: int, end_ms: int, committed_ms: int) -> Suppressed:
    return Suppressed(utterance, start_ms, end_ms, "NO_SPEECH", "you", committed_ms=committed_ms)
